"""Stacked fusion: a meta-learner that learns, from predictions of objects held out, how far to trust each modality.

It is fitted on out-of-fold predictions of the training objects, which are made by models that did not see the object
they predict; so it cannot take a modality that has learned its objects by heart for a good one. Weights are not
negative (L. Breiman 1996, Stacked regressions, Machine Learning 24, 49): a negative one would mean that one model's
errors are subtracted from the other's, which does not last on other objects.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls

from hiss.errors import HissError
from hiss.files import read_json, read_table, write_json, write_table
from hiss.modality import SINGLE
from hiss.models.base import fold_parts
from hiss.models.fusion import (
    PREDICTION_UNITS,
    fused_metrics,
    same_objects,
    selected_parts,
    with_prediction,
    write_fusion,
)
from hiss.models.metrics import rmse, scores
from hiss.models.predictions import probability_columns
from hiss.provenance import provenance
from hiss.script import Stopwatch

_ALPHAS: Final = tuple(10.0**power for power in range(-4, 4))

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Stack:
    """``intercept + photo x the photo prediction + spectra x the spectra prediction`` [dex]."""

    photo: float
    spectra: float
    intercept: float
    alpha: float
    """Strength of the ridge, chosen by the folds."""
    n: int
    """Objects it was fitted on."""

    def predict(self, photo: pd.DataFrame, spectra: pd.DataFrame) -> Array:
        """Return (n,) predictions in the order of ``photo``; both of the same objects."""
        return _features(photo, spectra) @ np.array([self.photo, self.spectra]) + self.intercept

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read the ``model.json`` that `stack_selected` wrote.

        Raises
        ------
        HissError
            When the file is of another kind.
        """
        values = read_json(path)
        try:
            return cls(n=values["n"], **{name: values[name] for name in (*SINGLE, "intercept", "alpha")})
        except (KeyError, TypeError):
            raise HissError(f"{path}: not a stacked fusion of ours; delete its folder and rerun it") from None


def _features(photo: pd.DataFrame, spectra: pd.DataFrame) -> Array:
    other = same_objects(photo, spectra)
    return np.stack([photo["prediction"].to_numpy(), other["prediction"].to_numpy()], axis=1)


def fit_stack(photo: pd.DataFrame, spectra: pd.DataFrame) -> tuple[Stack, pd.DataFrame]:
    """Fit the meta-learner, a ridge regression with weights that are not negative.

    Parameters
    ----------
    photo, spectra
        Out-of-fold predictions ``target_id, row, truth, prediction, fold`` of the same objects in the same folds.

    Returns
    -------
    stack
        Fitted on all of them; its strength has the least mean squared error over the folds.
    out_of_fold
        The same columns: each object predicted by a meta-learner that did not see its fold.

    Raises
    ------
    HissError
        When the two are not of the same objects, an object is in no fold, or they predict classes.
    """
    if probability_columns(photo.columns):
        raise HissError("stacking is of regressions; classes are fused late, by the mean of their probabilities")
    if "fold" not in photo or "fold" not in spectra:
        raise HissError("stacking needs out-of-fold predictions, with the fold of each object")
    features, truth = _features(photo, spectra), photo["truth"].to_numpy(dtype=np.float64)
    parts = fold_parts(photo["fold"])
    held_out = {alpha: _out_of_fold(features, truth, parts, alpha) for alpha in _ALPHAS}
    alpha = min(held_out, key=lambda one: rmse(truth, held_out[one]))
    (of_photo, of_spectra), intercept = ridge(features, truth, alpha)
    stack = Stack(float(of_photo), float(of_spectra), intercept, alpha, len(truth))
    return stack, with_prediction(photo, held_out[alpha])


def ridge(features: Array, truth: Array, alpha: float) -> tuple[Array, float]:
    """Return the weights (k,), none below zero, and the intercept of a ridge regression.

    They are the least of |truth - intercept - features @ weights|^2 + alpha |weights|^2: least squares without
    negative weights, of the features (n, k) with k rows of sqrt(alpha) below them.
    """
    centre, mean = features.mean(axis=0), truth.mean()
    n_features = features.shape[1]
    padded = np.concatenate([features - centre, np.sqrt(alpha) * np.eye(n_features)])
    weights, _ = nnls(padded, np.concatenate([truth - mean, np.zeros(n_features)]))
    return weights, float(mean - centre @ weights)


def _out_of_fold(features: Array, truth: Array, parts: list[NDArray[np.bool_]], alpha: float) -> Array:
    prediction = np.empty(len(truth))
    for held_out in parts:
        weights, intercept = ridge(features[~held_out], truth[~held_out], alpha)
        prediction[held_out] = features[held_out] @ weights + intercept
    return prediction


def apply_stack(stack: Stack, photo: pd.DataFrame, spectra: pd.DataFrame) -> pd.DataFrame:
    """Return the stacked prediction of each object, in the columns and the order of ``photo``."""
    return with_prediction(photo, stack.predict(photo, spectra))


def stack_selected(
    selection: Path | str,
    metrics: Iterable[Path | str],
    out_of_fold: Iterable[Path | str],
    model: str,
    zoom: int,
    folder: Path | str,
    code: Iterable[Path | str] = (),
) -> dict[str, Any]:
    """Write the stacked fusion of a model's selected photo and spectra runs.

    That is model.json, out_of_fold.parquet, validation.parquet and, last, metrics.json.

    Parameters
    ----------
    selection
        ``selection_<model>.csv``: ``model, modality, zoom, path`` of the selected runs.
    metrics
        metrics.json of every run that could have been selected; validation.parquet lies beside each.
    out_of_fold
        Out-of-fold predictions of the two selected runs, ``.../<modality>/zoom<k>.parquet``.

    Returns
    -------
    dict
        What metrics.json holds. ``fit_s`` is that of the two runs, of the fits of their folds, and its own.

    Raises
    ------
    HissError
        When a part is missing, or the parts are not of the same objects.
    """
    folder, parts = Path(folder), selected_parts(selection, metrics, model, zoom)
    held_out = {Path(path).parent.name: Path(path) for path in out_of_fold}
    missing = sorted(set(SINGLE) - set(held_out))
    if missing:
        raise HissError(f"stacking {model}, zoom {zoom}: no out-of-fold predictions of {' and '.join(missing)}")
    photo, spectra = (read_table(held_out[name]) for name in SINGLE)
    with Stopwatch() as fit:
        stack, cross_fitted = fit_stack(photo, spectra)
    fused = apply_stack(stack, *parts.validation)
    of_photo, of_spectra = parts.metrics
    values = fused_metrics(of_photo, of_spectra, fused, modality="stacked", name="ridge")
    by_fold = [scores(part["truth"], part["prediction"]) for _, part in cross_fitted.groupby("fold", sort=True)]
    values["cv"] = {name: [fold[name] for fold in by_fold] for name in by_fold[0]}
    values["time"]["cv_s"] = sum(folds_cost(part, len(by_fold)) for part in parts.metrics)
    values["time"]["fit_s"] += values["time"]["cv_s"] + fit.seconds
    inputs = parts.inputs | {f"{name} out of fold": held_out[name] for name in SINGLE}
    record = provenance(inputs, values["run"], code)
    write_json(folder / "model.json", asdict(stack) | {"fitted_on": "out-of-fold predictions", "provenance": record})
    write_table(folder / "out_of_fold.parquet", cross_fitted, PREDICTION_UNITS)
    write_fusion(folder, fused, values, inputs, code)
    return values


def folds_cost(metrics: Mapping[str, Any], folds: int) -> float:
    """Return the time of the fits of a run's folds [s].

    As measured where the run made them itself; else ``folds - 1`` times its fit, since each of them sees all objects
    but one fold's.
    """
    measured = metrics["time"].get("cv_s") or 0.0
    return float(measured or (folds - 1) * metrics["time"]["fit_s"])
