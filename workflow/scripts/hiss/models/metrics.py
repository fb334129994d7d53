"""The four metrics of the study."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiss.errors import HissError

LABEL_UNIT = "log10(M_sun yr-1)"
"""Unit of truths and predictions, and of every metric but R2."""

_NMAD_FACTOR = 1.4826  # makes the median absolute deviation a normal distribution's sigma


def r2(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return the coefficient of determination; where all truths are equal, 1 if all are met and 0 if not."""
    y, f = _pair(truth, prediction)
    residual = float(((y - f) ** 2).sum())
    total = float(((y - y.mean()) ** 2).sum())
    if total == 0:
        return 1.0 if residual == 0 else 0.0
    return 1 - residual / total


def mae(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return the mean absolute error, in the unit of the truth."""
    y, f = _pair(truth, prediction)
    return float(np.abs(y - f).mean())


def rmse(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return the root of the mean squared error, in the unit of the truth."""
    y, f = _pair(truth, prediction)
    return float(np.sqrt(((y - f) ** 2).mean()))


def nmad(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return 1.4826 median(|e - median(e)|), e = truth - prediction (thesis 3.5)."""
    y, f = _pair(truth, prediction)
    error = y - f
    return float(_NMAD_FACTOR * np.median(np.abs(error - np.median(error))))


def scores(truth: ArrayLike, prediction: ArrayLike) -> dict[str, float]:
    """Return all four metrics by name: r2, mae, rmse, nmad.

    Raises
    ------
    HissError
        When the two differ in length, are fewer than two, or hold a value that is not finite.
    """
    return {
        "r2": r2(truth, prediction),
        "mae": mae(truth, prediction),
        "rmse": rmse(truth, prediction),
        "nmad": nmad(truth, prediction),
    }


def _pair(truth: ArrayLike, prediction: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, f = np.asarray(truth, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if y.shape != f.shape or y.ndim != 1 or len(y) < 2:
        raise HissError(
            f"metrics need two vectors of one length of at least 2, not {y.shape} and {f.shape}; "
            "is the sample too small for its split?"
        )
    if not (np.isfinite(y).all() and np.isfinite(f).all()):
        raise HissError("metrics need finite truths and predictions; drop objects without a label first")
    return y, f
