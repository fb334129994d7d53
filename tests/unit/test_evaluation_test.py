"""The test set: read by one function and one rule, for what was selected; a small study from arrays to coverage."""

import re
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from hiss.errors import HissError
from hiss.evaluation.collect import collect_runs
from hiss.evaluation.coverage import coverage_table
from hiss.evaluation.quantiles import fit_quantiles
from hiss.evaluation.refit import cross_validate_selected
from hiss.evaluation.selection import select_runs
from hiss.evaluation.summarise import bootstrap_tests, comparisons_table, metrics_table
from hiss.evaluation.test import TEST_COLUMNS, Held, folders_of, predict_test
from hiss.files import read_json, read_table, write_table
from hiss.modality import FUSIONS
from hiss.models.bins import bin_features
from hiss.models.features import Sources, prepare_features
from hiss.models.fusion import fuse_selected
from hiss.models.run import model_type
from hiss.models.stacking import Stack, stack_selected
from hiss.models.train import run_experiment
from hiss.models.trained import predict_rows
from hiss.names import join_settings
from hiss.sky.arrays import simulate_objects

ZOOM, LEVEL = 3, 0.8
MODALITIES = ("photo", "spectra", "early")
GRID: dict[str, list[dict[str, Any]]] = {
    "decision_tree": [{"max_depth": depth} for depth in (2, 4)],
    "lightgbm": [
        {"learning_rate": 0.2, "max_depth": depth, "rounds": 40, "min_data_in_leaf": 5, "cross_validate": False}
        for depth in (2, 4)
    ],
}

BASELINES: dict[str, tuple[str, dict[str, Any]]] = {
    "mean": ("none", {}),
    "magnitudes": ("photo", {}),
    "halpha": ("lines", {"scale": "fitted"}),
}


@dataclass(frozen=True)
class Study:
    """A study's folder, and what the rules would give to its scripts."""

    folder: Path
    split: pd.DataFrame

    def features(self, modality: str) -> Path:
        return self.folder / f"features/flag0/{modality}/zoom{ZOOM}.h5"

    def bins(self, modality: str) -> list[Path]:
        return [self.features(modality).with_name(f"zoom{ZOOM}_{side}.bins") for side in ("train", "validation")]

    def metrics(self, model: str = "*", modality: str = "*") -> list[Path]:
        found = self.folder.glob(f"runs/sfr/flag0/{model}/{modality}/zoom*/*/metrics.json")
        return sorted(path for path in found if path.parts[-4] not in FUSIONS)

    @cached_property
    def selection(self) -> pd.DataFrame:
        return read_table(self.folder / "evaluation/selection.csv")

    def out_of_fold(self, model: str) -> list[Path]:
        if model in BASELINES:
            return [path.with_name("out_of_fold.parquet") for path in self.metrics(model)]
        return sorted(self.folder.glob(f"evaluation/out_of_fold/{model}/*/zoom{ZOOM}.parquet"))

    def held(self, model: str, level: float | None = LEVEL) -> Held:
        return Held(
            level=level,
            out_of_fold=self.out_of_fold(model),
            quantiles=sorted(self.folder.glob("evaluation/quantiles/*/*/out_of_fold.parquet")) * (model == "lightgbm"),
            stacked=sorted(self.folder.glob(f"runs/sfr/flag0/{model}/stacked/*/ridge/model.json")),
        )

    def predict(self, model: str, held: Held) -> pd.DataFrame:
        folders = folders_of(self.metrics(model))
        predict = partial(predict_rows, model_type(model))
        return predict_test(model, self.selection, folders, {ZOOM: self.arrays}, self.split, predict, self.lines, held)

    @property
    def arrays(self) -> Path:
        return self.folder / f"sample/zoom{ZOOM}.h5"

    @property
    def lines(self) -> Path:
        return self.folder / "sample/lines.parquet"


def _write_sample(folder: Path, n: int) -> pd.DataFrame:
    made = simulate_objects(n, seed=4, zooms=(ZOOM,))
    (folder / "sample/flag0").mkdir(parents=True)
    with h5py.File(folder / f"sample/zoom{ZOOM}.h5", "w") as file:
        for name in ("images", "image_sigma", "spectra", "spectrum_sigma", "wl"):
            file[name] = getattr(made, name)[ZOOM]
        file["target_id"] = 3 * np.arange(n)
    ids = {"row": np.arange(n), "target_id": 3 * np.arange(n)}
    objects = pd.DataFrame(ids | {"avg": made.avg, "p16": made.avg - 0.3, "p84": made.avg + 0.3, "z": made.truth["z"]})
    write_table(folder / "sample/objects.parquet", objects)
    area = 3000 * 10**made.avg * (0.05 / objects["z"]) ** 2
    lines = {"h_alpha": area, "h_alpha_sigma": 5.0, "h_beta": area / 3.5, "h_beta_sigma": 5.0}
    write_table(folder / "sample/lines.parquet", objects[["row", "z"]].assign(**lines))
    group = np.arange(n) // 2
    side = np.random.default_rng(1).choice(["train", "validation", "test"], n, p=[0.6, 0.2, 0.2])[2 * group]
    fold = np.where(side == "train", group % 5, -1)
    split = pd.DataFrame(ids | {"group": group, "avg": made.avg, "split": side, "fold": fold})
    write_table(folder / "sample/flag0/split.parquet", split)
    return split


def _train(study: Study) -> None:
    sources = Sources(study.arrays, objects=study.folder / "sample/objects.parquet", lines=study.lines)
    for modality in (*MODALITIES, "lines", "none"):
        prepare_features(sources, study.split, modality, study.features(modality), {})
    for modality in MODALITIES:
        bin_features(study.features(modality), 63, *study.bins(modality), threads=1)
    for model, modality in product(GRID, MODALITIES):
        for settings in GRID[model]:
            _train_one(study, model, modality, settings)
    for model, (modality, settings) in BASELINES.items():
        _train_one(study, model, modality, settings)


def _train_one(study: Study, model: str, modality: str, settings: dict[str, Any]) -> None:
    name = join_settings(f"{key}={value}" for key, value in settings.items() if key != "cross_validate") or "default"
    folder = study.folder / f"runs/sfr/flag0/{model}/{modality}/zoom{ZOOM}/{name}"
    run = {"target": "sfr", "sample": "flag0", "model": model, "modality": modality, "zoom": ZOOM}
    run |= {"name": name, "settings": settings, "seed": 1}
    bins = study.bins(modality) if model == "lightgbm" else ()
    run_experiment(model_type(model), study.features(modality), run, folder, 1, bins=bins)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    study = Study(folder, _write_sample(folder, 240))
    _train(study)
    write_table(folder / "evaluation/selection.csv", select_runs(collect_runs(study.metrics())))
    for model, modality in product(GRID, MODALITIES):
        runs, bins = study.metrics(model, modality), study.bins(modality) if model == "lightgbm" else ()
        made = [path.with_name("out_of_fold.parquet") for path in runs] if model == "decision_tree" else []
        table = cross_validate_selected(
            model_type(model), study.selection, runs, study.features(modality), 1, made=made, bins=bins
        )
        write_table(folder / f"evaluation/out_of_fold/{model}/{modality}/zoom{ZOOM}.parquet", table)
        if model == "lightgbm":
            place = folder / f"evaluation/quantiles/{modality}/zoom{ZOOM}"
            fit_quantiles(study.selection, runs, table, study.features(modality), bins, LEVEL, 1, place, {})
    for model in GRID:
        given = (folder / "evaluation/selection.csv", study.metrics(model))
        place = folder / f"runs/sfr/flag0/{model}"
        fuse_selected(*given, model, ZOOM, place / f"late/zoom{ZOOM}/mean")
        stack_selected(*given, study.out_of_fold(model), model, ZOOM, place / f"stacked/zoom{ZOOM}/ridge")
    return study


@pytest.fixture(scope="module")
def tests(study: Study) -> pd.DataFrame:
    return pd.concat([study.predict(model, study.held(model)) for model in (*GRID, *BASELINES)], ignore_index=True)


# ---- nothing before the one reader knows a test object ----


def test_no_file_before_the_test_rule_holds_a_test_object(study: Study) -> None:
    held_back = set(study.split.loc[study.split["split"] == "test", "target_id"])
    tables = [path for part in ("runs", "evaluation") for path in (study.folder / part).rglob("*.parquet")]
    assert len(tables) > 30
    for path in tables:
        assert not held_back & set(read_table(path)["target_id"]), path
    for path in study.folder.glob("features/**/*.h5"):
        with h5py.File(path) as file:
            assert not held_back & set(file["target_id"][()])
            assert len(file["features"]) == (study.split["split"] != "test").sum()


def test_labels_and_arrays_of_test_objects_change_nothing_of_what_is_trained(study: Study, tmp_path: Path) -> None:
    split = study.split.copy()
    out = split["split"] == "test"
    split.loc[out, "avg"] = 99.0
    arrays = tmp_path / f"zoom{ZOOM}.h5"
    with h5py.File(study.arrays) as old, h5py.File(arrays, "w") as new:
        for name in old:
            values = old[name][()]
            if name not in ("wl", "target_id"):
                values[out.to_numpy()] = np.nan
            new[name] = values
    again = tmp_path / "features.h5"
    prepare_features(Sources(arrays, objects=study.folder / "sample/objects.parquet"), split, "early", again, {})
    with h5py.File(study.features("early")) as one, h5py.File(again) as two:
        for name in one:
            np.testing.assert_array_equal(one[name][()], two[name][()])


def _rules(repo: Path) -> dict[str, str]:
    """The text of every rule, by name; one made by ``use rule`` has its model's text before its own."""
    rules: dict[str, str] = {}
    for path in sorted((repo / "rules").glob("*.smk")):
        for block in re.split(r"^(?=rule |checkpoint |use rule )", path.read_text(), flags=re.MULTILINE)[1:]:
            used = re.match(r"use rule (\w+) as (\w+)", block)
            name = used[2] if used else block.split()[1].rstrip(":")
            rules[name] = (rules[used[1]] if used else "") + block
    return rules


def _inputs(text: str) -> str:
    return "".join(re.findall(r"^    input:\n(.*?)^    \w+:", text, flags=re.MULTILINE | re.DOTALL))


def test_one_rule_reads_test_objects_for_predictions_and_only_tables_and_plots_read_those(repo: Path) -> None:
    inputs = {name: _inputs(text) for name, text in _rules(repo).items()}
    assert {"evaluate_test", "test_cnn", "prepare_features", "compare_variants", "evaluate_cascade"} <= set(inputs)
    of_models = {name for name, text in inputs.items() if "models_of_runs" in text or "MODEL_FILE" in text}
    assert of_models == {"evaluate_test", "test_cnn"}
    readers = {name for name, text in inputs.items() if "evaluation/test_" in text}
    shown = {"plot_comparison", "measure_residuals", "measure_calibration", "make_gallery", "write_report"}
    assert readers == {"summarise", "write_predictions", *shown}
    arrays = {name for name, text in inputs.items() if re.search(r"sample/zoom|spectra_arrays", text)}
    training = {
        name
        for name, text in _rules(repo).items()
        if re.search(r"^    script:\n.*(train_|refit|cross_val|fit_q)", text, re.MULTILINE)
    }
    assert len(training) >= 8
    assert not training & arrays
    assert {"prepare_features", "evaluate_test"} <= arrays
    after = {name for name, text in inputs.items() if "evaluation/" in text} & arrays
    assert after <= {"evaluate_test", "test_cnn", "make_gallery"}, "the gallery draws objects, and predicts none"


# ---- what the one reader writes ----


def test_every_selected_run_and_fusion_predicts_every_test_object_once(study: Study, tests: pd.DataFrame) -> None:
    assert list(tests) == TEST_COLUMNS
    wanted = study.split[study.split["split"] == "test"].sort_values("row")
    parts = tests.groupby(["model", "modality", "zoom"])
    of_models = set(product(GRID, (*MODALITIES, *FUSIONS), [ZOOM]))
    assert set(parts.groups) == of_models | {(name, modality, ZOOM) for name, (modality, _) in BASELINES.items()}
    for _, part in parts:
        np.testing.assert_array_equal(part["row"], wanted["row"])
        np.testing.assert_array_equal(part["truth"], wanted["avg"])


def test_fusions_on_the_test_set_are_those_of_the_validation_set(study: Study, tests: pd.DataFrame) -> None:
    for model in GRID:
        wide = tests[tests["model"] == model].pivot(index="row", columns="modality", values="prediction")
        np.testing.assert_allclose(wide["late"], (wide["photo"] + wide["spectra"]) / 2)
        stack = Stack.load(study.folder / f"runs/sfr/flag0/{model}/stacked/zoom{ZOOM}/ridge/model.json")
        np.testing.assert_allclose(
            wide["stacked"], stack.intercept + stack.photo * wide["photo"] + stack.spectra * wide["spectra"]
        )
        assert stack.n == (study.split["split"] == "train").sum()


def test_intervals_are_of_residuals_and_of_quantiles_where_there_are_some(study: Study, tests: pd.DataFrame) -> None:
    methods = tests.groupby(["model", "modality"])["method"].unique().map(list)
    for (model, modality), found in methods.items():
        assert found == ["quantiles" if model == "lightgbm" and modality in MODALITIES else "residuals"]
    flat = tests[tests["method"] == "residuals"]
    np.testing.assert_allclose(flat["high"] - flat["prediction"], flat["half_width"])
    np.testing.assert_allclose(flat["prediction"] - flat["low"], flat["half_width"])
    own = tests[tests["method"] == "quantiles"]
    assert (own["low"] <= own["high"]).all()
    assert (own["high"] - own["low"]).groupby(own["modality"]).std().min() > 0.01
    half = tests.groupby(["model", "modality"])["half_width"].unique()
    assert (half.map(len) == 1).all()


def test_coverage_on_the_test_set_is_near_what_was_asked_for(tests: pd.DataFrame) -> None:
    table = coverage_table(tests, LEVEL, 3)
    of_all = table[table["bin"] == "all"]
    assert len(of_all) == 10 + len(BASELINES) + len(MODALITIES)  # LightGBM's residuals stand beside its quantiles
    assert (of_all["coverage_high"] > LEVEL - 0.12).all()
    assert (of_all["coverage_low"] < LEVEL + 0.12).all()
    assert of_all["coverage"].mean() == pytest.approx(LEVEL, abs=0.1)


def test_where_nothing_was_held_out_there_is_no_interval(study: Study, tests: pd.DataFrame) -> None:
    bare = study.predict("lightgbm", Held())
    assert set(bare["modality"]) == {*MODALITIES, "late"}
    assert bare[["low", "high", "half_width"]].isna().all(axis=None)
    assert set(bare["method"]) == {""}
    whole = tests[(tests["model"] == "lightgbm") & (tests["modality"] != "stacked")]
    np.testing.assert_array_equal(bare["prediction"], whole["prediction"])
    only_ends = study.predict("lightgbm", Held(LEVEL, quantiles=study.held("lightgbm").quantiles))
    assert set(only_ends.loc[only_ends["modality"] == "late", "method"]) == {""}
    assert only_ends.loc[only_ends["modality"] == "early", "low"].notna().all()
    assert only_ends["half_width"].isna().all()


def test_too_high_a_level_gives_no_interval_and_says_so(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    table = study.predict("decision_tree", study.held("decision_tree", level=0.9999))
    assert set(table["method"]) == {""}
    assert table[["low", "high", "half_width"]].isna().all(axis=None)
    assert "too few training objects for an interval" in capsys.readouterr().err


def test_predictions_held_out_of_another_split_stop(study: Study) -> None:
    other = study.split.assign(split=study.split["split"].replace({"train": "validation", "validation": "train"}))
    folders = folders_of(study.metrics("lightgbm"))
    with pytest.raises(HissError, match="not of the split's training objects"):
        predict = partial(predict_rows, model_type("lightgbm"))
        held = study.held("lightgbm")
        predict_test("lightgbm", study.selection, folders, {ZOOM: study.arrays}, other, predict, held=held)


# ---- quantiles ----


def test_quantiles_leave_outside_what_they_are_asked_to_on_objects_they_did_not_see(study: Study) -> None:
    train = study.split[study.split["split"] == "train"]
    for modality in MODALITIES:
        folder = study.folder / f"evaluation/quantiles/{modality}/zoom{ZOOM}"
        held_out = read_table(folder / "out_of_fold.parquet")
        assert set(held_out["row"]) == set(train["row"])
        inside = (held_out["low"] <= held_out["truth"]) & (held_out["truth"] <= held_out["high"])
        assert 0.5 < inside.mean() < 0.95  # of so few objects they are poor, which is why they are conformalised
        assert (held_out["low"] <= held_out["high"]).all()
        validation = read_table(folder / "validation.parquet")
        assert list(validation) == ["target_id", "row", "truth", "low", "high"]
        for end in ("low", "high"):
            assert "objective=quantile" in (folder / end / "model.txt").read_text()


def test_quantiles_are_of_the_errors_and_the_same_with_bins_and_without(study: Study, tmp_path: Path) -> None:
    runs, features, bins = study.metrics("lightgbm", "early"), study.features("early"), study.bins("early")
    held_out = read_table(study.folder / f"evaluation/out_of_fold/lightgbm/early/zoom{ZOOM}.parquet")
    fit_quantiles(study.selection, runs, held_out, features, (), LEVEL, 1, tmp_path / "bare", {})
    kept = study.folder / f"evaluation/quantiles/early/zoom{ZOOM}"
    for name in ("out_of_fold.parquet", "validation.parquet"):
        pd.testing.assert_frame_equal(read_table(kept / name), read_table(tmp_path / "bare" / name))
    far = held_out.assign(prediction=held_out["prediction"] - 7)  # as if every truth were 7 above what is predicted
    fit_quantiles(study.selection, runs, far, features, bins, LEVEL, 1, tmp_path / "far", {})
    ends = read_table(tmp_path / "far/out_of_fold.parquet")
    middle = (ends["low"] + ends["high"]) / 2
    assert (middle - far["prediction"]).mean() == pytest.approx(7, abs=0.5)
    with pytest.raises(HissError, match="not of the objects of the features"):
        fit_quantiles(study.selection, runs, held_out.iloc[1:], features, bins, LEVEL, 1, tmp_path / "less", {})


# ---- the tables over it ----


def test_the_tables_of_a_study_with_fusions_add_up(study: Study, tests: pd.DataFrame) -> None:
    fused = sorted(study.folder.glob("runs/sfr/flag0/*/*/zoom*/*/metrics.json"))
    runs = collect_runs(fused)
    assert list(dict.fromkeys(runs["model"])) == [*GRID, *BASELINES]
    assert list(dict.fromkeys(runs["modality"])) == [*MODALITIES, *FUSIONS, "none", "lines"]
    bootstrap = bootstrap_tests(tests, study.split, 100, 1)
    metrics = metrics_table(bootstrap, runs, study.selection, read_table(study.folder / "sample/objects.parquet"))
    assert (
        metrics.loc[metrics["model"] == "mean", "r2"].item()
        < 0.1
        < metrics.loc[metrics["model"] == "halpha", "r2"].item()
    )
    stacked = metrics[metrics["modality"] == "stacked"].set_index("model")
    late = metrics[metrics["modality"] == "late"].set_index("model")
    assert (stacked["fit_s"] > late["fit_s"]).all()
    pairs = comparisons_table(bootstrap, metrics)
    against = pairs[pairs["kind"] == "baselines"]
    assert set(zip(against["a"], against["b"])) == set(product(GRID, BASELINES))
    assert {("stacked", "late"), ("stacked", "early"), ("early", "late")} <= set(zip(pairs["a"], pairs["b"]))
    rmse = metrics.set_index(["model", "modality"])["validation_rmse"]
    for row in pairs[pairs["kind"] == "modalities"].to_dict("records"):
        sides = sorted((row["a"], row["b"]), key=lambda side: rmse[row["model"], side])
        assert row["better_on_validation"] == sides[0]


def test_a_stacked_run_tells_what_it_was_fitted_on(study: Study) -> None:
    folder = study.folder / f"runs/sfr/flag0/lightgbm/stacked/zoom{ZOOM}/ridge"
    model, metrics = read_json(folder / "model.json"), read_json(folder / "metrics.json")
    assert model["fitted_on"] == "out-of-fold predictions"
    assert set(metrics["provenance"]["inputs"]) == {"photo", "spectra", "photo out of fold", "spectra out of fold"}
    assert len(metrics["cv"]["r2"]) == 5
