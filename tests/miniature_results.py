"""A results folder in small, as the contract describes it, without a sky, a cube build or a training run."""

import zlib
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from hiss.cube.layout import TARGETS, ml_image_data, ml_image_group, ml_spectrum_data, ml_spectrum_group
from hiss.evaluation.collect import collect_runs
from hiss.evaluation.selection import select_runs
from hiss.evaluation.summarise import bootstrap_tests, comparisons_table, metrics_table
from hiss.evaluation.test import folders_of, predict_test
from hiss.files import read_table, write_json, write_table
from hiss.models.fusion import fused_metrics, late_fusion
from hiss.models.metrics import scores
from hiss.names import join_settings
from hiss.plots.draw import draw_comparison, draw_model, draw_sample
from hiss.provenance import provenance
from hiss.report.compose import SampleTables, StudyTables, compose
from hiss.report.page import load_figures, write_page

GRID = {
    "decision_tree": [{"max_depth": depth} for depth in (1, 2, 3, 4, 5, 6)],
    "lightgbm": [
        {"learning_rate": rate, "max_depth": depth} for rate, depth in product((0.03, 0.1, 0.3), (3, 5, 7, 9))
    ],
    "vggnet12": [{"learning_rate": rate} for rate in (1e-6, 1e-5, 1e-4)],
}
MODALITIES = ("photo", "spectra", "early")
NOISE = {"photo": 0.5, "spectra": 0.4, "early": 0.3}
FACTOR = {"decision_tree": 1.3, "lightgbm": 1.0, "vggnet12": 1.1}


def make_results(
    folder: Path,
    n: int = 200,
    models: Sequence[str] = tuple(GRID),
    zooms: Sequence[int] = (0, 1, 2, 3),
    labelled: bool = True,
    seed: int = 1,
) -> Path:
    """Write all that the evaluation, the figures and the report read; no object has a label if so asked."""
    rng = np.random.default_rng(seed)
    objects = _objects(n, rng)
    _write_dense(folder / "cube" / "dense.h5", objects.head(3), rng)
    objects = objects if labelled else objects.head(0)
    write_table(folder / "sample" / "objects.parquet", objects)
    _write_arrays(folder / "sample" / "zoom0.h5", objects, rng)
    _write_sample_tables(folder, objects, rng)
    if labelled:
        split = _split(objects, rng)
        write_table(folder / "sample" / "flag0" / "split.parquet", split)
        for model, modality, zoom in product(models, MODALITIES, zooms):
            for settings in GRID[model]:
                _write_run(folder, split, model, modality, zoom, settings)
        if models:
            _fuse(folder, models, zooms)
    return folder


def drawn_study(base: Path) -> Path:
    """Return a small study with its figures and report, made once below a folder that tests share."""
    folder = base / "drawn_study"
    if not folder.exists():
        evaluate(make_results(folder, n=120, models=("decision_tree", "lightgbm"), zooms=(2, 3)))
        draw(folder)
        report(folder)
    return folder


def drawn_sample(base: Path) -> Path:
    """Return a sky of which no object has a star formation rate, with its figures and report, made once."""
    folder = base / "drawn_sample"
    if not folder.exists():
        make_results(folder, n=6, labelled=False)
        draw(folder)
        report(folder)
    return folder


def evaluate(folder: Path, n_resamples: int = 200) -> Path:
    """Write the evaluation's tables with predictions made of truth and noise."""
    runs = collect_runs(sorted(folder.glob("runs/**/metrics.json")))
    selection = select_runs(runs)
    split = read_table(folder / "sample" / "flag0" / "split.parquet")
    folders = folders_of(folder.glob("runs/**/metrics.json"))
    arrays = {zoom: folder / "sample" / f"zoom{zoom}.h5" for zoom in range(4)}
    tests = [
        predict_test(model, selection, folders, arrays, split, fake_predict(split)) for model in set(runs["model"])
    ]
    for table in tests:
        write_table(folder / "evaluation" / f"test_{table['model'].iloc[0]}.parquet", table)
    bootstrap = bootstrap_tests(pd.concat(tests), split, n_resamples, seed=1)
    metrics = metrics_table(bootstrap, runs, selection, read_table(folder / "sample" / "objects.parquet"))
    tables = {"runs": runs, "selection": selection, "metrics": metrics}
    tables["comparisons"] = comparisons_table(bootstrap, metrics)
    for name, table in tables.items():
        write_table(folder / "evaluation" / f"{name}.csv", table)
    return folder


def draw(folder: Path) -> list[Path]:
    """Draw all figures of a miniature that is evaluated, or of its sample where it has no runs."""
    figures = folder / "report" / "figures"
    names = {"objects": "objects", "gaps": "gaps", "missing": "missing", "multi_object": "multi_object"}
    tables = {name: read_table(folder / "sample" / f"{file}.parquet") for name, file in names.items()}
    draw_sample(figures, folder / "cube" / "dense.h5", folder / "sample" / "zoom0.h5", tables, 0.9, "r")
    if (folder / "evaluation").is_dir():
        runs, selection, metrics = (
            read_table(folder / "evaluation" / f"{name}.csv") for name in ("runs", "selection", "metrics")
        )
        for model in sorted(set(runs["model"])):
            curves = sorted(folder.glob(f"runs/*/*/{model}/*/zoom*/*/curve.csv"))
            draw_model(figures, model, runs, selection, metrics, curves)
        tests = pd.concat([read_table(path) for path in sorted((folder / "evaluation").glob("test_*.parquet"))])
        draw_comparison(figures, runs, metrics, tests, tables["objects"])
    return sorted(figures.glob("*.svg"))


def fake_predict(split: pd.DataFrame):
    """Return a predictor of truth and noise, the same for the same run."""
    truth = split.set_index("row")

    def predict(folder: Path, model: str, arrays_path: Path, rows: np.ndarray) -> pd.DataFrame:
        modality, zoom = folder.parts[-3], int(folder.parts[-2].removeprefix("zoom"))
        chosen = truth.loc[rows]
        prediction = chosen["avg"].to_numpy() + _noise(model, modality, zoom, len(rows), str(folder.name))
        return pd.DataFrame({"target_id": chosen["target_id"].to_numpy(), "row": rows, "prediction": prediction})

    return predict


def _noise(model: str, modality: str, zoom: int, n: int, name: str, scale: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(f"{model}{modality}{zoom}{name}{n}".encode()))
    return rng.normal(0, scale * NOISE[modality] * FACTOR[model] * (1 + 0.05 * zoom), n)


def _objects(n: int, rng: np.random.Generator) -> pd.DataFrame:
    avg = np.concatenate([rng.normal(0.4, 0.45, n - n // 3), rng.normal(-1.2, 0.5, n // 3)])
    avg = rng.permutation(avg)
    width = np.where(avg < -0.6, 0.55, 0.2) * rng.uniform(0.8, 1.2, n)
    return pd.DataFrame(
        {
            "row": np.arange(n),
            "target_id": np.arange(n) * 2,
            "ra": rng.uniform(38, 39, n),
            "dec": rng.uniform(-1, 1, n),
            "z": rng.uniform(0.02, 0.3, n),
            "class": "GALAXY",
            "subclass": "",
            "zwarning": 0,
            "plate": 411,
            "mjd": 51817,
            "fiber": np.arange(n) + 1,
            "objid": np.arange(n) + 10**18,
            "sn_median": rng.uniform(2, 30, n),
            "has_sfr": True,
            "avg": avg,
            "median": avg,
            "p16": avg - width,
            "p84": avg + width,
            "flag": np.where(rng.random(n) < 0.2, 2.0, 0.0),
        }
    )


def _split(objects: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    good = objects[objects["flag"] == 0]
    side = rng.choice(["train", "validation", "test"], len(good), p=[0.6, 0.2, 0.2])
    fold = np.where(side == "train", rng.integers(0, 5, len(good)), -1)
    columns = {"group": np.arange(len(good)) // 2 * 2, "avg": good["avg"], "split": side, "fold": fold}
    return good[["row", "target_id"]].assign(**columns).reset_index(drop=True)


def sky_pixels(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return (n, 5, 64, 64) cutouts: a round galaxy, every eighth with a neighbour as bright."""
    y, x = np.mgrid[:64, :64] - 31.5
    radius = rng.uniform(3, 8, n)[:, None, None]
    galaxy = np.exp(-np.hypot(x, y) / radius)
    galaxy[::8] += np.exp(-np.hypot(x - 15, y - 9) / radius[::8])
    colour = np.array([0.3, 0.8, 1.0, 1.1, 1.2])[None, :, None, None]
    noise = rng.normal(0, 0.02, (n, 5, 64, 64))
    return (galaxy[:, None] * colour + noise).astype(np.float32)


def _spectra(z: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    wl = 10 ** (3.5795 + 1e-4 * np.arange(4620))
    flux = np.tile(8 + 3 * np.sin(wl / 900), (len(z), 1)) + rng.normal(0, 0.8, (len(z), 4620))
    for rest, strength in ((3728.5, 12), (4862.7, 8), (5008.2, 10), (6564.6, 30), (5176.6, -4)):
        flux += strength * np.exp(-0.5 * ((wl - rest * (1 + z[:, None])) / 5) ** 2)
    return wl, flux.astype(np.float32)


def _write_arrays(path: Path, objects: pd.DataFrame, rng: np.random.Generator) -> None:
    wl, spectra = _spectra(objects["z"].to_numpy(), rng)
    for row in range(0, len(objects), 3):
        start = int(rng.integers(0, 4500))
        spectra[row, start : start + int(rng.integers(1, 120))] = np.nan
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["images"] = sky_pixels(len(objects), rng)
        file["image_sigma"] = np.full((len(objects), 5, 64, 64), 0.02, np.float32)
        file["spectra"] = spectra
        file["spectrum_sigma"] = np.full(spectra.shape, 0.8, np.float32)
        file["wl"] = wl
        file["target_id"] = objects["target_id"].to_numpy()


def _write_dense(path: Path, targets: pd.DataFrame, rng: np.random.Generator) -> None:
    """A cube of a star and two more, none with a label."""
    wl, spectra = _spectra(np.zeros(len(targets)), rng)
    table = targets.drop(columns="row").assign(target_id=np.arange(len(targets)), avg=np.nan, has_sfr=False)
    table["class"] = "STAR"
    records = table.astype({"class": "S16", "subclass": "S64"}).to_records(
        index=False, column_dtypes={"class": "S16", "subclass": "S64"}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file[TARGETS] = np.asarray(records)
        file[ml_image_data(0)] = sky_pixels(len(targets), rng)
        file[f"{ml_image_group(0)}/errors"] = np.full((len(targets), 5, 64, 64), 0.02, np.float32)
        file[ml_spectrum_data(0)] = spectra
        file[f"{ml_spectrum_group(0)}/errors"] = np.full(spectra.shape, 0.8, np.float32)
        file[f"{ml_spectrum_group(0)}/wl"] = np.tile(wl, (len(targets), 1))


def _write_sample_tables(folder: Path, objects: pd.DataFrame, rng: np.random.Generator) -> None:
    from hiss.sample.gaps import find_gaps, gap_table
    from hiss.sample.multi import find_multi_objects

    gaps, missing = find_gaps({0: folder / "sample" / "zoom0.h5"})
    finer = gaps
    for zoom in (1, 2, 3):
        finer = finer.assign(zoom=zoom, first=finer["first"] // 2, length=(finer["length"] + 1) // 2)
        gaps = pd.concat([gaps, finer], ignore_index=True)
    good = objects.loc[objects["flag"] == 0, "row"].to_numpy()
    tables = {
        "sample/gaps.parquet": gaps,
        "sample/missing.parquet": missing,
        "sample/multi_object.parquet": find_multi_objects(folder / "sample" / "zoom0.h5", 0.9, "r"),
        "sample/gap_table.csv": gap_table(gaps, good, [0, 1, 2, 3]),
        "sample/flag0/ledger.csv": _ledger(len(objects)),
        "sky/manifest.parquet": pd.DataFrame({"kind": ["frame"] * 20 + ["spectrum"] * 250, "path": "x"}),
        "cube/rejects.parquet": pd.DataFrame(
            {
                "stage": ["sparse", "links", "links", "links"],
                "kind": ["frame", "spectrum", "spectrum", "spectrum"],
                "path": ["frame-u.fits.bz2", "spec-1.fits", "spec-2.fits", "spec-3.fits"],
                "reason": [
                    "truncated <bz2> & broken",
                    "no frame covers it",
                    "no frame covers it",
                    "cutout not whole: 10 px from the edge",
                ],
            }
        ),
    }
    for name, table in tables.items():
        write_table(folder / name, table)


def _ledger(labelled: int) -> pd.DataFrame:
    counts = [900, 230, labelled, labelled, int(0.8 * labelled), int(0.7 * labelled)]
    return pd.DataFrame(
        {
            "step": [
                "initial catalogue",
                "image and spectrum available",
                "AVG not NaN",
                "AVG != -99",
                "FLAG = 0",
                "final",
            ],
            "key": ["catalogue", "image_and_spectrum", "avg_not_nan", "avg_valid", "flag0", "final"],
            "count": counts,
            "removed": [0, *(-np.diff(counts))],
            "thesis": pd.array([4851200, 151190, 34613, 30752, 16841, 11179], dtype="Int64"),
            "note": ["", "targets of the dense cube", "", "", "", None],
        }
    )


def run_folder(folder: Path, model: str, modality: str, zoom: int, name: str) -> Path:
    return folder / "runs" / "sfr" / "flag0" / model / modality / f"zoom{zoom}" / name


def _write_run(
    folder: Path, split: pd.DataFrame, model: str, modality: str, zoom: int, settings: dict[str, float]
) -> None:
    name = join_settings(f"{key}={value:g}" for key, value in settings.items())
    place = run_folder(folder, model, modality, zoom, name)
    part = split[split["split"] == "validation"]
    off = 1 + 0.1 * abs(np.log10(settings.get("learning_rate", 0.1)) + (1 if model == "lightgbm" else 5))
    off += 0.05 * abs(settings.get("max_depth", 4) - 4)
    truth = part["avg"].to_numpy()
    prediction = truth + _noise(model, modality, zoom, len(part), name, off)
    table = part[["target_id", "row"]].assign(truth=truth, prediction=prediction)
    write_table(place / "validation.parquet", table)
    found = scores(truth, prediction)
    folds = {key: [value * factor for factor in (0.9, 0.95, 1, 1.05, 1.1)] for key, value in found.items()}
    if model == "decision_tree":
        curve = pd.DataFrame({"fold": range(5), **folds})
    else:
        steps = np.arange(1, 61)
        fall = found["rmse"] * (1 + np.exp(-steps / 10))
        curve = pd.DataFrame(
            {
                "iteration": steps,
                "train_rmse": fall * np.exp(-steps / 150),
                "validation_rmse": fall + 2e-5 * (steps - 45) ** 2,
            }
        )
    write_table(place / "curve.csv", curve)
    cost = {"photo": 1.0, "spectra": 0.6, "early": 1.5}[modality] * 4.0**-zoom * {"decision_tree": 0.5}.get(model, 4)
    metrics = {
        "run": {"target": "sfr", "sample": "flag0", "model": model, "modality": modality, "zoom": zoom}
        | {"name": name, "settings": settings, "seed": 1},
        "n_train": int((split["split"] == "train").sum()),
        "n_validation": len(part),
        "n_features": 5 * (64 >> zoom) ** 2,
        "validation": found,
        "train": {key: value * 0.8 for key, value in found.items()},
        "cv": None if model == "vggnet12" else folds,
        "best_iteration": None if model == "decision_tree" else 45,
        "time": {"load_s": 0.1, "fit_s": cost * settings.get("max_depth", 3), "cv_s": 0.0, "predict_s": cost / 20}
        | {"predict_per_object_us": 1e6 * cost / 20 / len(part)},
        "peak_memory_mb": 300.0 + 200 / 4**zoom,
        "threads": 1,
        "provenance": {"code": "abc"},
    }
    write_json(place / "metrics.json", metrics)


def _fuse(folder: Path, models: Sequence[str], zooms: Sequence[int]) -> None:
    from hiss.files import read_json

    selection = select_runs(collect_runs(sorted(folder.glob("runs/**/metrics.json")))).set_index(
        ["model", "modality", "zoom"]
    )
    for model, zoom in product(models, zooms):
        parts = [folder / str(selection.loc[(model, name, zoom), "path"]) for name in ("photo", "spectra")]
        fused = late_fusion(*(read_table(part / "validation.parquet") for part in parts))
        place = run_folder(folder, model, "late", zoom, "mean")
        write_table(place / "validation.parquet", fused)
        write_json(place / "metrics.json", fused_metrics(*(read_json(part / "metrics.json") for part in parts), fused))


def report(folder: Path, title: str = "A miniature <study> & its report") -> Path:
    """Write the report of a miniature whose figures are drawn."""
    repo = Path(__file__).resolve().parents[1]
    sample = SampleTables(
        read_table(folder / "sky" / "manifest.parquet"),
        read_table(folder / "cube" / "rejects.parquet"),
        read_table(folder / "sample" / "flag0" / "ledger.csv"),
        read_table(folder / "sample" / "gap_table.csv"),
    )
    study = None
    if (folder / "evaluation").is_dir():
        names = ("runs", "selection", "metrics", "comparisons")
        tables = {name: read_table(folder / "evaluation" / f"{name}.csv") for name in names}
        study = StudyTables(**tables, split=read_table(folder / "sample" / "flag0" / "split.parquet"))
    figures = load_figures(
        sorted((folder / "report" / "figures").iterdir()), sorted((repo / "workflow" / "report").glob("fig_*.rst"))
    )
    settings = {"results": "results/miniature", "experiments": {"zooms": [0, 1, 2, 3]}}
    record = provenance({"ledger": folder / "sample" / "flag0" / "ledger.csv"}, settings, [Path(__file__)])
    write_page(
        folder / "report" / "report.html",
        compose(title, "config/miniature.yaml", "simulated", sample, study, figures, record),
    )
    return folder / "report" / "report.html"
