"""The table of all runs, flat, from the metrics.json each run left behind."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pandas as pd

from hiss.errors import HissError
from hiss.files import read_json
from hiss.modality import FUSIONS, SINGLE
from hiss.names import split_settings
from hiss.provenance import digest

METRICS = ("r2", "mae", "rmse", "nmad")
"""The four metrics of the study, in the order of every table and figure."""

BASELINE_NAMES: Final = {"mean": "Mean", "magnitudes": "Five magnitudes", "halpha": "H-alpha luminosity"}
"""What a reader is shown for each baseline, in the order of the study."""

MODEL_NAMES: Final = {
    "decision_tree": "Decision tree",
    "lightgbm": "LightGBM",
    "vggnet12": "VGGNet12",
    **BASELINE_NAMES,
}
"""What a reader is shown for each model, in the order of the study; the baselines come last."""

MODALITIES: Final = (*SINGLE, "early", "attention", *FUSIONS, "lines", "none")
"""The modalities and fusions, in the order of every table and figure; `modality_order` has the changed ones too."""

_LEVELS = 8  # runs/<target>/<sample>/<model>/<modality>/zoom<k>/<settings>/metrics.json
_TIMES = ("load_s", "fit_s", "cv_s", "predict_s", "predict_per_object_us")
_COUNTS = ("n_train", "n_validation", "n_features", "best_iteration", "peak_memory_mb", "threads")


def relative_folder(metrics_path: Path | str) -> str:
    """Return a run's folder relative to the results folder, ``runs/.../<settings>``."""
    return "/".join(Path(metrics_path).parts[-_LEVELS:-1])


def model_order(names: Iterable[str]) -> list[str]:
    """Return the models present in the order of the study, those it does not know last."""
    known = list(MODEL_NAMES)
    return sorted(set(names), key=lambda name: (known.index(name) if name in known else len(known), name))


def modality_order(names: Iterable[str]) -> list[str]:
    """Return the modalities present in the order of the study, ``spectra_rest`` after ``spectra``; others come last."""
    return sorted(set(names), key=_modality_rank)


def _modality_rank(name: str) -> tuple[int, str]:
    base = name.split("_")[0]
    return (MODALITIES.index(base) if base in MODALITIES else len(MODALITIES), name)


def model_name(model: str) -> str:
    """Return what a reader is shown for a model."""
    return MODEL_NAMES.get(model, model)


def parse_settings(folder: str) -> dict[str, Any]:
    """Return the settings that a folder name such as ``learning_rate=0.1+max_depth=9`` tells.

    Numbers come back as numbers, other values as strings, parts without ``=`` not at all.
    """
    pairs = (part.split("=", 1) for part in split_settings(folder) if "=" in part)
    return {key: _number(value) for key, value in pairs}


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def run_row(path: Path | str) -> dict[str, Any]:
    """Return one run's metrics.json as a flat row.

    Cross-validated metrics become their mean over folds, ``cv_<metric>``.

    Raises
    ------
    HissError
        When the file does not have the form of a metrics.json or does not describe the run its folder names.
    """
    path = Path(path)
    metrics = read_json(path)
    folder = relative_folder(path)
    try:
        run, validation, times = metrics["run"], metrics["validation"], metrics["time"]
        row = {key: run[key] for key in ("target", "sample", "model", "modality")}
        row["zoom"] = int(run["zoom"])
        row |= {f"validation_{name}": validation[name] for name in METRICS}
    except KeyError as error:
        raise HissError(f"{path}: a metrics.json without {error}; delete the run's folder and rerun it") from None
    told = f"runs/{row['target']}/{row['sample']}/{row['model']}/{row['modality']}/zoom{row['zoom']}/"
    if not f"{folder}/".startswith(told):
        raise HissError(f"{path}: the file describes {told} but lies in {folder}; delete it and rerun the run")
    row |= parse_settings(path.parent.name)
    row |= {"settings": path.parent.name, "path": folder, "seed": run.get("seed")}
    row |= {key: metrics.get(key) for key in _COUNTS}
    row |= {f"train_{name}": (metrics.get("train") or {}).get(name) for name in METRICS}
    row |= {f"cv_{name}": _fold_mean(metrics.get("cv"), name) for name in METRICS}
    row |= {key: times.get(key) for key in _TIMES}
    row["provenance"] = digest(metrics["provenance"])[:12] if "provenance" in metrics else ""
    return row


def _fold_mean(cv: dict[str, Any] | None, name: str) -> float | None:
    if not cv:
        return None
    folds = cv[name]
    return sum(folds) / len(folds) if isinstance(folds, list) else folds


def collect_runs(paths: Iterable[Path | str]) -> pd.DataFrame:
    """Return one row a run, in order of model, modality, zoom and settings.

    Columns: target, sample, model, modality, zoom, settings, path (relative to the results folder), seed, the
    varied settings, counts, ``validation_``, ``train_`` and ``cv_`` metrics, times [s], and a digest of the
    run's provenance.
    """
    rows = [run_row(path) for path in paths]
    if not rows:
        raise HissError("there is no run to collect; the config's grid of experiments is empty")
    table = pd.DataFrame(rows)
    varied = sorted({key for row in rows for key in parse_settings(row["settings"])} - {"seed"})
    first = ["target", "sample", "model", "modality", "zoom", "settings", "path", "seed", *varied]
    rest = [name for name in table.columns if name not in first]
    table = table[first + rest]
    numeric = [*_COUNTS, *_TIMES, *(f"{part}_{name}" for part in ("train", "cv") for name in METRICS)]
    table[numeric] = table[numeric].astype("float64")
    keys = table.assign(
        model=table["model"].map({name: i for i, name in enumerate(model_order(table["model"]))}),
        modality=table["modality"].map({name: i for i, name in enumerate(modality_order(table["modality"]))}),
    )
    order = keys.sort_values(["model", "modality", "zoom", *varied, "settings"], kind="stable").index
    return table.loc[order].reset_index(drop=True)
