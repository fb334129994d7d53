"""The exported predictions: whose they are, which have an interval, and what is known of each object."""

import numpy as np
import pandas as pd
import pytest
from miniature_exports import best_catalogue, said
from miniature_results import Study, evaluate, make_results
from numpy.testing import assert_allclose, assert_array_equal

from hiss.deposit.predictions import ALL_COLUMNS, COLUMNS, all_predictions, best_run, catalogue, path_of
from hiss.errors import HissError
from hiss.evaluation.conformal import half_width
from hiss.files import read_table, write_table

STUDY = Study(models=("decision_tree", "lightgbm"), zooms=(2, 3), variants=False, cascade=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("predictions")
    return evaluate(make_results(place, STUDY, n=160), STUDY)


@pytest.fixture(scope="module")
def table(folder):
    return all_predictions(said(folder))


def of(table, model, modality, zoom=2):
    return table[(table["model"] == model) & (table["modality"] == modality) & (table["zoom"] == zoom)]


def test_every_tested_run_speaks_of_every_object_once(folder, table):
    split, metrics = read_table(folder / "sample/flag0/split.parquet"), said(folder).metrics
    assert set(table) == {*ALL_COLUMNS, "row"}
    for run in metrics.to_dict("records"):
        part = of(table, run["model"], run["modality"], run["zoom"])
        learns = run["model"] in STUDY.models
        wanted = split if learns else split[split["split"] != "train"]  # the baselines here were held out of nothing
        assert_array_equal(part["row"], np.sort(wanted["row"]))
        sides = part.set_index("row")["side"]
        assert_array_equal(sides.loc[wanted["row"]], wanted["split"])
        assert_array_equal(part["truth"], wanted.set_index("row")["avg"].loc[part["row"]])


def test_predictions_are_those_of_the_run_s_own_files(folder, table):
    given = said(folder)
    for modality in ("photo", "early", "stacked"):
        part = of(table, "decision_tree", modality).set_index("row")
        run = next(row for row in given.metrics.to_dict("records")
                   if (row["model"], row["modality"], row["zoom"]) == ("decision_tree", modality, 2))  # fmt: skip
        own = read_table(folder / path_of(given.runs, run) / "validation.parquet")
        assert_allclose(part.loc[own["row"], "prediction"], own["prediction"])
    held_out = [read_table(folder / f"evaluation/out_of_fold/lightgbm/{name}/zoom3.parquet").set_index("row")
                for name in ("photo", "spectra")]  # fmt: skip
    late = of(table, "lightgbm", "late", 3).set_index("row")
    mean = (held_out[0]["prediction"] + held_out[1]["prediction"]) / 2
    assert_allclose(late.loc[mean.index, "prediction"], mean)
    assert_array_equal(late.loc[mean.index, "fold"].astype(int), held_out[0]["fold"])
    assert late.loc[late["side"] != "train", "fold"].isna().all()


def test_intervals_are_of_new_objects_alone_and_alike_for_validation_and_test(folder, table):
    assert table.loc[table["side"] == "train", ["low", "high"]].isna().all(axis=None)
    part = of(table, "decision_tree", "photo")
    split = read_table(folder / "sample/flag0/split.parquet")
    half = half_width(read_table(folder / "evaluation/out_of_fold/decision_tree/photo/zoom2.parquet"), split, 0.9)
    for side in ("validation", "test"):
        new = part[part["side"] == side]
        assert_allclose(new["high"] - new["prediction"], half)
        assert_allclose(new["prediction"] - new["low"], half)
        assert set(new["method"]) == {"residuals"}
    quantiles = of(table, "lightgbm", "early")
    assert set(quantiles.loc[quantiles["side"] != "train", "method"]) == {"quantiles"}
    own = read_table(folder / "evaluation/quantiles/early/zoom2/validation.parquet").set_index("row")
    mine = quantiles[quantiles["side"] == "validation"].set_index("row").loc[own.index]
    widened = own["low"] - mine["low"]
    assert_allclose(widened, widened.iloc[0], atol=1e-9)
    assert_allclose(mine["high"] - own["high"], widened.iloc[0], atol=1e-9)


def test_the_order_of_the_quantiles_file_does_not_matter(folder, table, tmp_path):
    given = said(folder)
    path = folder / "evaluation/quantiles/early/zoom2/validation.parquet"
    other = tmp_path / "evaluation/quantiles/early/zoom2/validation.parquet"
    write_table(other, read_table(path).iloc[::-1])
    files = [other, *(file for file in given.files if file != path)]
    again = all_predictions(type(given)(**(vars(given) | {"files": files})))
    pd.testing.assert_frame_equal(again, table)


def test_without_intervals_there_are_none(folder):
    given = said(folder, level=None)
    tests = given.tests.assign(low=np.nan, high=np.nan, method="")
    table = all_predictions(type(given)(**(vars(given) | {"tests": tests})))
    assert table[["low", "high"]].isna().all(axis=None)
    assert set(table["method"]) == {""}


def test_the_catalogue_is_of_the_lowest_validation_rmse_and_joins_what_is_known(folder, table):
    given = said(folder)
    best = best_run(given.metrics)
    learned = given.metrics[given.metrics["model"].isin(STUDY.models)]
    assert best["validation_rmse"] == learned["validation_rmse"].min()
    found = best_catalogue(folder)
    assert list(found) == list(COLUMNS)
    assert_array_equal(found["prediction"], of(table, best["model"], best["modality"], best["zoom"])["prediction"])
    objects = read_table(folder / "sample/objects.parquet").set_index("target_id").loc[found["target_id"]]
    for name in ("ra", "dec", "objid", "plate", "fiber", "refused_image", "sn_median"):
        assert_array_equal(found[name], objects[name])
    assert_array_equal(found["truth_p84"], objects["p84"])
    multi = read_table(folder / "sample/multi_object.parquet").set_index("row")["multi"]
    assert_array_equal(found["multi_object"], multi.loc[objects["row"]])
    missing = read_table(folder / "sample/missing.parquet").set_index("row")["fraction"]
    assert_array_equal(found["spectrum_gap"], missing.loc[objects["row"]] > 0)
    assert found["multi_object"].any()
    assert found["spectrum_gap"].any()
    assert (found["flag"] == 0).all()


def test_placeholders_are_no_percentiles(folder, table):
    sample = {name: read_table(folder / f"sample/{name}.parquet") for name in ("objects", "multi_object", "missing")}
    sample["objects"]["p16"] = -99.0
    found = catalogue(table, best_run(said(folder).metrics), **sample)
    assert found["truth_p16"].isna().all()
    assert found["truth_p84"].notna().all()


def test_a_run_that_left_nothing_is_told(folder):
    given = said(folder)
    files = [path for path in given.files if "lightgbm/photo/zoom3" not in str(path)]
    with pytest.raises(HissError, match=r"lightgbm, photo, zoom 3: runs/.* has no validation.parquet; rerun"):
        all_predictions(type(given)(**(vars(given) | {"files": files})))
    with pytest.raises(HissError, match="0 runs are lightgbm, photo, 3, none"):
        path_of(given.runs, {"model": "lightgbm", "modality": "photo", "zoom": 3, "settings": "none"})
    with pytest.raises(HissError, match="no run has a validation RMSE"):
        best_run(given.metrics.head(0))
