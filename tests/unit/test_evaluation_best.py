"""The winner against the best of every other model and modality: chosen by validation, compared on the test set."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from miniature_results import drawn_single, drawn_study

from hiss.evaluation.collect import BASELINE_NAMES
from hiss.evaluation.intervals import interval
from hiss.evaluation.summarise import bootstrap_tests, comparisons_table, run_name
from hiss.files import read_table


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_study(tmp_path_factory.getbasetemp())


def _best(folder: Path) -> pd.DataFrame:
    table = read_table(folder / "evaluation/comparisons.csv")
    return table[table["kind"] == "best"]


def test_each_other_model_and_modality_is_there_once_at_its_best_zoom(study: Path) -> None:
    metrics = read_table(study / "evaluation/metrics.csv")
    learned = metrics[~metrics["model"].isin(BASELINE_NAMES)].sort_values("validation_rmse", kind="stable")
    first = learned.drop_duplicates(["model", "modality"]).to_dict("records")
    names = [run_name(row["model"], row["modality"], row["zoom"]) for row in first]
    best = _best(study)
    assert set(best["a"]) == {names[0]}
    assert best["b"].to_list() == names[1:], "the runner-up on the validation set comes first"
    rmse = {name: row["rmse"] for name, row in zip(names, first, strict=True)}
    for row in best.to_dict("records"):
        assert row["delta_rmse"] == pytest.approx(rmse[row["a"]] - rmse[row["b"]])
        assert row["low"] <= row["high"]
        assert row["better_on_validation"] == row["a"]


def test_the_choice_does_not_see_the_test_set(study: Path) -> None:
    metrics = read_table(study / "evaluation/metrics.csv")
    split = read_table(study / "sample/flag0/split.parquet")
    tests = pd.concat([read_table(path) for path in sorted((study / "evaluation").glob("test_*.parquet"))])
    rng = np.random.default_rng(1)
    worse = tests.assign(prediction=tests["prediction"] + rng.normal(0, 2, len(tests)))
    table = comparisons_table(bootstrap_tests(worse, split, 50, 1), metrics)
    found = table[table["kind"] == "best"]
    assert found[["a", "b"]].to_numpy().tolist() == _best(study)[["a", "b"]].to_numpy().tolist()


def test_the_interval_is_that_of_the_paired_bootstrap(study: Path) -> None:
    metrics = read_table(study / "evaluation/metrics.csv")
    split = read_table(study / "sample/flag0/split.parquet")
    tests = pd.concat([read_table(path) for path in sorted((study / "evaluation").glob("test_*.parquet"))])
    drawn = bootstrap_tests(tests, split, 200, 7)
    table = comparisons_table(drawn, metrics)
    row = table[table["kind"] == "best"].iloc[0]
    keys = {run_name(*key): key for key in drawn.samples}
    one, two = (drawn.samples[keys[row[side]]]["rmse"] for side in ("a", "b"))
    assert (row["low"], row["high"]) == pytest.approx(interval(one - two))


def test_one_run_alone_has_nothing_to_win_against(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert _best(drawn_single(tmp_path_factory.getbasetemp())).empty
