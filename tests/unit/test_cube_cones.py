"""Circles on the sky and rows in any order, as the readers of a cube ask for them."""

import h5py
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from hiss.cube import rows as rows_of
from hiss.cube.cones import degrees_of, radius_of, rows_near, separation
from hiss.cube.index import SPECTRUM_ORDER, spectrum_index
from hiss.errors import HissError


@pytest.mark.parametrize("block", [32 * 2**20, 200])
def test_rows_are_gathered_in_the_order_asked_for(tmp_path, monkeypatch, block):
    monkeypatch.setattr(rows_of, "BLOCK_BYTES", block)
    values = np.arange(90, dtype=np.float32).reshape(30, 3)
    records = np.array([(row, b"x" * row) for row in range(30)], [("row", "i8"), ("text", "S30")])
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        for source in (file.create_dataset("values", data=values), file.create_dataset("records", data=records)):
            for wanted in ([], [7], range(30), range(4, 20), [3, 2, 1], [5, 5, 29, 0, 5], range(0, 30, 7)):
                rows = np.array(list(wanted), np.int64)
                assert rows_of.gather(source, rows).tobytes() == source[:][rows].tobytes()


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0, 360, exclude_max=True),
    st.floats(-90, 90),
    st.floats(-6, 2.2).map(lambda power: 10**power),
    st.integers(0, 2**32 - 1),
)
def test_no_row_within_a_circle_is_missed(ra, dec, radius, seed):
    rng = np.random.default_rng(seed)
    offset = np.minimum(radius * rng.uniform(0, 2, 200), 179.9)
    around = SkyCoord(ra, dec, unit="deg").directional_offset_by(rng.uniform(0, 360, 200) * u.deg, offset * u.deg)
    index = spectrum_index(around.ra.deg, around.dec.deg, np.zeros(200))
    inside = np.flatnonzero(separation(around.ra.deg, around.dec.deg, ra, dec) <= radius)
    assert np.isin(inside, rows_near(index, SPECTRUM_ORDER, ra, dec, radius)).all()


def test_positions_and_radii_in_the_forms_that_people_write():
    assert degrees_of((-10, 5)) == (350, 5)
    assert degrees_of(("1d", 30 * u.arcmin)) == (1, 0.5)
    assert degrees_of(SkyCoord(10, 20, unit="deg", frame="fk5")) == pytest.approx((10, 20), abs=1e-5)
    assert radius_of("6 arcmin") == radius_of(360 * u.arcsec) == radius_of(0.1) == pytest.approx(0.1)
    for wrong in (5, (1, 2, 3), (1, 95), (np.nan, 1), (1 * u.s, 2), SkyCoord([1, 2], [3, 4], unit="deg")):
        with pytest.raises(HissError, match="degrees"):
            degrees_of(wrong)
    for wrong in (-1, 200, "wide", 3 * u.s, None, np.nan):
        with pytest.raises(HissError, match="not an angle"):
            radius_of(wrong)
