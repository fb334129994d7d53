"""One training run: from the sample's arrays and split to the files of its folder."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.files import write_json, write_table
from hiss.models.base import Data, Model, build
from hiss.models.checkpoint import Checkpoint
from hiss.models.features import SIDES, Part, open_part, told_treatment
from hiss.models.predictions import prediction_columns, prediction_scores, prediction_units, table_scores
from hiss.progress import say
from hiss.provenance import digest, provenance
from hiss.script import Stopwatch, peak_memory_mb


def run_experiment(
    kind: type[Model],
    features: Path | str,
    run: Mapping[str, Any],
    folder: Path | str,
    threads: int,
    code: Iterable[Path | str] = (),
    bins: Sequence[Path | str] = (),
    weights: Path | str | None = None,
) -> dict[str, Any]:
    """Train one model and write its folder: the model, curve.csv, predictions and, last, metrics.json.

    Test objects are never read.

    Parameters
    ----------
    kind
        The model's class.
    features
        The prepared features of the run's sample, modality and zoom.
    run
        ``target, sample, model, modality, zoom, name, settings, seed``.
    code
        Files of the program, for the provenance.
    bins
        LightGBM's bins of the training and of the validation features, where they have been made.
    weights
        File of ImageNet weights in place of what the settings name.

    Returns
    -------
    dict
        What metrics.json holds.
    """
    folder = Path(folder)
    start_up = peak_memory_mb()
    model = build(kind, with_weights(run["settings"], weights), run["modality"], int(run["seed"]), threads)
    record = provenance(with_weights({"features": features}, weights), run, code)
    model.checkpoint = Checkpoint(folder / "checkpoint", digest(record))
    with Stopwatch() as load:
        train, validation = open_parts(features, bins)
    predicted, metrics = fit_and_score(model, train.data, validation.data)
    with Stopwatch() as cv:
        out_of_fold = model.out_of_fold(train.data, train.table["fold"].to_numpy())
    model.save(folder)
    units = prediction_units(run.get("target", "sfr"), model.classes)
    folds = _write_predictions(folder, train, validation, predicted, out_of_fold, units)
    write_table(folder / "curve.csv", folds if model.curve.empty else model.curve)
    metrics |= {
        "run": dict(run),
        "cv": None if folds.empty else folds.drop(columns="fold").to_dict("list"),
        "peak_memory_mb": peak_memory_mb() - start_up,
        "threads": threads,
        "provenance": record,
        **({"classes": list(model.classes)} if model.classes else {}),
    } | told_treatment(features)
    metrics["time"] |= {"load_s": load.seconds, "cv_s": 0.0 if out_of_fold is None else cv.seconds}
    write_json(folder / "metrics.json", metrics)
    model.checkpoint.clear()
    return metrics


def fit_and_score(model: Model, train: Data, validation: Data) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Fit a model and return what it predicts of the validation objects, and what metrics.json says of both sides."""
    n_features = train.features.shape[1]
    say(f"{len(train)} training and {len(validation)} validation objects, {n_features} features")
    with Stopwatch() as fit:
        model.fit(train, validation)
    with Stopwatch() as predict:
        predicted = model.predict(validation)
    found = prediction_scores(validation.target, predicted)
    say(f"validation: {', '.join(f'{name} {value:.4f}' for name, value in found.items())}")
    return predicted, {
        "n_train": len(train),
        "n_validation": len(validation),
        "n_features": n_features,
        "validation": found,
        "train": prediction_scores(train.target, model.predict_training(train)),
        "best_iteration": model.best_iteration,
        "time": {
            "fit_s": fit.seconds,
            "predict_s": predict.seconds,
            "predict_per_object_us": 1e6 * predict.seconds / len(validation),
        },
    }


def open_parts(features: Path | str, bins: Sequence[Path | str] = ()) -> tuple[Part, Part]:
    """Return the training and the validation objects of prepared features, with their bins where there are some."""
    train, validation = (
        open_part(features, side, path) for side, path in zip(SIDES, bins or (None, None), strict=True)
    )
    return train, validation


def with_weights(values: Mapping[str, Any], weights: Path | str | None) -> dict[str, Any]:
    """Return a run's settings, or its inputs, with the file of ImageNet weights among them where there is one."""
    return dict(values) | ({} if weights is None else {"weights": str(weights)})


def fold_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Return ``fold`` and its metrics, from out-of-fold predictions ``fold, truth, prediction`` (and ``p_*``)."""
    return pd.DataFrame([{"fold": fold, **table_scores(part)} for fold, part in table.groupby("fold", sort=True)])


def _write_predictions(
    folder: Path,
    train: Part,
    validation: Part,
    predicted: NDArray[np.float64],
    out_of_fold: NDArray[np.float64] | None,
    units: Mapping[str, str],
) -> pd.DataFrame:
    """Write the predictions and return the scores of the folds, empty for a model without them."""
    table = validation.table.drop(columns="fold").assign(**prediction_columns(predicted))
    write_table(folder / "validation.parquet", table, units)
    if out_of_fold is None:
        return pd.DataFrame()
    told = prediction_columns(out_of_fold)
    held_out = train.table.assign(**told)[["target_id", "row", "truth", *told, "fold"]]
    write_table(folder / "out_of_fold.parquet", held_out, units)
    return fold_scores(held_out)
