"""The plan of a fetch: addresses, fields and their neighbours, files, batches, what it comes to."""

import json

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_archive import field_row, write_field_rows
from synthetic_survey import sky_position, survey_fields, survey_objects, write_survey

from hiss.bands import BANDS, FRAME_SHAPE
from hiss.config.archive import ArchiveSky
from hiss.errors import HissError
from hiss.files import read_table, write_json, write_table
from hiss.sdss import archive
from hiss.sdss.catalogue import read_sfr_catalogue, write_sfr_catalogue
from hiss.sdss.catalogue_tables import prepare_catalogue
from hiss.sdss.dr8 import read_dr8_catalogue
from hiss.sdss.fetched import join_fetched
from hiss.sdss.field_rows import estimate_rows, neighbours_needed
from hiss.sdss.fields import (
    SLACK,
    fields_that_cover,
    great_circle,
    holds_cutout,
    place_in_field,
    read_field_list,
)
from hiss.sdss.frames_wanted import fields_by_catalogue, fields_by_list
from hiss.sdss.plan import make_plan
from hiss.sdss.planning import list_files, plan_text

FIELD = ["run", "camcol", "field"]
NAMED = pd.DataFrame({name: np.empty(0, np.int64) for name in FIELD})


def settings_of(**keys) -> dict:
    return ArchiveSky.model_validate({"region": "dr7"} | keys).model_dump()


# ---- where fields and objects lie ----


@settings(max_examples=60, deadline=None)
@given(
    mu=st.floats(0, 359.99), nu=st.floats(-3, 3), incl=st.floats(-30, 90), row=st.floats(0, 1489),
    column=st.floats(0, 2048),
)  # fmt: skip
def test_a_place_in_a_field_survives_the_way_to_the_sky_and_back(mu, nu, incl, row, column):
    field = pd.DataFrame({"mu_start": [mu], "nu_start": [nu], "node": [95.0], "incl": [incl]})
    ra, dec = sky_position(field, np.array([row]), np.array([column]))
    found = place_in_field(field, ra, dec)
    assert np.allclose(found, [[row], [column]], atol=1e-4)


def test_on_the_equator_mu_is_ra_and_nu_is_dec():
    mu, nu = great_circle(np.array([36.45, 350.0]), np.array([-0.21, 1.0]), 95.0, 0.0)
    assert np.allclose(mu, [36.45, 350.0])
    assert np.allclose(nu, [-0.21, 1.0])


def test_fields_of_other_reductions_and_of_a_broken_telescope_are_left_out(tmp_path):
    path = tmp_path / "window_flist.fits"
    rows = [
        field_row(94, 1, 12, 10.0, 0.0),
        field_row(94, 1, 11, 9.85, 0.0),
        field_row(94, 1, 13, 10.15, 0.0, rerun="157"),
        field_row(94, 1, 14, 10.3, 0.0, image_status=1 << 4),
        field_row(94, 1, 15, 10.45, 0.0, image_status=1 << 1),
    ]
    write_field_rows(path, rows)
    assert read_field_list(path)["field"].tolist() == [11, 12, 15]
    write_field_rows(path, rows[2:3])
    with pytest.raises(HissError, match="no field of rerun 301"):
        read_field_list(path)
    write_field_rows(path, [{name: value for name, value in rows[0].items() if name != "NODE"}])
    with pytest.raises(HissError, match="lacks the column NODE"):
        read_field_list(path)


@pytest.fixture(scope="module")
def survey() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Six runs, three of which look along one circle, and objects in their fields."""
    fields = survey_fields(6, 40, seed=2)
    again = fields[fields["run"] < 102].assign(
        run=lambda table: table["run"] + 100, field=lambda table: table["field"] + 5
    )
    again["mu_start"] += 0.031
    again["ra"], again["dec"] = sky_position(again, np.full(len(again), 744.5), np.full(len(again), 1024.0))
    fields = pd.concat([fields, again.assign(score=0.2)]).sort_values(FIELD, ignore_index=True)
    return fields, survey_objects(fields, 3000, seed=5)


def test_fields_that_cover_are_all_that_do(survey):
    fields, objects = survey
    some = objects.iloc[:100]
    position, field = fields_that_cover(fields, some["ra"].to_numpy(), some["dec"].to_numpy())
    found = set(zip(position.tolist(), field.tolist()))
    for number, row in enumerate(some.itertuples()):
        at = place_in_field(fields, np.full(len(fields), row.ra), np.full(len(fields), row.dec))
        expected = {(number, int(which)) for which in np.flatnonzero(holds_cutout(*at, SLACK))}
        assert {pair for pair in found if pair[0] == number} == expected


def fields_of(objects: pd.DataFrame, wanted: pd.DataFrame) -> set[tuple]:
    return set(wanted[FIELD].itertuples(index=False, name=None))


@pytest.mark.parametrize("epochs", ["one", "all"])
def test_every_object_has_its_field_and_a_frame_that_holds_its_cutout(survey, epochs):
    fields, objects = survey
    wanted = fields_by_list(objects, fields, NAMED, epochs)
    there = fields_of(objects, wanted.fields)
    assert set(objects[FIELD].itertuples(index=False, name=None)) <= there
    taken = fields.merge(wanted.fields[FIELD], on=FIELD)
    possible = np.zeros(len(objects), dtype=bool)
    held = np.zeros(len(objects), dtype=bool)
    for table, mark in ((fields, possible), (taken, held)):
        position, field = fields_that_cover(table, objects["ra"].to_numpy(), objects["dec"].to_numpy())
        at = objects.iloc[position]
        sure = holds_cutout(*place_in_field(table.iloc[field], at["ra"].to_numpy(), at["dec"].to_numpy()), -SLACK)
        mark[position[sure]] = True
    assert (held == possible).all(), "where any frame of the survey holds a cutout whole, one is fetched"
    assert not wanted.fields.duplicated(FIELD).any()


def test_all_epochs_are_all_fields_that_cover_a_target(survey):
    fields, objects = survey
    one, every = (fields_by_list(objects, fields, NAMED, epochs).fields for epochs in ("one", "all"))
    assert fields_of(objects, one) < fields_of(objects, every)
    field = fields_that_cover(fields, objects["ra"].to_numpy(), objects["dec"].to_numpy())[1]
    assert set(fields.iloc[field][FIELD].itertuples(index=False, name=None)) <= fields_of(objects, every)
    assert set(every["why"]) == {"own", "neighbour", "epoch"}


def test_a_neighbour_is_fetched_where_a_cutout_would_cross_an_edge(survey):
    fields, _ = survey
    home = fields[(fields["run"] == 104) & (fields["camcol"] == 3) & (fields["field"] == 20)]
    row = np.array([5.0, 744.0, FRAME_SHAPE[0] - 5.0])
    ra, dec = sky_position(home.iloc[[0, 0, 0]], row, np.full(3, 1000.0))
    for place, expected in enumerate(([19, 20], [20], [20, 21])):
        objects = home[FIELD].assign(ra=ra[place], dec=dec[place])
        assert fields_by_list(objects, fields, NAMED, "one").fields["field"].tolist() == expected


def test_an_object_whose_field_is_not_in_the_list_gets_the_best_that_covers_it(survey):
    fields, _ = survey
    home = fields[(fields["run"] == 100) & (fields["camcol"] == 3) & (fields["field"] == 20)]
    ra, dec = sky_position(home, np.array([744.0]), np.array([1000.0]))
    lost = home[FIELD].assign(run=9999, ra=ra, dec=dec)
    wanted = fields_by_list(lost, fields, NAMED, "one")
    assert wanted.fields[FIELD].to_numpy().tolist() == [[100, 3, 20]], "not run 200, whose score is lower"
    assert wanted.elsewhere == 1
    nowhere = fields_by_list(lost.assign(dec=89.0), fields, NAMED, "one")
    assert nowhere.fields["run"].tolist() == [9999], "the archive will say"
    unknown = fields_by_list(lost.assign(run=-1, camcol=-1, field=-1, dec=89.0), fields, NAMED, "one")
    assert unknown.without == 1
    assert unknown.fields.empty


def test_rows_are_estimated_from_the_catalogue_alone():
    fields = survey_fields(3, 300, seed=4)
    objects = survey_objects(fields, 6000, seed=6)
    row, error = estimate_rows(objects)
    assert (np.abs(row - objects["row"]) < error).mean() > 0.99
    assert np.median(error) < 100
    few = survey_objects(fields, 12, seed=7)
    row, error = estimate_rows(few)
    assert (np.abs(row - few["row"]) < error).all()
    assert np.median(error) > 200, "few objects say little"


def test_without_a_list_the_neighbour_comes_where_the_estimate_leaves_it_open():
    before, after = neighbours_needed(np.array([20.0, 700.0, 1470.0, 700.0]), np.array([10.0, 50.0, 10.0, 900.0]))
    assert before.tolist() == [True, False, False, True]
    assert after.tolist() == [False, False, True, True]
    fields = survey_fields(3, 300, seed=4)
    objects = survey_objects(fields, 6000, seed=6)
    wanted = fields_by_catalogue(objects.iloc[:500], objects, NAMED)
    own = set(objects.iloc[:500][FIELD].itertuples(index=False, name=None))
    assert own <= fields_of(objects, wanted.fields)
    assert len(wanted.fields) < 1.5 * len(own)
    alone = fields_by_catalogue(objects.iloc[:1], objects.iloc[:1], NAMED).fields
    number = objects["field"].iloc[0]
    assert alone["field"].tolist() == [number - 1, number, number + 1]
    unknown = objects.iloc[:3].assign(run=-1, camcol=-1, field=-1)
    assert fields_by_catalogue(unknown, objects, NAMED).without == 3


# ---- files and plans ----


@pytest.fixture(scope="module")
def tables(tmp_path_factory, survey) -> dict:
    return write_survey(tmp_path_factory.mktemp("survey"), *survey)


CUBE = {"mode": "full", "shard_order": None}


@pytest.mark.parametrize("lists", [True, False])
def test_every_selected_object_has_its_spectrum_and_five_bands_of_its_field(tables, survey, lists):
    wanted = settings_of(classes=["GALAXY"], z_max=0.2, batch_files=700)
    paths = dict(tables) if lists else tables | {"field_list": None, "plate_list": None}
    plan = make_plan(**paths, archive=wanted, cube=CUBE)
    objects, files = plan.objects, plan.files
    expected = survey[1].query("spectrotype == 'GALAXY' and z <= 0.2")
    assert len(objects) == len(expected)
    spectra = files[files["kind"] == "spectrum"]
    key = ["plate", "mjd", "fiber"]
    assert set(spectra[key].itertuples(index=False, name=None)) == set(objects[key].itertuples(index=False, name=None))
    frames = files[files["kind"] == "frame"]
    bands = frames.groupby(FIELD)["band"].agg(list)
    assert (bands.map(lambda found: found == list(BANDS))).all()
    assert set(objects[FIELD].itertuples(index=False, name=None)) <= set(bands.index)
    assert files["path"].is_unique
    assert (files["url"] == wanted["base_url"] + "/" + files["path"]).all()
    assert files.groupby("batch").size().max() == 700
    assert plan.summary["files"]["files"] == len(files)
    if lists:
        run2d = spectra["path"].str.extract(r"redux/(\d+)/")[0].tolist()
        assert run2d == ["103" if plate % 7 == 0 else "26" for plate in spectra["plate"]]
        assert frames["ra"].notna().all()


def test_a_plan_survives_its_files(tmp_path, tables):
    plan = make_plan(**tables, archive=settings_of(max_objects=40), cube=CUBE)
    write_table(tmp_path / "files.parquet", plan.files)
    again = read_table(tmp_path / "files.parquet")
    assert again["run"].dtype == "Int64"
    assert again["batch"].tolist() == plan.files["batch"].tolist()
    write_json(tmp_path / "plan.json", plan.summary)
    text = plan_text(json.loads((tmp_path / "plan.json").read_text()))
    frames = plan.summary["files"]["frames"]["files"]
    for part in (
        "3,000  rows of the catalogue",
        "40  in a pilot of 40",
        f"{frames}  frames to fetch",
        "sparse cube (full)",
    ):
        assert part in text


def test_named_fields_come_without_objects_too(tmp_path, tables, survey):
    csv = tmp_path / "fields.csv"
    csv.write_text("run,camcol,field\n105,6,44\n" + ",".join(map(str, survey[1].loc[0, FIELD])) + "\n")
    plan = make_plan(**tables, archive=settings_of(region={"fields": str(csv)}), cube=CUBE)
    frames = plan.files[plan.files["kind"] == "frame"]
    assert ((frames["run"] == 105) & (frames["camcol"] == 6) & (frames["field"] == 44)).sum() == 5


def test_dr8_is_brought_to_the_columns_of_dr7(tmp_path):
    n = 6
    info = {
        "PLATEID": np.array([266, 266, -1, 267, 267, 266]), "MJD": np.array([51602, 51602, -1, 51608, 51608, 51602]),
        "FIBERID": np.array([1, 2, -1, 1, 2, 1]), "RELIABLE": np.array([1, 0, 0, 1, 1, 1]),
        "Z_WARNING": np.zeros(n, int), "RELEASE": np.full(n, "dr8"), "TARGETTYPE": np.full(n, "GALAXY"),
        "SPECTROTYPE": np.full(n, "GALAXY"), "SUBCLASS": np.full(n, ""),
    }  # fmt: skip
    info |= {
        name: np.linspace(1, 2, n)
        for name in ("RA", "DEC", "Z", "Z_ERR", "V_DISP", "V_DISP_ERR", "SN_MEDIAN", "E_BV_SFD")
    }
    names = ("AVG", "P50", "P16", "P84", "P2P5", "P97P5", "ENTROPY")
    extra = {f"SFR_TOT_{name}": np.arange(n) + place / 10 for place, name in enumerate(names)}
    write_fits(tmp_path / "catalogue" / "galSpecInfo-dr8.fits", info)
    write_fits(tmp_path / "catalogue" / "galSpecExtra-dr8.fits", extra)
    table = read_dr8_catalogue(*sorted((tmp_path / "catalogue").iterdir())[::-1])
    assert table[["plate", "fiber"]].to_numpy().tolist() == [[266, 1], [267, 1], [267, 2]]
    assert table["avg"].tolist() == [0, 3, 4]
    assert np.allclose(table["median"], [0.1, 3.1, 4.1])
    assert table["mode"].isna().all()
    assert (table["flag"] == 0).all()
    gal_info, gal_totsfr = tmp_path / "gal_info_dr7_v5_2.fit", tmp_path / "gal_totsfr_dr7_v5_2.fits"
    assert prepare_catalogue(tmp_path, "dr8", n, gal_info, gal_totsfr) == 3
    again = read_sfr_catalogue(gal_info, gal_totsfr)
    assert np.allclose(again["p97p5"], table["p97p5"])
    with pytest.raises(HissError, match="has 6 rows in place of 1,843,200"):
        prepare_catalogue(tmp_path, "dr8", None, gal_info, gal_totsfr)


def write_fits(path, columns):
    forms = {"i": "J", "f": "D", "U": "20A"}
    path.parent.mkdir(exist_ok=True)
    made = [fits.Column(name, forms[values.dtype.kind], array=values) for name, values in columns.items()]
    fits.BinTableHDU.from_columns(made).writeto(path)


def test_dr8_s_objects_find_their_fields_by_position(tables, survey):
    fields, objects = survey
    blank = objects.assign(run=-1, camcol=-1, field=-1)
    wanted = fields_by_list(blank, fields, NAMED, "one")
    assert wanted.without < 0.1 * len(objects), "only those that lie on the edge of every column"
    assert len(wanted.fields) > 100


def test_the_published_number_of_rows_is_demanded(tmp_path, tables):
    import gzip

    folder = tmp_path / "catalogue"
    folder.mkdir()
    for name, file in archive.CATALOGUE_TABLES["dr7"].items():
        with gzip.open(folder / file, "wb", compresslevel=1) as stream:
            stream.write(tables[name].read_bytes())
    target = tmp_path / "gal_info_dr7_v5_2.fit", tmp_path / "gal_totsfr_dr7_v5_2.fits"
    with pytest.raises(HissError, match=r"3,000 rows in place of 927,552; .* sky.archive.catalogue_rows: 3000"):
        prepare_catalogue(tmp_path, "dr7", None, *target)
    assert prepare_catalogue(tmp_path, "dr7", 3000, *target) == 3000
    assert prepare_catalogue(tmp_path, "dr7", 0, *target) == 3000
    assert target[0].read_bytes() == tables["gal_info"].read_bytes()


def test_tables_of_different_lengths_do_not_belong_together(tmp_path, tables):
    table = read_sfr_catalogue(tables["gal_info"], tables["gal_totsfr"]).iloc[:10]
    write_sfr_catalogue(table, tmp_path / "info.fit", tmp_path / "rates.fits")
    with pytest.raises(HissError, match=r"3000 rows and .* has 10"):
        read_sfr_catalogue(tables["gal_info"], tmp_path / "rates.fits")


# ---- what was fetched ----


def test_what_was_fetched_is_the_manifest_and_the_rest_is_set_aside(tmp_path):
    objects = pd.DataFrame({"plate": [266], "mjd": [51602], "fiber": [1], "ra": [10.0], "dec": [0.0], "run2d": [""]})
    fields = pd.DataFrame({"run": [94], "camcol": [1], "field": [11], "ra": [20.0], "dec": [1.0]})
    files = list_files(objects, fields, "dr17", "https://a", "lite", 4)
    assert files["batch"].tolist() == ["0001"] * 4 + ["0002"] * 2
    done = files[["path", "url"]].assign(size=5, sha256="x", status="fetched", reason="", ra=np.nan, dec=np.nan)
    done.loc[5, ["ra", "dec"]] = [10.5, 0.5]
    done.loc[0, "path"] = done["path"][0].removesuffix(".bz2")  # repacked
    done.loc[1, ["status", "reason", "sha256"]] = ["rejected", "https://a/...: 404", ""]
    tables = pd.DataFrame({"name": ["gal_info", "field_list"], "path": ["catalogue/a.fit.gz", "b"], "url": ["u", "v"]})
    tables = tables.assign(size=7, sha256="y", status="present", reason="")
    manifest, set_aside = join_fetched(files, [done.iloc[:4], done.iloc[4:]], tables, tmp_path)
    assert manifest["kind"].tolist() == ["gal_info", *["frame"] * 4, "spectrum"]
    assert manifest["path"].is_monotonic_increasing
    assert done.loc[0, "path"] in set(manifest["path"])
    assert manifest.set_index("kind").loc["spectrum", "ra"] == 10.5, "of the header, not the catalogue"
    assert set(manifest.query("kind == 'frame'")["ra"]) == {20.0}, "of the survey's list: no frame is opened for it"
    assert set_aside.to_numpy().tolist() == [["fetch", "frame", files["path"][1], "https://a/...: 404"]]
    with pytest.raises(HissError, match="2 planned files are in no batch"):
        join_fetched(files, [done.iloc[:4]], tables, tmp_path)


def test_an_archive_that_has_no_frame_at_all_stops_the_run(tmp_path):
    objects = pd.DataFrame({"plate": [266], "mjd": [51602], "fiber": [1], "ra": [10.0], "dec": [0.0], "run2d": [""]})
    fields = pd.DataFrame({"run": [94], "camcol": [1], "field": [11], "ra": [20.0], "dec": [1.0]})
    files = list_files(objects, fields, "dr17", "https://a", "lite", 9)
    done = files[["path", "url"]].assign(
        size=0, sha256="", status="rejected", reason=files["url"] + ": 404", ra=1.0, dec=1.0
    )
    done.loc[5, "status"] = "fetched"
    tables = pd.DataFrame(columns=["name", "path", "url", "size", "sha256", "status", "reason"])
    with pytest.raises(
        HissError, match=r"none of the 5 frames planned could be had, .*: 404; correct sky.archive.base_url"
    ):
        join_fetched(files, [done], tables, tmp_path)
    done.loc[0, "status"] = "fetched"
    assert len(join_fetched(files, [done], tables, tmp_path)[1]) == 4
