"""Bootstrap intervals over objects, paired by construction: one set of resamples serves every run."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiss.errors import HissError

Array = NDArray[np.float64]

_NMAD_FACTOR = 1.4826  # makes the median absolute deviation a normal distribution's sigma
_BLOCK = 2_000_000  # resampled errors held at once: 16 MB an array


def resample_groups(groups: ArrayLike, n_resamples: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw groups with replacement.

    Objects of one group are drawn together, because they are not independent.

    Parameters
    ----------
    groups
        (n,) label of each object's group.

    Returns
    -------
    counts
        (n_resamples, n_groups) how often each group is in each resample.
    index
        (n,) column of ``counts`` each object belongs to.
    """
    labels, index = np.unique(np.asarray(groups), return_inverse=True)
    if len(labels) == 0:
        raise HissError("there is no object to resample; the test set is empty")
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(labels), np.full(len(labels), 1 / len(labels)), size=n_resamples)
    return counts.astype(np.int64), index.astype(np.int64)


def bootstrap_scores(
    truth: ArrayLike, prediction: ArrayLike, counts: NDArray[np.int64], index: NDArray[np.int64]
) -> dict[str, Array]:
    """Return r2, mae, rmse and nmad of every resample, (n_resamples,) each.

    R2 is NaN in a resample whose truths are all equal.
    """
    y, f = np.asarray(truth, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    error = y - f
    centred = y - y.mean()
    n_groups = counts.shape[1]
    sums = np.stack(
        [
            np.bincount(index, weights=values, minlength=n_groups)
            for values in (np.ones_like(y), centred, centred**2, np.abs(error), error**2)
        ],
        axis=1,
    )
    n, first, second, absolute, squares = (counts @ sums).T
    spread = second - first**2 / n
    spread = np.where(spread > 1e-12 * np.maximum(second, 1e-300), spread, np.nan)
    return {
        "r2": 1 - squares / spread,
        "mae": absolute / n,
        "rmse": np.sqrt(squares / n),
        "nmad": _bootstrap_nmad(error, counts, index),
    }


def bootstrap_rmse(error: ArrayLike, counts: NDArray[np.int64], index: NDArray[np.int64]) -> Array:
    """Return the RMSE of every resample, (n_resamples,), alone and so without the cost of an NMAD."""
    squares = np.asarray(error, dtype=np.float64) ** 2
    sums = np.stack(
        [np.bincount(index, weights=values, minlength=counts.shape[1]) for values in (squares, np.ones_like(squares))]
    )
    total, n = sums @ counts.T
    rmse: Array = np.sqrt(total / n)
    return rmse


def _bootstrap_nmad(error: Array, counts: NDArray[np.int64], index: NDArray[np.int64]) -> Array:
    order = np.argsort(error, kind="stable")
    ordered = error[order]
    out = np.empty(len(counts))
    for block in _blocks(len(counts), len(error)):
        weight = counts[block][:, index[order]]
        median = weighted_median(np.broadcast_to(ordered, weight.shape), weight)
        deviation = np.abs(ordered - median[:, None])
        nearest = np.argsort(deviation, axis=1, kind="stable")
        out[block] = weighted_median(
            np.take_along_axis(deviation, nearest, axis=1), np.take_along_axis(weight, nearest, axis=1)
        )
    return _NMAD_FACTOR * out


def _blocks(n_resamples: int, n_objects: int) -> Iterator[slice]:
    step = max(1, _BLOCK // max(1, n_objects))
    for start in range(0, n_resamples, step):
        yield slice(start, start + step)


def weighted_median(values: Array, weight: NDArray[np.int64]) -> Array:
    """Median of each row, its ascending values taken as often as their integer weights say."""
    cumulative = np.cumsum(weight, axis=1)
    total = cumulative[:, -1:]
    rows = np.arange(len(values))
    low = np.argmax(cumulative > (total - 1) // 2, axis=1)
    high = np.argmax(cumulative > total // 2, axis=1)
    middle: Array = (values[rows, low] + values[rows, high]) / 2
    return middle


def interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of bootstrap values; NaN where fewer than half of them are numbers."""
    values = np.asarray(values, dtype=np.float64)
    finite = values[np.isfinite(values)]
    if len(finite) == 0 or 2 * len(finite) < len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
