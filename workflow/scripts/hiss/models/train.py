"""One training run: from the sample's arrays and split to the files of its folder."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.errors import HissError
from hiss.files import read_table, write_json, write_table
from hiss.models.base import Data, Model, build
from hiss.models.features import load_data
from hiss.models.metrics import LABEL_UNIT, scores
from hiss.progress import say
from hiss.provenance import provenance
from hiss.script import Stopwatch, peak_memory_mb


class Part(NamedTuple):
    """One side of the split."""

    data: Data
    table: pd.DataFrame
    """``target_id, row, truth, fold`` of its objects."""


def run_experiment(
    kind: type[Model],
    arrays: Path | str,
    split: Path | str,
    run: Mapping[str, Any],
    folder: Path | str,
    threads: int,
    code: Iterable[Path | str] = (),
) -> dict[str, Any]:
    """Train one model and write its folder: the model, curve.csv, predictions and, last, metrics.json.

    Test objects are never read.

    Parameters
    ----------
    kind
        The model's class.
    arrays, split
        ``zoom<k>.h5`` and ``split.parquet`` of the sample.
    run
        ``target, sample, model, modality, zoom, name, settings, seed``.
    code
        Files of the program, for the provenance.

    Returns
    -------
    dict
        What metrics.json holds.
    """
    folder = Path(folder)
    start_up = peak_memory_mb()
    model = build(kind, run["settings"], run["modality"], int(run["seed"]), threads)
    table = read_table(split)
    with Stopwatch() as load:
        train, validation = (
            load_part(arrays, table, side, run["modality"], kind.wants_sky) for side in ("train", "validation")
        )
    n_features = train.data.features.shape[1]
    say(f"{len(train.data)} training and {len(validation.data)} validation objects, {n_features} features")
    with Stopwatch() as fit:
        model.fit(train.data, validation.data)
    with Stopwatch() as predict:
        predicted = model.predict(validation.data)
    with Stopwatch() as cv:
        out_of_fold = model.out_of_fold(train.data, train.table["fold"].to_numpy())
    model.save(folder)
    folds = _write_predictions(folder, train, validation, predicted, out_of_fold)
    write_table(folder / "curve.csv", folds if model.curve.empty else model.curve)
    found = scores(validation.data.target, predicted)
    metrics = {
        "run": dict(run),
        "n_train": len(train.data),
        "n_validation": len(validation.data),
        "n_features": n_features,
        "validation": found,
        "cv": None if folds.empty else folds.drop(columns="fold").to_dict("list"),
        "train": scores(train.data.target, model.predict(train.data)),
        "best_iteration": model.best_iteration,
        "time": {
            "load_s": load.seconds,
            "fit_s": fit.seconds,
            "cv_s": 0.0 if out_of_fold is None else cv.seconds,
            "predict_s": predict.seconds,
            "predict_per_object_us": 1e6 * predict.seconds / len(validation.data),
        },
        "peak_memory_mb": peak_memory_mb() - start_up,
        "threads": threads,
        "provenance": provenance({"arrays": arrays, "split": split}, run, code),
    }
    write_json(folder / "metrics.json", metrics)
    say(f"validation: {', '.join(f'{name} {value:.4f}' for name, value in found.items())}")
    return metrics


def load_part(arrays: Path | str, split: pd.DataFrame, side: str, modality: str, sky: bool = False) -> Part:
    """Return the data and the table of one side of the split, ``train`` or ``validation``.

    Raises
    ------
    HissError
        For the test side, which no training job may read, or when arrays and split are of different samples.
    """
    if side not in ("train", "validation"):
        raise HissError(f"a training run reads train and validation objects, never those of {side!r}")
    chosen = split[split["split"] == side].sort_values("row")
    table = pd.DataFrame(
        {
            "target_id": chosen["target_id"].to_numpy(),
            "row": chosen["row"].to_numpy(),
            "truth": chosen["avg"].to_numpy(dtype=np.float64),
            "fold": chosen["fold"].to_numpy(),
        }
    )
    data, target_id = load_data(arrays, table["row"], modality, table["truth"], sky)
    if not np.array_equal(target_id, table["target_id"]):
        raise HissError(f"{arrays}: its target_id are not those of the split; make the sample's arrays and split anew")
    return Part(data, table)


def fold_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Return ``fold, r2, mae, rmse, nmad`` from out-of-fold predictions ``fold, truth, prediction``."""
    return pd.DataFrame(
        [{"fold": fold, **scores(part["truth"], part["prediction"])} for fold, part in table.groupby("fold", sort=True)]
    )


def _write_predictions(
    folder: Path,
    train: Part,
    validation: Part,
    predicted: NDArray[np.float64],
    out_of_fold: NDArray[np.float64] | None,
) -> pd.DataFrame:
    """Write the predictions and return the scores of the folds, empty for a model without them."""
    units = {"truth": LABEL_UNIT, "prediction": LABEL_UNIT}
    table = validation.table.drop(columns="fold").assign(prediction=predicted)
    write_table(folder / "validation.parquet", table, units)
    if out_of_fold is None:
        return pd.DataFrame()
    held_out = train.table.assign(prediction=out_of_fold)[["target_id", "row", "truth", "prediction", "fold"]]
    write_table(folder / "out_of_fold.parquet", held_out, units)
    return fold_scores(held_out)
