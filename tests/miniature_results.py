"""A results folder in small, as the contract describes it, without a sky, a cube build or a training run.

The evaluation's own functions make its tables; only what a model would say is made up, of truth and noise.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from miniature_curves import write_curve
from miniature_diagnostics import diagnose
from miniature_labels import make_repeats
from miniature_report import report
from miniature_sample import make_objects, make_split, write_arrays, write_dense, write_sample_tables

from hiss.evaluation.cascade import evaluate_cascade
from hiss.evaluation.collect import collect_runs
from hiss.evaluation.coverage import coverage_table
from hiss.evaluation.selection import select_runs
from hiss.evaluation.summarise import bootstrap_tests, comparisons_table, metrics_table, with_times
from hiss.evaluation.test import Held, folders_of, predict_test
from hiss.evaluation.variants import compare_variants
from hiss.files import read_json, read_table, write_json, write_table
from hiss.modality import Modality
from hiss.models.fusion import fused_metrics, late_fusion
from hiss.models.metrics import scores
from hiss.models.stacking import stack_selected
from hiss.names import join_settings
from hiss.plots.draw import (
    draw_cascade,
    draw_comparison,
    draw_intervals,
    draw_labels,
    draw_model,
    draw_sample,
    draw_variants,
)

GRID: dict[str, list[dict[str, Any]]] = {
    "decision_tree": [{"max_depth": depth} for depth in (1, 2, 3, 4, 5, 6)],
    "lightgbm": [
        {"learning_rate": rate, "max_depth": depth} for rate, depth in product((0.03, 0.1, 0.3), (3, 5, 7, 9))
    ],
    "vggnet12": [{"learning_rate": rate} for rate in (1e-6, 1e-5, 1e-4)],
}
BASELINES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "mean": ("none", [{}]),
    "magnitudes": ("photo", [{}]),
    "halpha": ("lines", [{"scale": "formula"}, {"scale": "fitted"}]),
}
VARIANTS: dict[str, dict[str, Any]] = {
    "redshift": {"suffix": "_z", "factor": 0.8},
    "label_weights": {"settings": {"label_weights": True}, "factor": 1.01},
    "coarse_images": {"suffix": "_spectra2", "bases": ["early"], "factor": 0.95},
    "flagged": {"sample": "flagged"},
}
NOISE = {"photo": 0.5, "spectra": 0.4, "early": 0.3, "attention": 0.29, "lines": 0.6, "none": 0.0}
FACTOR = {"decision_tree": 1.3, "lightgbm": 1.0, "vggnet12": 1.1, "magnitudes": 1.1, "halpha": 1.0, "mean": 1.0}
LEVEL, BINS = 0.9, 3


@dataclass(frozen=True)
class Study:
    """Which parts of a study there are."""

    models: Sequence[str] = tuple(GRID)
    zooms: Sequence[int] = (0, 1, 2, 3)
    modalities: Sequence[str] = ("photo", "spectra", "early")
    baselines: Sequence[str] = tuple(BASELINES)
    intervals: bool = True
    variants: bool = True
    cascade: bool = True


def make_results(folder: Path, study: Study | None, n: int = 200, seed: int = 1) -> Path:
    """Write a sample and what its runs left behind; a sample without any label where there is no study."""
    rng = np.random.default_rng(seed)
    objects = make_objects(n, rng)
    write_dense(folder / "cube" / "dense.h5", objects.head(3), rng)
    objects = objects if study else objects.head(0)
    write_table(folder / "sample" / "objects.parquet", objects)
    write_arrays(folder / "sample" / "zoom0.h5", objects, rng)
    write_sample_tables(folder, objects, rng)
    if study:
        split = make_split(objects, rng)
        write_table(folder / "sample" / "flag0" / "split.parquet", split)
        for model, zoom in product(study.models, study.zooms):
            for modality, settings in product(study.modalities, GRID[model]):
                if modality != "attention" or model == "vggnet12":
                    _write_run(folder, split, model, modality, zoom, settings)
        for model in study.baselines:
            modality, points = BASELINES[model]
            for settings in points:
                _write_run(folder, split, model, modality, min(study.zooms), settings)
    return folder


def drawn_study(base: Path) -> Path:
    """Return a small study with its figures and report, made once below a folder that tests share."""
    study = Study(models=("decision_tree", "lightgbm"), zooms=(2, 3))
    return _whole(base / "drawn_study", study, 120)


def drawn_single(base: Path) -> Path:
    """Return the smallest study: a tree on images at one zoom; nothing to fuse, no baseline, interval or variant."""
    study = Study(("decision_tree",), (3,), ("photo",), baselines=(), intervals=False, variants=False, cascade=False)
    return _whole(base / "drawn_single", study, 120)


def drawn_sample(base: Path) -> Path:
    """Return a sky of which no object has a star formation rate, with its figures and report, made once."""
    return _whole(base / "drawn_sample", None, 6)


def _whole(folder: Path, study: Study | None, n: int) -> Path:
    if not folder.exists():
        make_results(folder, study, n=n)
        if study:
            evaluate(folder, study)
        draw(folder)
        report(folder)
    return folder


# ---- runs ----


def run_folder(folder: Path, model: str, modality: str, zoom: int, name: str, sample: str = "flag0") -> Path:
    return folder / "runs" / "sfr" / sample / model / modality / f"zoom{zoom}" / name


def _noise(model: str, modality: str, zoom: int, n: int, name: str, scale: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(f"{model}{modality}{zoom}{name}{n}".encode()))
    sigma = NOISE[Modality.parse(modality).base] * FACTOR[model]
    return rng.normal(0, scale * sigma * (1 + 0.05 * zoom), n)


def _write_run(
    folder: Path,
    split: pd.DataFrame,
    model: str,
    modality: str,
    zoom: int,
    settings: dict[str, Any],
    name: str = "",
    sample: str = "flag0",
    factor: float = 1.0,
) -> dict[str, Any]:
    plain = (f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in settings.items())
    name = name or join_settings(plain) or "default"
    place = run_folder(folder, model, modality, zoom, name, sample)
    part = split[split["split"] == "validation"]
    off = factor * (1 + 0.1 * abs(np.log10(settings.get("learning_rate", 0.1)) + (1 if model == "lightgbm" else 5)))
    off += 0.05 * abs(settings.get("max_depth", 4) - 4)
    truth = part["avg"].to_numpy()
    prediction = truth + _noise(model, modality, zoom, len(part), name, off)
    if model == "mean":
        prediction = np.full(len(part), split.loc[split["split"] == "train", "avg"].mean())
    table = part[["target_id", "row"]].assign(truth=truth, prediction=prediction)
    write_table(place / "validation.parquet", table)
    found = scores(truth, prediction)
    if model in GRID:
        write_curve(place / "curve.csv", model, found)
    folds = {key: [value * step for step in (0.9, 0.95, 1, 1.05, 1.1)] for key, value in found.items()}
    cost = 4.0**-zoom * {"decision_tree": 0.5, "lightgbm": 4, "vggnet12": 4}.get(model, 0.01)
    cost *= {"photo": 1.0, "spectra": 0.6}.get(modality, 1.5)
    metrics = {
        "run": {"target": "sfr", "sample": sample, "model": model, "modality": modality, "zoom": zoom}
        | {"name": name, "settings": settings, "seed": 1},
        "n_train": int((split["split"] == "train").sum()),
        "n_validation": len(part),
        "n_features": 5 * (64 >> zoom) ** 2,
        "validation": found,
        "train": {key: value * 0.8 for key, value in found.items()},
        "cv": folds if model == "decision_tree" else None,
        "best_iteration": 45 if model in ("lightgbm", "vggnet12") else None,
        "time": {"load_s": 0.1, "fit_s": cost * settings.get("max_depth", 3), "cv_s": 0.0, "predict_s": cost / 20}
        | {"predict_per_object_us": 1e6 * cost / 20 / len(part)},
        "peak_memory_mb": 300.0 + 200 / 4**zoom,
        "threads": 1,
        "provenance": {"code": "abc"},
    }
    write_json(place / "metrics.json", metrics)
    return metrics


# ---- evaluation ----


def evaluate(folder: Path, study: Study, n_resamples: int = 200) -> Path:
    """Write the evaluation's tables, with predictions made of truth and noise."""
    split = read_table(folder / "sample" / "flag0" / "split.parquet")
    grid = sorted(folder.glob("runs/**/metrics.json"))
    selection = select_runs(collect_runs(grid))
    write_table(folder / "evaluation" / "selection.csv", selection)
    learned = selection[selection["model"].isin(list(GRID))]
    _hold_out(folder, learned, split)
    if {"photo", "spectra"} <= set(study.modalities):
        _fuse(folder, selection, grid, study)
    runs = collect_runs(sorted(folder.glob("runs/**/metrics.json")))
    times = _times(folder, learned, runs)
    tests = _tests(folder, selection, split, study)
    bootstrap = bootstrap_tests(tests, split, n_resamples, seed=1)
    objects = read_table(folder / "sample" / "objects.parquet")
    metrics = metrics_table(bootstrap, with_times(runs, times), selection, objects)
    tables = {"runs": runs, "metrics": metrics, "comparisons": comparisons_table(bootstrap, metrics)}
    tables["intervals"] = coverage_table(tests, LEVEL if study.intervals else None, BINS)
    if study.variants:
        tables["variants"] = _variants(folder, learned, split, study, n_resamples)
    if study.cascade:
        tables["cascade"] = _cascade(folder, selection, split, study, n_resamples)
    for name, table in tables.items():
        write_table(folder / "evaluation" / f"{name}.csv", table)
    return folder


def _hold_out(folder: Path, learned: pd.DataFrame, split: pd.DataFrame) -> None:
    """Write out-of-fold predictions of the selected runs, and LightGBM's quantiles."""
    train, validation = (split[split["split"] == side] for side in ("train", "validation"))
    for run in learned.to_dict("records"):
        model, modality, zoom = run["model"], run["modality"], run["zoom"]
        place = folder / "evaluation" / "out_of_fold" / model / modality / f"zoom{zoom}.parquet"
        truth = train["avg"].to_numpy()
        table = train[["target_id", "row", "fold"]].assign(truth=truth)
        write_table(place, table.assign(prediction=truth + _noise(model, modality, zoom, len(train), "held out")))
        if model == "lightgbm":
            place = folder / "evaluation" / "quantiles" / modality / f"zoom{zoom}"
            for name, part in (("out_of_fold", train), ("validation", validation)):
                low, high = _ends(part, modality, zoom)
                table = part[["target_id", "row", "fold"]].assign(truth=part["avg"], low=low, high=high)
                write_table(place / f"{name}.parquet", table)
            for end in ("low", "high"):
                (place / end).mkdir()
                (place / end / "model.txt").write_text("tree\n" + "".join(f"\nTree={i}\n" for i in range(50)))


def _ends(part: pd.DataFrame, modality: str, zoom: int) -> tuple[np.ndarray, np.ndarray]:
    """Ends of an interval around a noisy prediction, wider for the quiescent."""
    middle = part["avg"] + _noise("lightgbm", modality, zoom, len(part), "ends")
    half = NOISE[modality] * np.where(part["avg"] < -0.6, 1.9, 1.4)
    return (middle - half).to_numpy(), (middle + half).to_numpy()


def _fuse(folder: Path, selection: pd.DataFrame, grid: Sequence[Path], study: Study) -> None:
    paths = selection.set_index(["model", "modality", "zoom"])["path"]
    for model, zoom in product(study.models, study.zooms):
        parts = [folder / str(paths[model, name, zoom]) for name in ("photo", "spectra")]
        fused = late_fusion(*(read_table(part / "validation.parquet") for part in parts))
        place = run_folder(folder, model, "late", zoom, "mean")
        write_table(place / "validation.parquet", fused)
        write_json(place / "metrics.json", fused_metrics(*(read_json(part / "metrics.json") for part in parts), fused))
        held_out = [
            folder / f"evaluation/out_of_fold/{model}/{name}/zoom{zoom}.parquet" for name in ("photo", "spectra")
        ]
        stacked = run_folder(folder, model, "stacked", zoom, "ridge")
        stack_selected(folder / "evaluation/selection.csv", grid, held_out, model, zoom, stacked)


def _times(folder: Path, learned: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Write what each selected run costs alone."""
    timed = []
    for run in learned.merge(runs[["path", "fit_s", "predict_s", "n_validation"]], on="path").to_dict("records"):
        gpu = run["model"] == "vggnet12"
        row = {key: run[key] for key in ("model", "modality", "zoom", "settings", "path", "fit_s", "predict_s")}
        row |= {"cpu_s": 0.2 if gpu else 1.9 * run["fit_s"], "gpu_s": 0.9 * run["fit_s"] if gpu else 0.0}
        row |= {"bin_s": run["fit_s"] / 3 if run["model"] == "lightgbm" else 0.0, "read_s": run["predict_s"] / 3}
        row |= {"threads": 2, "device": "a processor", "n_train": 70, "n_predict": run["n_validation"]}
        timed.append(row | {"load_s": 0.1, "fits": 3, "predict_cpu_s": run["predict_s"], "predict_gpu_s": 0.0})
    table = pd.DataFrame(timed)
    for (model, zoom), part in table.groupby(["model", "zoom"]):
        write_table(folder / "evaluation" / "times" / model / f"zoom{zoom}.csv", part)
    return table


def _tests(folder: Path, selection: pd.DataFrame, split: pd.DataFrame, study: Study) -> pd.DataFrame:
    folders = folders_of(folder.glob("runs/**/metrics.json"))
    arrays = {zoom: folder / "sample" / f"zoom{zoom}.h5" for zoom in range(4)}
    tables = []
    for model in dict.fromkeys(selection["model"]):
        learns = model in GRID
        out_of_fold = sorted((folder / "evaluation" / "out_of_fold" / model).rglob("*.parquet"))
        quantiles = sorted((folder / "evaluation" / "quantiles").rglob("out_of_fold.parquet"))
        held = Held(
            level=LEVEL if study.intervals and learns else None,
            out_of_fold=out_of_fold,
            quantiles=quantiles if study.intervals and model == "lightgbm" else [],
            stacked=sorted(folder.glob(f"runs/sfr/flag0/{model}/stacked/*/*/model.json")),
        )
        tables.append(predict_test(model, selection, folders, arrays, split, fake_predict(split), None, held))
        write_table(folder / "evaluation" / f"test_{model}.parquet", tables[-1])
    return pd.concat(tables, ignore_index=True)


def fake_predict(split: pd.DataFrame):
    """Return a predictor of truth and noise, the same for the same run."""
    truth = split.set_index("row")

    def predict(folder: Path, sources: Any, rows: np.ndarray) -> pd.DataFrame:
        folder, model = Path(folder), Path(folder).parts[-4]
        chosen = truth.loc[rows]
        if folder.name in ("low", "high"):
            ends = _ends(chosen, folder.parts[-3], int(folder.parts[-2].removeprefix("zoom")))
            prediction = ends[folder.name == "high"] - chosen["avg"].to_numpy()  # of the error
        else:
            modality, zoom = folder.parts[-3], int(folder.parts[-2].removeprefix("zoom"))
            prediction = chosen["avg"].to_numpy() + _noise(model, modality, zoom, len(rows), folder.name)
        if model == "mean":
            prediction = np.full(len(rows), truth.loc[truth["split"] == "train", "avg"].mean())
        return pd.DataFrame({"target_id": chosen["target_id"].to_numpy(), "row": rows, "prediction": prediction})

    return predict


def _variants(folder: Path, learned: pd.DataFrame, split: pd.DataFrame, study: Study, n_resamples: int) -> pd.DataFrame:
    """Refit selected settings with one thing changed, apart from the runs of the study, and compare."""
    zoom = max(study.zooms)
    flagged = split.assign(
        row=split["row"] + 10_000, target_id=split["target_id"] + 20_000, group=split["group"] + 20_000
    )
    for name, variant in VARIANTS.items():
        sample = variant.get("sample", "flag0")
        for run in learned[learned["zoom"] == zoom].to_dict("records"):
            base = run["modality"]
            if base not in variant.get("bases", ["photo", "spectra", "early"]):
                continue
            changed = {"base": base, "members": 1, "train_size": None}
            modality, factor = base + variant.get("suffix", ""), variant.get("factor", 1.0)
            place = folder / "refits"
            part = split if sample == "flag0" else flagged
            metrics = _write_run(place, part, run["model"], modality, zoom, {}, f"variant={name}", sample, factor)
            path = run_folder(place, run["model"], modality, zoom, f"variant={name}", sample) / "metrics.json"
            write_json(path, metrics | {"overrides": variant.get("settings", {}), "run": metrics["run"] | changed})
    return compare_variants(
        read_table(folder / "evaluation" / "selection.csv"),
        sorted(folder.glob("runs/**/metrics.json")),
        sorted(folder.glob("refits/**/metrics.json")),
        pd.concat([split, flagged], ignore_index=True),
        n_resamples,
        1,
    )


def _cascade(
    folder: Path, selection: pd.DataFrame, split: pd.DataFrame, study: Study, n_resamples: int
) -> pd.DataFrame:
    zooms = [max(study.zooms), min(study.zooms)]
    at = [f"zoom{zoom}" for zoom in zooms]
    return evaluate_cascade(
        selection,
        [path for path in folder.glob("runs/sfr/flag0/lightgbm/*/*/*/metrics.json") if path.parts[-3] in at],
        [path for path in folder.glob("evaluation/times/lightgbm/*.csv") if path.stem in at],
        sorted(folder.glob(f"evaluation/quantiles/*/{at[0]}/out_of_fold.parquet")) if study.intervals else [],
        split,
        zooms,
        n_resamples,
        1,
        [path for path in folder.glob("evaluation/out_of_fold/lightgbm/*/*.parquet") if path.stem in at],
    )


# ---- report ----


def draw(folder: Path) -> list[Path]:
    """Draw all figures of a miniature that is evaluated, or of its sample where it has no runs."""
    figures, tables = folder / "report" / "figures", folder / "evaluation"
    names = {"objects": "objects", "gaps": "gaps", "missing": "missing", "multi_object": "multi_object"}
    sample = {name: read_table(folder / "sample" / f"{file}.parquet") for name, file in names.items()}
    draw_labels(figures, sample["objects"], make_repeats(sample["objects"]))
    draw_sample(figures, folder / "cube" / "dense.h5", folder / "sample" / "zoom0.h5", sample, 0.9, "r")
    if tables.is_dir():
        found = {path.stem: read_table(path) for path in tables.glob("*.csv")}
        for model in sorted(set(found["runs"]["model"]) & set(GRID)):
            curves = sorted(folder.glob(f"runs/*/*/{model}/*/zoom*/*/curve.csv"))
            draw_model(figures, model, found["runs"], found["selection"], found["metrics"], curves)
        tests = pd.concat([read_table(path) for path in sorted(tables.glob("test_*.parquet"))])
        draw_comparison(figures, found["runs"], found["metrics"], found["comparisons"], tests, sample["objects"])
        if len(found["intervals"]):
            draw_intervals(figures, found["intervals"], found["metrics"])
            diagnose(folder, LEVEL)
        if "variants" in found:
            draw_variants(figures, found["variants"])
        if "cascade" in found:
            draw_cascade(figures, found["cascade"])
    return sorted(figures.glob("*.svg"))
