"""The estimate of what a study's training costs: by features, objects and settings, for every job of it."""

import pandas as pd
import pytest

from hiss.config.settings import parse_settings
from hiss.models.cost import (
    Work,
    core_seconds,
    cost_table,
    describe_objects,
    estimate,
    iterations_of,
    memory_mb,
    shape_of,
)
from hiss.runs import MODELS, plan_runs
from hiss.works import plan_works

LIGHTGBM = {
    "learning_rate": 0.1,
    "max_depth": 8,
    "num_leaves": 31,
    "feature_fraction": 0.2,
    "rounds": 2000,
    "early_stopping_rounds": 10,
}
SETTINGS = {
    "decision_tree": {"max_depth": 4},
    "lightgbm": LIGHTGBM,
    "vggnet12": {"epochs": 300, "width": 64, "batch_size": 64},
}


@pytest.fixture(scope="module")
def experiments():
    settings = parse_settings({"sky": {"source": "simulated"}}, "test")
    return settings.experiments


def test_features_are_counted_as_they_are():
    assert shape_of("early", 0) == (5 * 64 * 64, 4620)
    assert shape_of("attention", 3) == (5 * 8 * 8, 577)
    assert shape_of("early_spectra0", 3) == (5 * 8 * 8, 4620)
    assert shape_of("photo_z", 2) == (5 * 16 * 16, 0)
    assert shape_of("spectra_rest", 0) == (0, pytest.approx(5160, rel=0.01))
    assert shape_of("none", 1) == (0, 0)


@pytest.mark.parametrize("model", MODELS)
def test_more_of_anything_costs_more(model):
    def seconds(modality="early", zoom=3, n=1000, fits=1.0, **settings):
        return core_seconds(Work(model, modality, zoom, SETTINGS[model] | settings, fits), n, n // 3)

    assert seconds() < seconds(zoom=2) < seconds(zoom=0)
    assert seconds() > seconds(modality="photo")
    assert seconds() > seconds(modality="spectra")
    assert seconds(n=2000) > 1.2 * seconds()
    assert seconds(fits=5) == pytest.approx(5 * seconds())


def test_settings_change_the_cost():
    assert iterations_of(LIGHTGBM | {"learning_rate": 0.3}) < iterations_of(LIGHTGBM)
    assert iterations_of(LIGHTGBM | {"learning_rate": 0.001}) == 2000
    deep, flat = (core_seconds(Work("decision_tree", "photo", 3, {"max_depth": depth}), 1000, 300) for depth in (6, 1))
    assert deep == pytest.approx(6 * flat)


@pytest.mark.parametrize("model", ["features", "bins", *MODELS])
def test_memory_holds_what_it_must(model):
    work = Work(model, "early", 0, SETTINGS.get(model, {}))
    one, two = memory_mb(work, 6707, 2236), memory_mb(work, 2 * 6707, 2 * 2236)
    assert two >= one > 100
    if model not in ("features", "lightgbm"):
        assert one > 4 * 25100 * 6707 / 1e6


def test_every_job_of_the_grid_is_in_the_estimate(experiments):
    planned = plan_works(experiments, 5)
    outputs = [one.output for one in planned]
    times = [output for output in outputs if "/times/" in output]
    assert (len(times), len(set(times))) == (36, 12), "the modalities of a zoom are timed in one job"
    others = [output for output in outputs if output not in times]
    assert len(set(others)) == len(others)
    runs = [run for run in plan_runs(experiments) if run.model in MODELS]
    assert {f"{run.folder}/metrics.json" for run in runs} <= set(outputs)
    assert len([one for one in planned if not one.work.selected and one.work.model in MODELS]) == len(runs) == 516
    fits = {one.work.model: one.work.fits for one in planned if not one.work.selected}
    assert fits == {"features": 1, "bins": 1, "decision_tree": 5, "lightgbm": 1, "vggnet12": 1}
    quantiles = [one for one in planned if "/quantiles/" in one.output]
    assert len(quantiles) == 12
    assert quantiles[0].work.fits == 10
    assert {"evaluation/times/lightgbm/zoom0.csv", "features/flag0/early/zoom3_train.bins"} <= set(outputs)
    five = next(one for one in planned if "variant=five_seeds" in one.output)
    assert five.work.fits == 5


def test_nothing_is_planned_without_experiments():
    assert plan_works(None, 5) == []


def test_the_table_adds_up(experiments):
    planned = plan_works(experiments, 5)
    costs = estimate((one.work for one in planned), 6707, 2236)
    assert sum(one.jobs for one in costs) == len({one.output for one in planned}) < len(planned)
    hours = sum(core_seconds(one.work, 6707, 2236) for one in planned) / 3600
    assert sum(one.grid_hours + one.selected_hours for one in costs) == pytest.approx(hours)
    lines = cost_table(costs, "a test").splitlines()
    assert lines[0] == "Training is estimated to cost, for a test, of one core:"
    total = next(line for line in lines if line.startswith("total")).split()
    assert int(total[1]) == len({one.output for one in planned})
    assert float(total[2]) + float(total[3]) == pytest.approx(hours, abs=0.01)
    assert "GPU" in lines[-1]
    assert "GPU" not in cost_table([one for one in costs if one.model != "vggnet12"], "a test")


def test_objects_are_those_of_the_split(tmp_path):
    split = tmp_path / "split.parquet"
    assert describe_objects(split)[0] == (600, 200)
    assert "1,000 objects" in describe_objects(split)[1]
    pd.DataFrame({"split": ["train"] * 5 + ["validation"] * 2 + ["test"] * 2}).to_parquet(split)
    assert describe_objects(split) == ((5, 2), "5 training and 2 validation objects")
