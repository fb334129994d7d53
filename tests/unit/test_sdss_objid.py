import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from hiss.errors import HissError
from hiss.sdss.objid import pack_objid, unpack_objid

part = {
    "sky_version": st.integers(0, 15),
    "rerun": st.integers(0, 2**11 - 1),
    "run": st.integers(0, 2**16 - 1),
    "camcol": st.integers(0, 7),
    "first_field": st.integers(0, 1),
    "field": st.integers(0, 2**12 - 1),
    "object": st.integers(0, 2**16 - 1),
}


@given(st.fixed_dictionaries(part))
def test_round_trip_of_the_parts(parts):
    assert {name: int(value) for name, value in unpack_objid(pack_objid(**parts))._asdict().items()} == parts


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=20))
def test_round_trip_of_ids(ids):
    np.testing.assert_array_equal(pack_objid(**unpack_objid(ids)._asdict()), np.array(ids, dtype=np.int64))


def test_known_ids():
    star = unpack_objid(1237666407922335825)
    assert (star.sky_version, star.rerun, star.run, star.camcol, star.field) == (2, 301, 4874, 3, 677)
    galaxy = unpack_objid(1237648720142401611)  # its target's OBJID: 756, 1, 1, 206, 129
    assert (galaxy.run, galaxy.camcol, galaxy.field) == (756, 1, 206)


def test_boss_files_name_the_parts_beside_the_id(sdss_files):
    for name in ("spec-4238-55455-0037.fits", "spec-7330-56684-0434.fits"):
        with fits.open(sdss_files / "spectra" / name) as hdus:
            row = hdus["SPALL"].data[0]
            parts = unpack_objid(int(row["OBJID"]))
            found = [parts.run, parts.camcol, parts.field, parts.object, parts.rerun]
            assert found == [int(row[key]) for key in ("RUN", "CAMCOL", "FIELD", "ID", "RERUN")]


def test_a_part_too_large_is_an_error():
    with pytest.raises(HissError, match="camcol does not fit"):
        pack_objid(run=756, camcol=8, field=206, object=1)
