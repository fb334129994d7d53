"""The tables of results: metrics and costs of what was selected, and paired differences."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from miniature_results import drawn_study

from hiss.errors import HissError
from hiss.evaluation.summarise import (
    better_single,
    bootstrap_tests,
    comparisons_table,
    metrics_table,
    r2_ceiling,
    with_times,
)
from hiss.files import read_table
from hiss.models.metrics import scores


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_study(tmp_path_factory.getbasetemp())


def _table(folder: Path, name: str) -> pd.DataFrame:
    return read_table(folder / "evaluation" / name)


def test_metrics_table_is_the_scores_of_the_predictions(miniature: Path) -> None:
    metrics = _table(miniature, "metrics.csv")
    models = ("decision_tree", "lightgbm", "mean", "magnitudes", "halpha")
    tests = pd.concat([_table(miniature, f"test_{model}.parquet") for model in models])
    assert len(metrics) == 2 * 5 * 2 + 3
    assert list(dict.fromkeys(metrics["model"])) == list(models)
    for row in metrics.to_dict("records"):
        part = tests[(tests[["model", "modality", "zoom"]] == [row["model"], row["modality"], row["zoom"]]).all(axis=1)]
        assert row["n"] == len(part)
        for name, value in scores(part["truth"], part["prediction"]).items():
            assert row[name] == pytest.approx(value)
            assert row[f"{name}_low"] <= row[f"{name}_high"]
        assert row["rmse_low"] < row["rmse"] < row["rmse_high"]
    late = metrics[(metrics["modality"] == "late") & (metrics["zoom"] == 2)].set_index("model")
    parts = metrics[metrics["modality"].isin(["photo", "spectra"]) & (metrics["zoom"] == 2)]
    np.testing.assert_allclose(late["fit_s"], parts[parts["model"].isin(late.index)].groupby("model")["fit_s"].sum())


def test_paired_differences_are_differences_and_tighter_than_unpaired_ones(miniature: Path) -> None:
    metrics, table = _table(miniature, "metrics.csv"), _table(miniature, "comparisons.csv")
    rmse = metrics.set_index(["model", "modality", "zoom"])["rmse"]
    for row in table[table["kind"] == "modalities"].to_dict("records"):
        expected = rmse[row["model"], row["a"], row["zoom"]] - rmse[row["model"], row["b"], row["zoom"]]
        assert row["delta_rmse"] == pytest.approx(expected)
        assert row["low"] <= row["high"]
    pairs = {(row["a"], row["b"]) for row in table[table["kind"] == "modalities"].to_dict("records")}
    assert {("early", "photo"), ("early", "spectra"), ("early", "late")} <= pairs
    assert {("stacked", "late"), ("stacked", "early")} <= pairs
    assert {a for a, _ in pairs} == {"early", "late", "stacked"}
    models = table[table["kind"] == "models"]
    assert set(zip(models["a"], models["b"])) == {("lightgbm", "decision_tree")}
    assert len(models) == 5 * 2
    assert len(table[table["kind"] == "zooms"]) == 2 * 5
    against = table[table["kind"] == "baselines"]
    assert set(against["a"]) == {"decision_tree", "lightgbm"}
    assert set(against["b"]) == {"mean", "magnitudes", "halpha"}
    assert len(against) == 2 * 5 * 2 * 3


def test_each_comparison_says_which_side_validation_would_choose(miniature: Path) -> None:
    metrics, table = _table(miniature, "metrics.csv"), _table(miniature, "comparisons.csv")
    rmse = metrics.set_index(["model", "modality", "zoom"])["validation_rmse"]
    for row in table[table["kind"] == "zooms"].to_dict("records"):
        a, b = (rmse[row["model"], row["modality"], int(side.removeprefix("zoom "))] for side in (row["a"], row["b"]))
        assert row["better_on_validation"] == (row["a"] if a <= b else row["b"])
    assert (table["better_on_validation"].isin(table["a"]) | table["better_on_validation"].isin(table["b"])).all()
    assert (table["better_on_validation"] != np.where(table["delta_rmse"] < 0, table["a"], table["b"])).any()


def test_a_zoom_is_compared_with_the_next_finer_one_of_the_study(miniature: Path) -> None:
    split, tests = read_table(miniature / "sample/flag0/split.parquet"), _table(miniature, "test_lightgbm.parquet")
    far = tests.assign(zoom=tests["zoom"].replace({2: 0}))
    metrics = _table(miniature, "metrics.csv")
    table = comparisons_table(bootstrap_tests(far, split, 50, 1), metrics.assign(zoom=metrics["zoom"].replace({2: 0})))
    assert set(zip(*(table.loc[table["kind"] == "zooms", side] for side in "ab"))) == {("zoom 3", "zoom 0")}


def test_times_are_those_of_runs_alone_and_a_fusion_takes_its_parts_and_a_stacked_one_their_folds() -> None:
    runs = pd.DataFrame(
        {
            "path": ["a", "b", "c", "d", "e", "f"],
            "model": ["lightgbm"] * 5 + ["mean"],
            "modality": ["photo", "spectra", "late", "stacked", "photo", "none"],
            "zoom": [3] * 5 + [0],
            "fit_s": [1.0, 2.0, 3.0, 15.5, 9.0, 0.1],
            "cv_s": [4.0, 8.0, 12.0, 12.0, 0.0, 0.0],
            "predict_s": [1.0, 2.0, 3.0, 3.0, 9.0, 0.1],
        }
    )
    times = pd.DataFrame(
        {
            "path": ["a", "b"],
            "model": "lightgbm",
            "modality": ["photo", "spectra"],
            "zoom": 3,
            "fit_s": [0.5, 0.7],
            "cpu_s": [1.0, 1.4],
            "predict_s": [0.1, 0.2],
            "bin_s": [2.0, 1.0],
            "device": "a processor",
        }
    )
    found = with_times(runs, times).set_index("path")
    assert found["fit_s"].to_list() == pytest.approx([0.5, 0.7, 1.2, 6.0, 9.0, 0.1])
    assert found["cpu_s"].to_list() == pytest.approx([1.0, 1.4, 2.4, 12.0, np.nan, np.nan], nan_ok=True)
    assert found["predict_s"].to_list() == pytest.approx([0.1, 0.2, 0.3, 0.3, 9.0, 0.1])
    assert found["bin_s"].to_list() == pytest.approx([2.0, 1.0, 3.0, 3.0, np.nan, np.nan], nan_ok=True)
    assert found["device"].fillna("").to_list() == ["a processor"] * 4 + ["", ""]
    alone = with_times(runs[runs["modality"] == "photo"], times)
    assert alone["fit_s"].to_list() == [0.5, 9.0]
    untimed = with_times(runs.iloc[[2, 5]], times.iloc[:1])
    assert untimed["fit_s"].to_list() == [3.0, 0.1]


def test_the_same_model_twice_differs_by_exactly_nothing(miniature: Path) -> None:
    split = read_table(miniature / "sample/flag0/split.parquet")
    tests = _table(miniature, "test_lightgbm.parquet")
    twin = pd.concat([tests, tests.assign(model="decision_tree")])
    bootstrap = bootstrap_tests(twin, split, 100, 1)
    metrics = _table(miniature, "metrics.csv")
    table = comparisons_table(bootstrap, metrics)
    same = table[table["kind"] == "models"]
    assert len(same) == 10
    assert (same[["delta_rmse", "low", "high"]] == 0).all(axis=None)


def test_predictions_of_another_split_stop(miniature: Path) -> None:
    split = read_table(miniature / "sample/flag0/split.parquet")
    tests = _table(miniature, "test_lightgbm.parquet")
    with pytest.raises(HissError, match="not of the split's test set"):
        bootstrap_tests(tests[tests["row"] != tests["row"].max()], split, 10, 1)


def test_a_run_without_costs_stops(miniature: Path) -> None:
    split = read_table(miniature / "sample/flag0/split.parquet")
    bootstrap = bootstrap_tests(_table(miniature, "test_lightgbm.parquet"), split, 10, 1)
    runs, objects = _table(miniature, "runs.csv"), read_table(miniature / "sample/objects.parquet")
    with pytest.raises(HissError, match="has test predictions but no run"):
        metrics_table(bootstrap, runs, _table(miniature, "selection.csv").iloc[:0], objects)


def test_the_better_modality_is_chosen_by_validation_not_by_test() -> None:
    metrics = pd.DataFrame(
        {
            "model": "lightgbm",
            "modality": ["photo", "spectra", "early"],
            "zoom": 0,
            "rmse": [0.1, 0.9, 0.05],
            "validation_rmse": [0.5, 0.4, 0.3],
        }
    )
    assert better_single(metrics, "lightgbm", 0) == "spectra"
    assert better_single(metrics, "lightgbm", 1) is None


def test_r2_ceiling_is_what_the_labels_width_leaves() -> None:
    rng = np.random.default_rng(1)
    avg = rng.normal(0, 1, 4000)
    objects = pd.DataFrame({"row": range(4000), "avg": avg, "p16": avg - 0.5, "p84": avg + 0.5})
    assert r2_ceiling(objects, objects["row"]) == pytest.approx(0.75, abs=0.02)
    objects.loc[:1999, ["p16", "p84"]] = -99.0
    assert r2_ceiling(objects, objects["row"]) == pytest.approx(0.75, abs=0.03)
    assert np.isnan(r2_ceiling(objects, objects["row"].head(10)))
