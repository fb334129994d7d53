"""The gallery: each group holds the objects its sentence promises, drawn small, the same bytes each time."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from miniature_sample import make_objects, write_arrays
from PIL import Image

from hiss.files import read_table
from hiss.plots.example import Example
from hiss.plots.gallery import draw_card
from hiss.report.gallery import SHOWN, GalleryTables, choose_groups, write_gallery
from hiss.report.gallery_words import alternative, facts_of, half_width, text_of
from hiss.report.links import survey_page

N, SEED = 60, 3
WORST, BEST, FLAGGED = [7, 12, 30, 31, 44, 50], [1, 2, 3, 4, 5, 6], [8, 9]
ONLY_MISSED = 20  # a narrow interval around a fair prediction


def made_tables() -> GalleryTables:
    """Sixty objects, all but the flagged in the test set; the errors of some are given."""
    objects = make_objects(N, np.random.default_rng(SEED))
    multi = pd.DataFrame({"row": np.arange(N), "n_regions": 1, "multi": False})
    multi.loc[FLAGGED, ["n_regions", "multi"]] = [[2, True], [4, True]]
    missing = pd.DataFrame({"row": np.repeat(np.arange(N), 2), "zoom": [0, 1] * N, "fraction": 0.0})
    missing.loc[2 * WORST[0], "fraction"] = 0.25
    clean = objects.drop(index=FLAGGED)
    return GalleryTables.of(objects, multi, missing, clean[["row"]])


def made_tests(tables: GalleryTables) -> pd.DataFrame:
    held = tables.objects.drop(index=FLAGGED)
    error = np.where(np.arange(N) % 2, 0.3, -0.3) + np.arange(N) / 1000
    error[BEST] = np.arange(1, 7) / 1e4
    error[WORST] = [2.0, -1.9, 1.8, -1.7, 1.6, 1.5]
    half = np.full(N, 1.0)
    half[ONLY_MISSED] = 0.1
    parts = []
    for modality, shift in (("early", 0.0), ("photo", 0.2), ("spectra", -0.2)):
        far = np.where(held["row"] == 25, 5 * shift, shift)
        prediction = held["avg"] + error[held["row"]] + far
        part = held[["row", "target_id"]].assign(prediction=prediction, modality=modality)
        parts.append(part.assign(low=prediction - half[held["row"]], high=prediction + half[held["row"]]))
    tests = pd.concat(parts, ignore_index=True).assign(model="lightgbm", zoom=1)
    noise = tests.assign(zoom=0, prediction=0.0, low=-9.0, high=9.0)
    baseline = tests[tests["modality"] == "photo"].assign(model="mean", modality="none", prediction=0.0)
    return pd.concat([noise, tests, baseline], ignore_index=True)


METRICS = pd.DataFrame(
    {
        "model": ["lightgbm", "lightgbm", "mean"],
        "modality": ["early", "early", "none"],
        "zoom": [0, 1, 1],
        "validation_rmse": [0.4, 0.3, 0.1],
    }
)


@pytest.fixture(scope="module")
def tables() -> GalleryTables:
    plain = made_tables()
    return plain.with_study(METRICS, made_tests(plain), 0.9)


@pytest.fixture(scope="module")
def groups(tables):
    return {group.key: group for group in choose_groups(tables)}


@pytest.fixture(scope="module")
def arrays(tables, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("arrays") / "zoom0.h5"
    write_arrays(path, tables.objects, np.random.default_rng(SEED))
    return path


# ---- which objects ----


def test_the_best_and_the_worst_are_those_of_the_best_run(groups):
    assert list(groups) == ["examples", "flagged", "best", "worst", "missed", "apart"]
    assert groups["worst"].objects["row"].tolist() == WORST
    assert groups["best"].objects["row"].tolist() == BEST
    assert "LightGBM with early fusion at zoom 1" in groups["best"].sentence, "not the baseline, whose RMSE is lower"
    assert groups["best"].sentence.startswith("Of the models that learn from pixels and spectra, LightGBM")
    assert "on the validation set. A baseline has a lower one there: " in groups["best"].sentence
    assert f"{N - len(FLAGGED)} test objects" in groups["worst"].sentence


def test_examples_span_the_range_of_the_label(groups, tables):
    shown = groups["examples"].objects
    clean = tables.objects.drop(index=FLAGGED).sort_values("avg").reset_index(drop=True)
    assert shown["avg"].is_monotonic_increasing
    for place, part in enumerate(np.array_split(np.arange(len(clean)), SHOWN)):
        sixth = clean.iloc[part]
        chosen = shown.iloc[place]
        assert chosen["row"] in sixth["row"].tolist()
        assert (sixth["sn_median"] < chosen["sn_median"]).sum() == len(sixth) // 2
    assert shown["prediction"].isna().all()


def test_the_flagged_come_by_their_regions(groups):
    assert groups["flagged"].objects["row"].tolist() == FLAGGED[::-1]
    assert groups["flagged"].remarks == ("4 regions above the threshold.", "2 regions above the threshold.")
    assert f"in 2 of {N} cutouts" in groups["flagged"].sentence


def test_a_missed_interval_is_told_apart_from_a_bad_prediction(groups):
    missed = groups["missed"]
    assert missed.objects["row"].tolist() == [ONLY_MISSED]
    assert f"7 of {N - len(FLAGGED)} prediction intervals that are to hold 90" in missed.sentence
    assert "beside the worst predicted" in missed.sentence
    assert "AVG is outside the interval" in missed.remarks[0]


def test_images_and_spectra_are_compared_by_the_best_model_at_its_zoom(groups):
    apart = groups["apart"]
    assert apart.objects["row"].iloc[0] == 25
    row = apart.objects.iloc[0]
    assert row["photo"] - row["spectra"] == pytest.approx(2.0)
    assert not set(apart.objects["row"]) & {*WORST, ONLY_MISSED}
    said = f"From the images {row['photo']:.2f}, from the spectra {row['spectra']:.2f}.".replace("-", "−")
    assert apart.remarks[0] == said


def test_without_a_study_there_are_the_sample_s_groups():
    assert [group.key for group in choose_groups(made_tables())] == ["examples", "flagged"]


def test_without_intervals_none_is_missed(tables):
    plain = tables.tests.assign(low=np.nan, high=np.nan)
    found = {group.key: group for group in choose_groups(tables.with_study(METRICS, plain, None))}
    assert list(found) == ["examples", "flagged", "best", "worst", "apart"]
    assert "interval" not in found["worst"].remarks[0]


def test_a_small_test_set_is_not_shown_twice(tables):
    few = tables.tests[tables.tests["row"].isin([1, 2, 7])]
    found = {group.key: group for group in choose_groups(tables.with_study(METRICS, few, 0.9))}
    assert found["best"].objects["row"].tolist() == [1]
    assert found["worst"].objects["row"].tolist() == [7]


def test_a_sky_without_labels_has_an_empty_gallery(tmp_path):
    full = made_tables()
    none = GalleryTables(full.objects.head(0), np.empty(0, np.int64))
    assert choose_groups(none) == []
    write_gallery([], tmp_path / "x.h5", tmp_path / "g.json", tmp_path / "g.csv", tmp_path / "images", True, {})
    assert json.loads((tmp_path / "g.json").read_text()) == {"groups": [], "provenance": {}}
    assert read_table(tmp_path / "g.csv").empty
    assert list((tmp_path / "images").iterdir()) == []


# ---- in words ----


def test_a_text_tells_the_label_s_width_and_the_error():
    row = pd.Series({"avg": 0.35, "p16": 0.1, "p84": 0.6, "prediction": -0.05, "low": -1.0, "high": 0.9})
    assert text_of(row) == "P16 to P84 of the label: 0.10 to 0.60; predicted 0.40 dex too low."
    placeholder = pd.Series({**row, "p16": -99.0, "p84": -99.0, "low": np.nan, "prediction": 0.36})
    assert text_of(placeholder) == "The catalogue has no P16 and P84 of it; predicted 0.01 dex too high."
    negative = pd.Series({**row, "p16": -2.0, "prediction": np.nan})
    assert text_of(negative) == "P16 to P84 of the label: −2.00 to 0.60."


def test_facts_are_numbers_against_all_test_objects(groups, tables):
    fact = groups["worst"].remarks[0]
    row = tables.objects.loc[WORST[0]]
    tested = tables.objects.drop(index=FLAGGED)
    below = (tested["sn_median"] < row["sn_median"]).mean()
    above = (tested["sn_median"] > row["sn_median"]).mean()
    side = f"lower than {100 * above:.0f}" if above >= below else f"higher than {100 * below:.0f}"
    assert fact.startswith(f"S/N {row['sn_median']:.1f} ({side}\u00a0% of the test objects)")
    width = (row["p84"] - row["p16"]) / 2
    assert f"the error is {2.0 / width:.1f} times that half-width" in fact
    assert "25\u00a0% of the flux samples missing" in fact
    assert "1 region above the threshold" in fact


def test_a_placeholder_has_no_width():
    np.testing.assert_allclose(half_width([0.0, -99.0, 1.0], [1.0, -99.0, np.nan]), [0.5, np.nan, np.nan])
    row = pd.DataFrame({"sn_median": [np.nan], "z": [0.1], "p16": [-99.0], "p84": [-99.0], "error": [1.0]})
    row = row.assign(avg=0.0, low=-1.0, high=1.0, regions=1, flag=2.0, missing=0.0)
    (fact,) = facts_of(row, row)
    assert "half-width" not in fact
    assert "S/N" not in fact
    assert fact.endswith("FLAG 2.")


def test_the_picture_is_told_in_words(tables):
    rng = np.random.default_rng(1)
    pixels, samples = rng.normal(size=(5, 64, 64)), rng.normal(4, 0.1, 4620)
    samples[:7], pixels[0, 0, :2] = np.nan, np.nan
    row = tables.objects.loc[0]
    example = Example(row, pixels, np.ones_like(pixels), samples, np.ones_like(samples), np.linspace(3840, 8914, 4620))
    told = alternative(example)
    assert told.startswith("A galaxy in u, g, r, i, z and in colour, each cutout 25 arcsec wide")
    assert "from 3,840 to 8,914 Angstrom, of median flux 4.0e-17" in told
    assert told.endswith("; 7 samples without a measurement are yellow; 2 pixels without a measurement are hatched.")
    samples[:6], pixels[0, 0, 0] = 4.0, 0.0
    told = alternative(example)
    assert told.endswith("; 1 sample without a measurement is yellow; 1 pixel without a measurement is hatched.")
    samples[:] = np.nan
    assert alternative(example).endswith("which has no valid flux.")


def test_the_survey_s_page_is_found_by_position():
    assert survey_page(36.4417, -0.21).endswith("/dr17/VisualTools/explore/summary?ra=36.441700&dec=-0.210000")


# ---- written ----


@pytest.fixture(scope="module")
def written(groups, arrays, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    _write(groups, arrays, folder, real=True)
    return folder


def _write(groups, arrays: Path, folder: Path, real: bool) -> None:
    files = (folder / "gallery.json", folder / "gallery.csv", folder / "images")
    write_gallery(list(groups.values()), arrays, *files, real, {"code": "abc"})


def test_what_is_written_is_what_was_chosen(written, groups):
    page = json.loads((written / "gallery.json").read_text())
    assert page["provenance"] == {"code": "abc"}
    assert [group["key"] for group in page["groups"]] == list(groups)
    shown = [entry for group in page["groups"] for entry in group["objects"]]
    for group in page["groups"]:
        chosen = groups[group["key"]].objects
        assert [entry["row"] for entry in group["objects"]] == chosen["row"].tolist()
        assert [entry["target_id"] for entry in group["objects"]] == chosen["target_id"].tolist()
    example, worst = page["groups"][0]["objects"][0], page["groups"][3]["objects"][0]
    assert example["prediction"] is None
    assert worst["prediction"] - worst["truth"] == pytest.approx(2.0)
    assert worst["name"] == f"411-51817-{WORST[0] + 1}"
    assert worst["link"] == survey_page(worst["ra"], worst["dec"])
    assert "2.00 dex too high. S/N" in worst["text"]
    table = read_table(written / "gallery.csv")
    assert table["image"].tolist() == [entry["image"] for entry in shown]
    assert table.loc[table["group"] == "worst", "row"].tolist() == WORST
    np.testing.assert_allclose(table["p84"] > table["truth"], True)


def test_pictures_are_small_and_all_there_is(written):
    table = read_table(written / "gallery.csv")
    files = sorted((written / "images").iterdir())
    assert sorted(f"images/{path.name}" for path in files) == sorted(table["image"])
    assert all(path.stat().st_size < 40_000 for path in files)
    with Image.open(files[0]) as picture:
        assert (picture.format, picture.size) == ("PNG", (420, 424))
    assert {path.name for path in written.iterdir()} == {"gallery.json", "gallery.csv", "images"}


def test_the_same_gallery_has_the_same_bytes_and_replaces_the_old(groups, arrays, written, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "old.png").write_text("of another sample")
    (tmp_path / ".images.part").mkdir()
    _write(groups, arrays, tmp_path, real=False)
    first, second = (
        {path.name: path.read_bytes() for path in (folder / "images").iterdir()} for folder in (written, tmp_path)
    )
    assert first == second
    page = json.loads((tmp_path / "gallery.json").read_text())
    assert {entry["link"] for group in page["groups"] for entry in group["objects"]} == {""}
    assert {path.name for path in tmp_path.iterdir()} == {"gallery.json", "gallery.csv", "images"}


def test_a_card_keeps_greys_grey_and_colours_coloured(tmp_path):
    y, x = np.mgrid[:64, :64] - 31.5
    noise = np.random.default_rng(2).normal(0, 0.02, (5, 64, 64))
    images = np.exp(-np.hypot(x, y) / 6) * np.array([0.2, 0.4, 1.0, 1.6, 2.0])[:, None, None] + noise
    row = pd.Series({"z": 0.1, "class": "GALAXY"})
    flux = np.full(4620, 5.0)
    draw_card(
        tmp_path / "card.png",
        Example(row, images, np.full_like(images, 0.02), flux, flux / 10, np.linspace(3840, 8914, 4620)),
    )
    with Image.open(io.BytesIO((tmp_path / "card.png").read_bytes())) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    bands, colour = pixels[30:140, 12:408], pixels[200:220, 335:355]
    assert np.ptp(bands, axis=2).mean() < 2
    red, _, blue = colour.mean(axis=(0, 1))
    assert red > 1.2 * blue
