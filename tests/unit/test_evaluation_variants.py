"""Selected settings once more: fold by fold, with one thing changed, and what that changes."""

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiss.errors import HissError
from hiss.evaluation.collect import collect_runs
from hiss.evaluation.intervals import bootstrap_rmse, bootstrap_scores, resample_groups
from hiss.evaluation.refit import cross_validate_selected, draw_groups, refit_variant
from hiss.evaluation.selection import select_runs
from hiss.evaluation.variants import VARIANT_COLUMNS, compare_variants, what_changed
from hiss.files import read_json, read_table, write_json, write_table
from hiss.models.bins import bin_features
from hiss.models.features import Sources, open_part, prepare_features
from hiss.models.metrics import rmse, scores
from hiss.models.run import make_model, model_type
from hiss.models.train import run_experiment
from hiss.sample.split import make_split, restrict

N = 260
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
GRID = {
    "decision_tree": [{"max_depth": 2}, {"max_depth": 3}],
    "lightgbm": [{"learning_rate": 0.1, "max_depth": 3, "min_data_in_leaf": 5, "rounds": 20, "cross_validate": False}],
}


class Study:
    """Three samples of one small sky, their features at zoom 3, and a grid of runs on early fusion."""

    def __init__(self, root):
        self.root = root
        rng = np.random.default_rng(3)
        self.objects = objects_of(rng)
        self.arrays = write_arrays(root / "zoom3.h5", self.objects, rng)
        write_table(root / "objects.parquet", self.objects)
        good = self.objects["flag"] == 0
        rows = self.objects["row"]
        self.split = make_split(self.objects, rows[good], SHARES, 5, 5, 1)
        self.samples = {
            name: restrict(self.split, rows[kept], SHARES, 5, name)
            for name, kept in {"flag0": good, "any_flag": good | True, "flagged": ~good}.items()
        }
        self.runs = [self.train(model, point) for model, points in GRID.items() for point in points]
        self.selection = select_runs(collect_runs(self.runs))

    def features(self, sample, modality="early"):
        path = self.root / sample / modality / "zoom3.h5"
        if not path.exists():
            sources = Sources(self.arrays, objects=self.root / "objects.parquet")
            prepare_features(sources, self.samples[sample], modality, path, {})
        return path

    def bins(self, model, sample, modality="early"):
        if model != "lightgbm":
            return []
        features = self.features(sample, modality)
        made = [features.with_name(f"zoom3_{side}.bins") for side in ("train", "validation")]
        if not made[0].exists():
            bin_features(features, 63, *made, 1)
        return made

    def run(self, model, name, settings, **more):
        sample, modality = more.pop("sample", "flag0"), more.pop("modality", "early")
        return {
            "target": "sfr", "sample": sample, "model": model, "modality": modality, "zoom": 3, "name": name,
            "settings": settings, "seed": 1, **more,
        }  # fmt: skip

    def folder(self, run):
        place = f"runs/sfr/{run['sample']}/{run['model']}/{run['modality']}/zoom3/{run['name']}"
        return self.root / place

    def train(self, model, settings):
        run = self.run(model, "+".join(f"{key}={value}" for key, value in settings.items()), settings)
        bins = self.bins(model, "flag0")
        run_experiment(model_type(model), self.features("flag0"), run, self.folder(run), 1, [__file__], bins=bins)
        return self.folder(run) / "metrics.json"

    def runs_of(self, model):
        return [path for path in self.runs if f"/{model}/" in path.as_posix()]

    def selected(self, model):
        path = self.selection.loc[self.selection["model"] == model, "path"].item()
        return self.root / path

    def folds(self, model, **inputs):
        bins = self.bins(model, "flag0")
        return cross_validate_selected(
            model_type(model), self.selection, self.runs_of(model), self.features("flag0"), 1, bins=bins, **inputs
        )

    def refit(self, model, name, settings=None, sample="flag0", modality="early", members=1, train_size=None):
        more = {"sample": sample, "modality": modality, "base": "early", "members": members, "train_size": train_size}
        return self.refit_run(self.run(model, f"variant={name}", settings or {}, **more))

    def refit_run(self, run):
        model, sample, modality, folder = run["model"], run["sample"], run["modality"], self.folder(run)
        refit_variant(
            model_type(model), self.selection, self.runs_of(model), self.features(sample, modality),
            self.samples[sample], run, folder, 1, [__file__], self.bins(model, sample, modality),
        )  # fmt: skip
        return folder

    def compared(self, *folders):
        variants = [folder / "metrics.json" for folder in folders]
        return compare_variants(self.selection, self.runs, variants, self.split, 200, 1)


def objects_of(rng):
    avg = rng.normal(0, 0.8, N)
    place = np.arange(N) // 2  # pairs of neighbours, whose cutouts overlap
    return pd.DataFrame(
        {
            "row": np.arange(N), "target_id": 2 * np.arange(N) + 5, "avg": avg, "objid": 0,
            "ra": place * 0.1 + rng.uniform(0, 0.002, N), "dec": 0.0, "z": rng.uniform(0.02, 0.2, N),
            "p16": avg - 0.2, "p84": avg + 0.2, "flag": np.where(rng.random(N) < 0.3, 2, 0),
        }
    )  # fmt: skip


def write_arrays(path, objects, rng):
    label = objects["avg"].to_numpy()
    with h5py.File(path, "w") as file:
        file["images"] = (label[:, None, None, None] + rng.normal(0, 1.5, (N, 5, 8, 8))).astype("f4")
        file["image_sigma"] = np.full((N, 5, 8, 8), 1.5, "f4")
        file["spectra"] = (label[:, None] + rng.normal(0, 1.5, (N, 40))).astype("f4")
        file["spectrum_sigma"] = np.full((N, 40), 1.5, "f4")
        file["wl"], file["target_id"] = np.linspace(3800, 9200, 40), objects["target_id"]
        file.attrs["provenance"] = "{}"
    return path


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("study"))


# ---- folds of the selected ----


@pytest.mark.parametrize("model", GRID)
def test_each_training_object_is_predicted_by_a_model_that_did_not_see_its_fold(study, model):
    table = study.folds(model)
    train = study.samples["flag0"].query("split == 'train'")
    assert table.columns.tolist() == ["target_id", "row", "truth", "prediction", "fold"]
    for column, told in (("target_id", "target_id"), ("truth", "avg"), ("fold", "fold")):
        assert table[column].tolist() == train[told].tolist()
    seen = read_json(study.selected(model) / "metrics.json")["train"]["rmse"]
    assert seen < rmse(table["truth"], table["prediction"]) < train["avg"].std()


def test_folds_need_no_whole_fit_first(study):
    run = read_json(study.selected("lightgbm") / "metrics.json")["run"]
    train, validation = (open_part(study.features("flag0"), side) for side in ("train", "validation"))
    fitted = make_model("lightgbm", run["settings"] | {"cross_validate": True}, "early")
    fitted.fit(train.data, validation.data)
    expected = fitted.out_of_fold(train.data, train.table["fold"])
    np.testing.assert_allclose(study.folds("lightgbm")["prediction"], expected, rtol=1e-12)


def test_what_the_selected_run_left_behind_is_taken(study):
    left = [path.parent / "out_of_fold.parquet" for path in study.runs_of("decision_tree")]
    taken = study.folds("decision_tree", made=left)
    pd.testing.assert_frame_equal(taken, read_table(study.selected("decision_tree") / "out_of_fold.parquet"))
    pd.testing.assert_frame_equal(taken, study.folds("decision_tree")), "and is what fitting again gives"


def test_folds_of_runs_of_which_none_is_selected_stop(study):
    with pytest.raises(HissError, match="0 of these runs are selected"):
        cross_validate_selected(
            model_type("lightgbm"), study.selection.iloc[:0], study.runs_of("lightgbm"), study.features("flag0"), 1
        )


# ---- one thing changed ----


@pytest.mark.parametrize("model", GRID)
def test_with_nothing_changed_a_refit_is_the_selected_run_again(study, model):
    folder = study.refit(model, "same")
    selected = study.selected(model)
    pd.testing.assert_frame_equal(
        read_table(folder / "validation.parquet"), read_table(selected / "validation.parquet")
    )
    refitted, before = read_json(folder / "metrics.json"), read_json(selected / "metrics.json")
    assert refitted["run"]["settings"] == before["run"]["settings"]
    assert refitted["base"] == selected.relative_to(study.root).as_posix()
    assert set(before) | {"base", "overrides", "members"} == set(refitted)
    assert set(before["time"]) == set(refitted["time"])
    for key in ("validation", "train", "best_iteration", "n_train", "n_validation", "n_features"):
        assert refitted[key] == before[key]
    row = study.compared(folder).iloc[0]
    assert row[["delta_rmse", "low", "high"]].tolist() == [0, 0, 0]


def test_a_setting_is_put_in_place_of_the_selected_one(study):
    folder = study.refit("decision_tree", "stump", {"max_depth": 1})
    metrics = read_json(folder / "metrics.json")
    assert metrics["run"]["settings"] == {"max_depth": 1}
    assert metrics["overrides"] == {"max_depth": 1}
    assert read_table(folder / "validation.parquet")["prediction"].nunique() == 2
    row = study.compared(folder).iloc[0]
    assert row["changed"] == "max_depth = 1"
    assert row["delta_rmse"] == pytest.approx(row["rmse_common"] - row["rmse_study"])
    assert row["low"] <= row["delta_rmse"] <= row["high"]


def test_other_bins_than_the_study_s_are_made_anew(study):
    folder = study.refit("lightgbm", "fine_bins", {"max_bin": 255})
    assert read_json(folder / "metrics.json")["run"]["settings"]["max_bin"] == 255


def test_members_of_several_seeds_predict_by_their_mean(study):
    folder = study.refit("lightgbm", "seeds", {"feature_fraction": 0.3}, members=3)
    data = open_part(study.features("flag0"), "validation").data
    kind = model_type("lightgbm")
    each = np.stack([kind.load(folder / "models" / f"seed{seed}").predict(data) for seed in (1, 2, 3)])
    table = read_table(folder / "validation.parquet")
    np.testing.assert_allclose(table["prediction"], each.mean(axis=0))
    np.testing.assert_allclose(table["spread"], each.std(axis=0, ddof=1))
    assert (table["spread"] > 0).any(), "seeds differ"
    metrics = read_json(folder / "metrics.json")
    assert metrics["validation"] == pytest.approx(scores(table["truth"], table["prediction"]))
    assert len(metrics["members"]) == 3
    assert metrics["train"] is None


@pytest.mark.parametrize("model", GRID)
def test_a_training_set_is_cut_by_group(study, model):
    folder = study.refit(model, "few", train_size=60)
    assert 55 <= read_json(folder / "metrics.json")["n_train"] <= 60
    with pytest.raises(HissError, match=r"variant=many asks for 9000 training objects and sample flag0 has \d+;"):
        study.refit(model, "many", train_size=9000)


def test_another_sample_is_trained_on_and_compared_where_both_predict(study):
    wider, apart = (study.refit("lightgbm", sample, sample=sample) for sample in ("any_flag", "flagged"))
    table = study.compared(wider, apart).set_index("variant")
    held = {name: part.query("split == 'validation'") for name, part in study.samples.items()}
    assert table["n"].to_dict() == {name: len(held[name]) for name in table.index}
    assert table["n_common"].to_dict() == {"any_flag": len(held["flag0"]), "flagged": 0}
    assert table.loc["flagged", ["delta_rmse", "low", "high", "rmse_study"]].isna().all()
    assert table.loc["any_flag", "changed"] == "sample any_flag"
    assert table.loc["any_flag", "rmse"] != table.loc["any_flag", "rmse_common"]
    of_study = read_json(study.selected("lightgbm") / "metrics.json")
    assert table.loc["any_flag", "rmse_study"] == pytest.approx(of_study["validation"]["rmse"])
    assert table.loc["any_flag", "fit_s_study"] == of_study["time"]["fit_s"]


def test_no_test_object_is_anywhere_in_a_refit(study):
    test = set(study.split.query("split == 'test'")["target_id"])
    for sample in study.samples:
        folder = study.refit("decision_tree", f"of_{sample}", sample=sample)
        assert not test & set(read_table(folder / "validation.parquet")["target_id"])
    assert not test & set(study.folds("decision_tree")["target_id"])


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=80), st.integers(0, 100), st.integers(0, 100), st.integers(0, 9)
)
def test_a_smaller_draw_is_part_of_a_larger_one_and_no_group_is_cut(group, one, other, seed):
    group = np.array(group)
    small, large = (draw_groups(group, size, seed) for size in sorted((one, other)))
    assert set(small) <= set(large)
    assert len(large) <= max(one, other)
    outside = np.setdiff1d(np.arange(len(group)), large)
    assert not set(group[large]) & set(group[outside])
    if max(one, other) >= len(group):
        assert len(large) == len(group)


# ---- comparisons of known errors ----


def made(root, run, error, truth, ids):
    folder = root / f"runs/sfr/{run['sample']}/{run['model']}/{run['modality']}/zoom{run['zoom']}/{run['name']}"
    metrics = {"run": run, "n_train": 5, "time": {"fit_s": 2.0}, "peak_memory_mb": 3.0, "overrides": {}}
    write_json(folder / "metrics.json", metrics)
    table = pd.DataFrame({"target_id": ids, "row": ids, "truth": truth, "prediction": truth + error})
    write_table(folder / "validation.parquet", table)
    return folder / "metrics.json"


@pytest.fixture
def known(tmp_path):
    """Selected runs of early fusion at zooms 0 and 3, and a variant of mixed zooms, with errors of known size."""
    rng = np.random.default_rng(0)
    ids, truth = np.arange(400), rng.normal(size=400)
    base = {"target": "sfr", "sample": "flag0", "model": "lightgbm", "modality": "early", "name": "a=1", "settings": {}}
    runs = [
        made(tmp_path, base | {"zoom": zoom}, size * rng.normal(size=400), truth, ids)
        for zoom, size in ((0, 0.1), (3, 0.5))
    ]
    more = {"zoom": 3, "modality": "early_spectra0", "name": "variant=mixed", "base": "early", "members": 1}
    mixed = base | more | {"train_size": None}
    variant = made(tmp_path, mixed, 0.3 * rng.normal(size=400), truth, ids)
    columns = ["model", "modality", "zoom", "path"]
    places = [("lightgbm", "early", zoom, f"runs/sfr/flag0/lightgbm/early/zoom{zoom}/a=1") for zoom in (0, 3)]
    split = pd.DataFrame({"target_id": ids, "group": ids // 2})
    return tmp_path, pd.DataFrame(places, columns=columns), runs, variant, split


def test_mixed_zooms_are_compared_with_each_of_the_two(known):
    _, selection, runs, variant, split = known
    table = compare_variants(selection, runs, [variant], split, 500, 1)
    assert table.columns.tolist() == VARIANT_COLUMNS
    assert table["against_zoom"].tolist() == [3, 0]
    assert table["changed"].unique().tolist() == ["spectra of zoom 0 with images of zoom 3"]
    better, worse = table.to_dict("records")
    assert better["delta_rmse"] == pytest.approx(-0.2, abs=0.04)
    assert better["high"] < 0 < worse["low"]
    assert worse["delta_rmse"] == pytest.approx(0.2, abs=0.04)
    assert compare_variants(selection, runs, [variant], split, 500, 1).equals(table), "the same seed, the same numbers"
    only = compare_variants(selection[selection["zoom"] == 3], runs, [variant], split, 100, 1)
    assert only["against_zoom"].tolist() == [3], "where the study has both"


def test_comparisons_that_cannot_be_made_stop(known):
    root, selection, runs, variant, split = known
    with pytest.raises(HissError, match="variant=mixed: the study has no selected run of lightgbm, early, zoom 3"):
        compare_variants(selection[selection["zoom"] == 0], runs, [variant], split, 100, 1)
    with pytest.raises(HissError, match="is not among the runs of the grid"):
        compare_variants(selection, [], [variant], split, 100, 1)
    path = root / "runs/sfr/flag0/lightgbm/early/zoom3/a=1/validation.parquet"
    write_table(path, read_table(path).assign(truth=0.0))
    with pytest.raises(HissError, match="have different labels"):
        compare_variants(selection, runs, [variant], split, 100, 1)


def test_no_variants_make_an_empty_table(known):
    _, selection, runs, _, split = known
    assert compare_variants(selection, runs, [], split, 100, 1).columns.tolist() == VARIANT_COLUMNS


def test_what_is_changed_is_told_in_words():
    run = {"base": "early", "modality": "attention_spectra1_rest_z", "zoom": 3, "sample": "any", "members": 5}
    told = what_changed(run | {"train_size": 100}, {"dropout": 0.1}, "flag0")
    assert told == (
        "sample any; spectra at rest, by their redshift; the redshift as a feature; spectra of zoom 1 with images of "
        "zoom 3; attention between the two trunks; mean of 5 seeds; at most 100 training objects; dropout = 0.1"
    )


def test_resampled_rmse_is_that_of_all_four_metrics():
    rng = np.random.default_rng(2)
    truth, prediction = rng.normal(size=(2, 50))
    counts, index = resample_groups(np.arange(50) // 3, 100, 4)
    expected = bootstrap_scores(truth, prediction, counts, index)["rmse"]
    np.testing.assert_allclose(bootstrap_rmse(prediction - truth, counts, index), expected)
