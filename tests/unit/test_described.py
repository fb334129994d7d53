"""Tables for other tools: what is missing stays missing, and every reader is told what a column is."""

import json
import re
import warnings

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse_single_table
from astropy.io.votable import validate as validate_votable
from astropy.io.votable.ucd import check_ucd
from astropy.table import Table
from numpy.testing import assert_array_equal

from hiss.deposit.predictions import ALL_COLUMNS, COLUMNS
from hiss.described import write_described
from hiss.evaluation.prediction_table import KNOWN, columns_of

N = 6
TABLE = pd.DataFrame(
    {
        "target_id": np.arange(N),
        "objid": 1237660413189095710 + np.arange(N),
        "plate": np.arange(N, dtype=np.int32),
        "ra": np.linspace(0, 360, N),
        "dec": np.linspace(-90, 90, N),
        "class": ["GALAXY", "STAR", "", "QSO", "GALAXY", "Å"],
        "prediction": [1.0, np.nan, -2.0, 3.0, 4.0, 0.0],
        "fold": pd.array([0, None, 4, None, 2, 1], dtype="Int16"),
        "multi_object": [True, False, False, True, True, False],
    }
)
TOLD = columns_of(*TABLE)
RECORD = {"inputs": {"a": 'b<>&"'}, "settings": {"x": "y" * 200}}


@pytest.fixture(scope="module", params=["fits", "vot", "parquet"])
def written(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / f"table.{request.param}"
    write_described(path, TABLE, TOLD, RECORD, "A title & more")
    return path


def test_the_values_come_back(written):
    if written.suffix == ".parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(written), TABLE)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        back = Table.read(written)
    assert_array_equal(np.ma.getmaskarray(back["fold"]), TABLE["fold"].isna())
    assert back["fold"].filled(9).tolist() == TABLE["fold"].fillna(9).tolist()
    assert_array_equal(np.ma.filled(back["prediction"], np.nan), TABLE["prediction"])
    for name in ("target_id", "objid", "plate", "ra", "dec", "multi_object"):
        assert_array_equal(back[name], TABLE[name])
        assert back[name].dtype.newbyteorder("=") == TABLE[name].dtype, name
    words = [value.decode() if isinstance(value, bytes) else value for value in back["class"].filled("")]
    assert words == [*TABLE["class"].tolist()[:5], "?"], "FITS and VOTable's char hold ASCII"


def test_the_same_bytes_are_written_again(written, tmp_path):
    write_described(tmp_path / written.name, TABLE, TOLD, RECORD, "A title & more")
    assert (tmp_path / written.name).read_bytes() == written.read_bytes()


def test_fits_tells_each_column_as_topcat_reads_it(tmp_path):
    write_described(tmp_path / "t.fits", TABLE, TOLD, RECORD, "A title & more")
    with fits.open(tmp_path / "t.fits") as hdus:
        hdus.verify("exception")
        header = hdus[1].header
    for number, (name, told) in enumerate(TOLD.items(), start=1):
        assert header[f"TTYPE{number}"] == name
        assert header[f"TUCD{number}"] == told.ucd
        assert header[f"TCOMM{number}"] == told.meaning
    fold = list(TOLD).index("fold") + 1
    assert header[f"TNULL{fold}"] == np.iinfo(np.int16).min
    assert header[f"TUNIT{list(TOLD).index('prediction') + 1}"] == "log(solMass/yr)"
    assert not [
        card for card in header.cards if str(card.keyword).startswith("TNULL") and card.keyword != f"TNULL{fold}"
    ]
    assert json.loads("".join(header["HISTORY"]).removeprefix("provenance: ")) == RECORD


def test_the_votable_is_valid(tmp_path, capsys):
    path = tmp_path / "t.vot"
    write_described(path, TABLE, TOLD, RECORD, "A title & more")
    validate_votable(str(path))
    found = set(re.findall(r"^\d+: ([EW]\d+: .*)$", capsys.readouterr().out, re.MULTILINE))
    # VOUnits has logarithms of units, astropy's parser of it has not; STILTS's votlint has nothing to say.
    assert found <= {"W50: Invalid unit string 'log(solMass/yr)'"}
    votable = parse_single_table(path)
    assert {field.name: field.ref for field in votable.fields if field.ref} == {"ra": "icrs", "dec": "icrs"}
    text = path.read_text()
    assert 'version="1.4"' in text
    assert "<BINARY2>" in text
    assert '<COOSYS ID="icrs" system="ICRS"/>' in text
    kinds = {field.name: field.datatype for field in votable.fields}
    assert kinds["multi_object"] == "boolean", "STIL, which TOPCAT reads with, fails on a column of bits"


def test_the_votable_s_units_are_all_known_but_logarithms(tmp_path):
    columns = {name: told for name, told in TOLD.items() if "phys.SFR" not in told.ucd}
    write_described(tmp_path / "t.vot", TABLE, columns, RECORD, "A title")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert validate_votable(str(tmp_path / "t.vot"), output=None)


def test_parquet_carries_a_votable_s_head(tmp_path):
    path = tmp_path / "t.parquet"
    write_described(path, TABLE, TOLD, RECORD, "A title & more")
    schema = pq.read_schema(path)
    assert json.loads(schema.metadata[b"provenance"]) == RECORD
    assert schema.field("ra").metadata[b"ucd"] == b"pos.eq.ra;meta.main"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        back = Table.read(path, format="parquet.votable")
    assert back["ra"].unit == "deg"
    assert back["prediction"].description == KNOWN["prediction"].meaning
    assert_array_equal(back["objid"], TABLE["objid"])


@pytest.mark.parametrize("name", KNOWN)
def test_what_a_column_is_fits_every_form(name):
    told = KNOWN[name]
    assert check_ucd(told.ucd, check_controlled_vocabulary=True), told.ucd
    assert 0 < len(told.meaning) <= 68, "one card of a FITS header"
    assert told.meaning.isascii()
    assert not told.meaning.endswith(".")


def test_every_column_is_of_the_one_list():
    for columns in (COLUMNS, ALL_COLUMNS):
        assert columns == {name: KNOWN[name] for name in columns}


@pytest.mark.parametrize("suffix", ["fits", "vot", "parquet", "csv"])
def test_an_empty_table_is_a_table(suffix, tmp_path):
    write_described(tmp_path / f"t.{suffix}", TABLE.head(0), TOLD, RECORD, "None")
    path = tmp_path / f"t.{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        back = pd.read_parquet(path) if suffix == "parquet" else Table.read(path).to_pandas()
    assert len(back) == 0
    assert list(back) == list(TOLD)
