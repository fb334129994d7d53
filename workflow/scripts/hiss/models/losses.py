"""What a fit makes smaller and its curve shows: RMSE, pinball loss of a quantile, or log loss of classes."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Loss = Callable[[Values, Values], float]
"""Of truths (n,) and predictions, (n,) or (n, K)."""

_LEAST: Final = float(np.finfo(np.float64).eps)


def loss_of(n_classes: int, quantile: float | None = None) -> tuple[str, Loss]:
    """Return the name of a fit's loss, as columns of the curve have it, and the loss."""
    if n_classes:
        return "log_loss", log_loss
    if quantile is None:
        return "rmse", lambda truth, prediction: _rmse(truth - prediction)
    return "pinball", lambda truth, prediction: _pinball(truth - prediction, quantile)


def log_loss(codes: Values, probabilities: Values) -> float:
    """Return the mean of -ln p of the true class [nat]; a p of 0 counts as 2.2e-16, as in scikit-learn.

    Parameters
    ----------
    codes
        (n,) of the true classes, whole numbers.
    probabilities
        (n, K), rows that add up to 1.
    """
    of_truth = probabilities[np.arange(len(codes)), np.asarray(codes, dtype=np.int64)]
    return float(-np.log(np.clip(of_truth, _LEAST, 1 - _LEAST)).mean())


def _rmse(error: Values) -> float:
    return float(np.sqrt((error**2).mean()))


def _pinball(error: Values, quantile: float) -> float:
    return float(np.maximum(quantile * error, (quantile - 1) * error).mean())
