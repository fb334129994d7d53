"""Collection, selection, the test set and bootstrap intervals."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from miniature_results import drawn_study, fake_predict

from hiss.errors import HissError
from hiss.evaluation.collect import collect_runs, modality_order, model_order, parse_settings, relative_folder
from hiss.evaluation.intervals import bootstrap_scores, interval, resample_groups
from hiss.evaluation.selection import join_selections, select_runs, selected_metrics
from hiss.evaluation.test import folders_of, predict_test
from hiss.files import read_table
from hiss.models.metrics import scores


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_study(tmp_path_factory.getbasetemp())


def _runs_of(folder: Path) -> list[Path]:
    """metrics.json of the study's runs, baselines and fusions; variants are compared apart."""
    return sorted(path for path in folder.glob("runs/**/metrics.json") if "variant=" not in path.parent.name)


def _table(folder: Path, name: str) -> pd.DataFrame:
    return read_table(folder / "evaluation" / name)


# ---- collect ----


def test_runs_table_holds_every_run_and_what_its_file_says(miniature: Path) -> None:
    runs = _table(miniature, "runs.csv")
    paths = _runs_of(miniature)
    assert len(runs) == len(paths) > 100
    assert sorted(runs["path"]) == [relative_folder(path) for path in paths]
    one = next(path for path in paths if "max_depth=5" in str(path) and "decision_tree/early" in str(path))
    row = runs.set_index("path").loc[relative_folder(one)]
    content = json.loads(one.read_text())
    assert row["validation_rmse"] == pytest.approx(content["validation"]["rmse"], rel=1e-12)
    assert row["cv_r2"] == pytest.approx(np.mean(content["cv"]["r2"]), rel=1e-12)
    assert row["fit_s"] == content["time"]["fit_s"]
    assert row["max_depth"] == 5


def test_order_of_the_files_does_not_matter(miniature: Path) -> None:
    paths = _runs_of(miniature)
    pd.testing.assert_frame_equal(collect_runs(paths), collect_runs(paths[::-1]))


def test_models_and_modalities_come_in_the_order_of_the_study_with_changed_ones_beside() -> None:
    assert model_order(["mean", "vggnet12", "halpha", "other", "decision_tree", "vggnet12"]) == [
        "decision_tree", "vggnet12", "mean", "halpha", "other",
    ]  # fmt: skip
    names = ["stacked", "none", "early_z", "late", "attention", "unheard_of", "early", "spectra_rest", "lines", "photo"]
    assert modality_order([*names, "early_spectra0"]) == [
        "photo", "spectra_rest", "early", "early_spectra0", "early_z", "attention", "late", "stacked", "lines", "none",
        "unheard_of",
    ]  # fmt: skip


def test_settings_are_read_from_the_folder_name() -> None:
    assert parse_settings("learning_rate=1e-05+max_depth=9+image_scaling=linear") == {
        "learning_rate": 1e-5,
        "max_depth": 9,
        "image_scaling": "linear",
    }
    assert parse_settings("mean") == {}


def test_a_file_in_another_runs_folder_stops_with_its_name(miniature: Path, tmp_path: Path) -> None:
    original = next(miniature.glob("runs/sfr/flag0/lightgbm/photo/zoom2/*/metrics.json"))
    moved = tmp_path / "runs/sfr/flag0/lightgbm/photo/zoom3" / original.parent.name / "metrics.json"
    moved.parent.mkdir(parents=True)
    moved.write_text(original.read_text())
    with pytest.raises(HissError, match="lies in runs/sfr/flag0/lightgbm/photo/zoom3"):
        collect_runs([moved])
    moved.write_text("{}")
    with pytest.raises(HissError, match="without 'run'"):
        collect_runs([moved])
    with pytest.raises(HissError, match="no run to collect"):
        collect_runs([])


# ---- select ----


def _runs(**columns: list[object]) -> pd.DataFrame:
    table = pd.DataFrame(columns)
    names = [f"max_depth={depth}" for depth in table["max_depth"]]
    base = {"target": "sfr", "sample": "flag0", "modality": "photo", "zoom": 0, "settings": names}
    return table.assign(**base, path=[f"runs/{name}" for name in names])


def test_a_tree_is_selected_by_cross_validation_and_the_shallower_of_equals() -> None:
    runs = _runs(
        model=["decision_tree"] * 4,
        max_depth=[4, 3, 2, 1],
        cv_r2=[0.5, 0.6, 0.6, 0.4],
        validation_rmse=[0.1, 0.2, 0.3, 0.4],
    )
    chosen = select_runs(runs)
    assert chosen.to_dict("records") == [
        {
            "model": "decision_tree",
            "modality": "photo",
            "zoom": 0,
            "settings": "max_depth=2",
            "path": "runs/max_depth=2",
            "criterion": "cv_r2",
            "value": 0.6,
        }
    ]
    pd.testing.assert_frame_equal(select_runs(runs.iloc[::-1]), chosen)


@pytest.mark.parametrize("model", ["lightgbm", "vggnet12"])
def test_the_others_are_selected_by_validation_rmse(model: str) -> None:
    runs = _runs(model=[model] * 3, max_depth=[4, 3, 2], cv_r2=[0.9, 0.1, 0.1], validation_rmse=[0.5, np.nan, 0.3])
    assert select_runs(runs).loc[0, ["settings", "criterion", "value"]].to_list() == [
        "max_depth=2",
        "validation_rmse",
        0.3,
    ]


def test_no_value_to_select_by_and_mixed_samples_stop() -> None:
    runs = _runs(model=["lightgbm"], max_depth=[4], validation_rmse=[np.nan])
    with pytest.raises(HissError, match="no run of lightgbm, photo, zoom 0 has validation_rmse"):
        select_runs(runs)
    both = pd.concat([runs, runs.assign(sample="all")])
    with pytest.raises(HissError, match="several targets or samples"):
        select_runs(both)


def test_selection_is_the_best_of_each_group_and_never_a_fusion(miniature: Path) -> None:
    runs, selection = _table(miniature, "runs.csv"), _table(miniature, "selection.csv")
    assert len(selection) == 2 * 3 * 2 + 3
    assert {"late", "stacked"} <= set(runs["modality"])
    assert not {"late", "stacked"} & set(selection["modality"])
    best = runs[(runs["model"] == "lightgbm") & ~runs["modality"].isin(["late", "stacked"])]
    best = best.groupby(["modality", "zoom"])["validation_rmse"].min()
    mine = selection[selection["model"] == "lightgbm"].set_index(["modality", "zoom"])["value"]
    pd.testing.assert_series_equal(mine.sort_index(), best.sort_index(), check_names=False)
    of_halpha = runs[runs["model"] == "halpha"].sort_values("validation_rmse")
    assert len(of_halpha) == 2
    assert selection.set_index("model").loc["halpha", "settings"] == of_halpha.iloc[0]["settings"]


def test_selections_of_the_models_are_joined_in_the_study_s_order(miniature: Path) -> None:
    whole = _table(miniature, "selection.csv")
    parts = [part for _, part in whole.groupby("model")]
    assert list(dict.fromkeys(pd.concat(parts)["model"])) != list(dict.fromkeys(whole["model"]))
    pd.testing.assert_frame_equal(join_selections(parts), whole)


def test_the_selected_of_some_runs_is_found_or_missed(miniature: Path) -> None:
    selection = _table(miniature, "selection.csv")
    runs = sorted(miniature.glob("runs/sfr/flag0/lightgbm/photo/zoom2/*/metrics.json"))
    assert relative_folder(selected_metrics(selection, runs)) in set(selection["path"])
    with pytest.raises(HissError, match="0 of these runs are selected"):
        selected_metrics(selection.iloc[:0], runs)
    with pytest.raises(HissError, match="12 of these runs are selected"):
        selected_metrics(pd.DataFrame({"path": [relative_folder(path) for path in runs]}), runs)


# ---- the test set ----


def test_only_test_rows_are_predicted_and_late_is_the_mean(miniature: Path) -> None:
    split = read_table(miniature / "sample/flag0/split.parquet")
    tests = _table(miniature, "test_lightgbm.parquet")
    wanted = set(split.loc[split["split"] == "test", "row"])
    assert set(tests["row"]) == wanted
    wide = tests[tests["zoom"] == 2].pivot_table(index="row", columns="modality", values="prediction")
    assert set(wide) == {"photo", "spectra", "early", "late", "stacked"}
    np.testing.assert_allclose(wide["late"], (wide["photo"] + wide["spectra"]) / 2)
    truth = split.set_index("row")["avg"]
    np.testing.assert_array_equal(tests["truth"], truth.loc[tests["row"]])


def test_a_predictor_that_leaves_out_an_object_stops(miniature: Path) -> None:
    split, selection = read_table(miniature / "sample/flag0/split.parquet"), _table(miniature, "selection.csv")
    folders = folders_of(miniature.glob("runs/**/metrics.json"))
    arrays = {zoom: Path(f"zoom{zoom}.h5") for zoom in range(4)}
    good = fake_predict(split)
    study = ("lightgbm", selection, folders, arrays)
    with pytest.raises(HissError, match="did not predict every test object once"):
        predict_test(*study, split, predict=lambda *given: good(*given).iloc[1:])
    with pytest.raises(HissError, match="is not among the runs of the grid"):
        predict_test("lightgbm", selection, {}, arrays, split, predict=good)
    with pytest.raises(HissError, match="no run of vggnet12 is selected"):
        predict_test("vggnet12", selection, folders, arrays, split, predict=good)
    with pytest.raises(HissError, match="has no test object"):
        predict_test(*study, split[split["split"] != "test"], predict=good)


# ---- intervals ----


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=4, max_size=30),
    st.integers(0, 2**16),
)
def test_bootstrap_scores_are_the_metrics_of_the_resampled_objects(groups: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, prediction = rng.normal(size=(2, len(groups)))
    counts, index = resample_groups(groups, 5, seed)
    found = bootstrap_scores(truth, prediction, counts, index)
    assert (counts.sum(axis=1) == len(set(groups))).all()
    for place, count in enumerate(counts):
        rows = np.repeat(np.arange(len(groups)), count[index])
        if len(rows) < 2:
            continue
        expected = scores(truth[rows], prediction[rows])
        for name in ("mae", "rmse", "nmad"):
            assert found[name][place] == pytest.approx(expected[name], abs=1e-9)
        if np.ptp(truth[rows]) > 0:
            assert found["r2"][place] == pytest.approx(expected["r2"], rel=1e-6)
        else:
            assert np.isnan(found["r2"][place])


def test_interval_covers_the_true_rmse_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    n, trials, covered = 150, 300, 0
    for trial in range(trials):
        truth = rng.normal(size=n)
        counts, index = resample_groups(np.arange(n), 300, trial)
        low, high = interval(bootstrap_scores(truth, truth + rng.normal(0, 0.4, n), counts, index)["rmse"])
        covered += low < 0.4 < high
    assert 0.91 < covered / trials < 0.98


def test_objects_of_one_group_make_the_interval_wider() -> None:
    rng = np.random.default_rng(3)
    truth = np.zeros(400) + np.arange(400)
    error = np.repeat(rng.normal(size=40), 10)
    widths = []
    for groups in (np.arange(400), np.arange(400) // 10):
        counts, index = resample_groups(groups, 500, 1)
        low, high = interval(bootstrap_scores(truth, truth + error, counts, index)["rmse"])
        widths.append(high - low)
    assert widths[1] > 2 * widths[0]


def test_resampling_is_deterministic_and_refuses_nothing_at_all() -> None:
    one, two = (resample_groups(np.arange(50), 20, 7)[0] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert (one != resample_groups(np.arange(50), 20, 8)[0]).any()
    with pytest.raises(HissError, match="test set is empty"):
        resample_groups([], 10, 1)


def test_an_interval_of_mostly_nothing_is_nothing() -> None:
    assert np.isnan(interval([np.nan, np.nan, 1.0])).all()
    assert interval(np.arange(101) / 100) == pytest.approx((0.025, 0.975))
