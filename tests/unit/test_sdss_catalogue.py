import gzip

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from hiss.errors import BadInput, HissError
from hiss.sdss.catalogue import (
    KEY,
    SFR_COLUMNS,
    catalogue_from_csv,
    join_sfr,
    read_sfr_catalogue,
    write_sfr_catalogue,
)
from hiss.sdss.objid import pack_objid

TABLES = ("gal_info_dr7_v5_2.fit", "gal_totsfr_dr7_v5_2.fits")


@pytest.fixture
def tables(tmp_path):
    return [tmp_path / name for name in TABLES]


def small(n=4):
    table = pd.DataFrame({"plate": 266, "mjd": 51602, "fiber": np.arange(1, n + 1), "z": 0.1, "subclass": "AGN"})
    return table.assign(**{name: np.arange(n) * 0.5 for name in SFR_COLUMNS})


def test_the_107_true_rows_survive_as_fits(sdss_files, tables):
    rows = catalogue_from_csv(sdss_files / "labels/mpajhu_dr7_sfr_107rows.csv")
    write_sfr_catalogue(rows, *tables)
    read = read_sfr_catalogue(*tables)
    assert len(read) == 107
    np.testing.assert_array_equal(read[KEY], rows[KEY])
    np.testing.assert_allclose(read[["ra", "dec", *SFR_COLUMNS]], rows[["ra", "dec", *SFR_COLUMNS]], rtol=1e-6)
    assert read["avg"].between(-50, 10).sum() == 98
    assert (read["avg"] == -99).sum() > 0


def test_the_107_true_rows_join_to_the_right_spectra(sdss_files, tables):
    write_sfr_catalogue(catalogue_from_csv(sdss_files / "labels/mpajhu_dr7_sfr_107rows.csv"), *tables)
    known = pd.read_csv(sdss_files / "labels/spectra_with_labels.csv")
    known = known.rename(columns={"PLATEID": "plate", "MJD": "mjd", "FIBERID": "fiber"})
    spectra = known.sample(frac=1, random_state=1).reset_index(drop=True)
    joined = join_sfr(spectra[KEY], read_sfr_catalogue(*tables))
    np.testing.assert_allclose(joined["avg"], spectra["tot_AVG"], rtol=1e-6)
    np.testing.assert_array_equal(joined["has_sfr"], spectra["tot_AVG"].notna())


def test_the_full_columns_of_the_catalogue_survive(sdss_files, tables):
    csv = sdss_files / "labels/gal_info_totsfr_head5_tail5_full_columns.csv"
    rows = catalogue_from_csv(csv)
    write_sfr_catalogue(rows, *tables)
    read = read_sfr_catalogue(*tables)
    assert read["subclass"].tolist()[4:8] == ["STARBURST", "", "STARFORMING BROADLINE", ""]
    assert read["release"].tolist()[0] == "extra"
    np.testing.assert_allclose(read["z"], pd.read_csv(csv)["Z"], rtol=1e-6)
    assert read["avg"].iloc[3] == -99


def test_columns_are_mpa_jhus_own(tables):
    rows = small().assign(objid=pack_objid(756, 1, 206, np.arange(4)))
    write_sfr_catalogue(rows, *tables)
    info, sfr = (fits.getdata(path, 1) for path in tables)
    assert info.columns.names[:8] == ["PLATEID", "MJD", "FIBERID", "PHOTOID", "RA", "DEC", "PLUG_MAG", "PRIMTARGET"]
    assert info.columns["PHOTOID"].format == "5I"
    assert info["PHOTOID"].tolist()[3] == [756, 301, 1, 206, 3]
    assert info["KCOR_MODEL_MAG"].shape == (4, 5)
    assert sfr.columns.names == [name.upper() for name in SFR_COLUMNS]


def test_numbers_are_native_and_wide(tables):
    write_sfr_catalogue(small(), *tables)
    read = read_sfr_catalogue(*tables)
    assert {str(read[name].dtype) for name in KEY} == {"int64"}
    assert {str(read[name].dtype) for name in ("ra", "dec", "z", *SFR_COLUMNS)} == {"float64"}


def test_text_is_kept_once_a_value(tables):
    texts = ["AGN", "", "STARFORMING BROADLINE", "AGN"]
    write_sfr_catalogue(small().assign(subclass=texts), *tables)
    read = read_sfr_catalogue(*tables)["subclass"]
    assert read.tolist() == texts
    assert read.cat.categories.tolist() == ["", "AGN", "STARFORMING BROADLINE"]


def test_a_truncated_table_stops(tables):
    write_sfr_catalogue(small(10), *tables)
    tables[0].write_bytes(tables[0].read_bytes()[:-2880])
    with pytest.raises(BadInput, match="truncated"):
        read_sfr_catalogue(*tables)


def test_gzipped_tables(tables):
    write_sfr_catalogue(small(), *tables)
    packed = [path.with_name(f"{path.name}.gz") for path in tables]
    for plain, path in zip(tables, packed):
        path.write_bytes(gzip.compress(plain.read_bytes()))
    pd.testing.assert_frame_equal(read_sfr_catalogue(*packed), read_sfr_catalogue(*tables))


def test_unequal_tables_stop_with_both_names_and_lengths(tables, tmp_path):
    write_sfr_catalogue(small(4), *tables)
    write_sfr_catalogue(small(3), tmp_path / "a", tmp_path / "b")
    with pytest.raises(HissError, match=f"{TABLES[0]} has 4 rows and .*b has 3"):
        read_sfr_catalogue(tables[0], tmp_path / "b")


def test_missing_columns_are_named(tables):
    write_sfr_catalogue(small(), *tables)
    with pytest.raises(HissError, match="lacks the column AVG"):
        read_sfr_catalogue(tables[0], tables[0])


def test_a_spectrum_named_twice_stops(tables):
    write_sfr_catalogue(pd.concat([small(), small(1)]), *tables)
    with pytest.raises(HissError, match="named twice, the first 266-51602-1"):
        read_sfr_catalogue(*tables)


def test_a_csv_without_avg_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text("PLATEID,MJD,FIBERID\n1,2,3\n")
    with pytest.raises(HissError, match="lacks the column avg"):
        catalogue_from_csv(tmp_path / "x.csv")


def test_join_keeps_order_and_handles_nothing():
    spectra = pd.DataFrame({"plate": [266, 1, 266], "mjd": [51602, 1, 51602], "fiber": [3, 1, 2], "name": list("abc")})
    joined = join_sfr(spectra, small())
    assert joined["name"].tolist() == list("abc")
    assert joined["has_sfr"].tolist() == [True, False, True]
    np.testing.assert_array_equal(joined["avg"], [1.0, np.nan, 0.5])
    assert len(join_sfr(spectra.iloc[:0], small())) == 0
    assert not join_sfr(spectra, small().iloc[:0])["has_sfr"].any()
