"""Conformal prediction: intervals as wide as the errors on objects held out ask for, whatever the model is.

A score tells how far an object's truth lies from what was predicted of it. The interval of a new object holds the
truths whose score is at most a high quantile of the scores of objects held out.

What is promised. Were the scores those of one fitted model on objects it has not seen, exchangeable with the new
one, at least ``level`` of the new objects would be covered, on average over samples and for any distribution
(Romano, Patterson & Candes 2019, arXiv:1905.03222, for the quantile scores). Here they come from cross-validation:
each training object is held out by the model of its fold, while the interval stands around the final model, fitted
on all of them. That is close to CV+ and the jackknife+ (Barber, Candes, Ramdas & Tibshirani 2021, Annals of
Statistics 49, 486), of which 1 - 2 (1 - level) is proven and about ``level`` seen. A fold's model knows fewer objects
and errs more, which widens the interval; a setting chosen by these very folds errs a little less on them, which
narrows it. So the coverage is approximate, and is measured on the test set.

Objects of one group (the same galaxy, overlapping cutouts) are not exchangeable one by one; groups are. So each group
counts once, its objects sharing its weight, and one more group with an infinite score stands for the new one (Lee,
Barber & Willett 2023, arXiv:2306.06342); where every group holds one object this is the usual quantile with its
correction for finite samples.

The promise is for objects as they come, not for objects of a given SFR.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hiss.errors import HissError

Array = NDArray[np.float64]


def conformal_quantile(scores: ArrayLike, groups: ArrayLike, level: float) -> float:
    """Return the score that a new object's does not exceed with probability ``level`` or more.

    Parameters
    ----------
    scores
        (n,) of objects held out.
    groups
        (n,) label of each object's group.
    level
        Between 0 and 1.

    Returns
    -------
    float
        Infinity where there are fewer than ``level / (1 - level)`` groups: so few cannot promise it.

    Raises
    ------
    HissError
        When a score is NaN, or there is none.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if len(scores) == 0 or np.isnan(scores).any():
        raise HissError("an interval needs the errors of objects held out, and they are missing or not a number")
    _, group, size = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    order = np.argsort(scores, kind="stable")
    share = np.cumsum(1 / size[group][order]) / (len(size) + 1)
    # What rounding adds to a sum of thousands must not ask for one score more.
    place = int(np.searchsorted(share, level * (1 - 1e-12)))
    return float(scores[order[place]]) if place < len(scores) else float("inf")


def residual_scores(truth: ArrayLike, prediction: ArrayLike) -> Array:
    """Return |truth - prediction|, which makes every interval equally wide."""
    return np.abs(np.asarray(truth, dtype=np.float64) - np.asarray(prediction, dtype=np.float64))


def quantile_scores(truth: ArrayLike, low: ArrayLike, high: ArrayLike) -> Array:
    """Return how far each truth lies outside [low, high], below zero inside (Romano et al. 2019, equation 6)."""
    y = np.asarray(truth, dtype=np.float64)
    return np.maximum(np.asarray(low, dtype=np.float64) - y, y - np.asarray(high, dtype=np.float64))


def widened(low: ArrayLike, high: ArrayLike, by: float) -> tuple[Array, Array]:
    """Return [low - by, high + by], or its middle where a negative ``by`` would turn it over.

    Moving it back by as much gives the interval again, but for one that was moved to its middle: what is then left of
    its width is 2 |by|, and it was less.
    """
    below = np.asarray(low, dtype=np.float64) - by
    above = np.asarray(high, dtype=np.float64) + by
    middle = (below + above) / 2
    return np.minimum(below, middle), np.maximum(above, middle)


def half_width(out_of_fold: pd.DataFrame, split: pd.DataFrame, level: float) -> float:
    """Return the half width [dex] of a model's interval, prediction -+ half width, the same for every object.

    Parameters
    ----------
    out_of_fold
        ``row, truth, prediction`` of each training object, predicted by a model that did not see its fold.
    split
        ``row, group, split`` of the sample.
    level
        Share of the objects that the interval is to hold.

    Returns
    -------
    float
        Infinity where there are too few groups to promise the level.

    Raises
    ------
    HissError
        When the objects are not the training objects.
    """
    scores = residual_scores(out_of_fold["truth"], out_of_fold["prediction"])
    return conformal_quantile(scores, groups_of(out_of_fold, split), level)


def widening(out_of_fold: pd.DataFrame, split: pd.DataFrame, level: float) -> float:
    """Return by how much [dex] both ends of an interval of quantiles are moved out, or in where it is below zero.

    As `half_width`, with ``row, truth, low, high``.
    """
    scores = quantile_scores(out_of_fold["truth"], out_of_fold["low"], out_of_fold["high"])
    return conformal_quantile(scores, groups_of(out_of_fold, split), level)


def groups_of(out_of_fold: pd.DataFrame, split: pd.DataFrame) -> NDArray[np.int64]:
    """Return the group (n,) of each object held out, after a look that they are the training objects, each once.

    Raises
    ------
    HissError
        When they are not: an interval must know nothing of the test set.
    """
    train = split.loc[split["split"] == "train"].set_index("row")["group"]
    if not np.array_equal(np.sort(out_of_fold["row"]), np.sort(train.index)):
        raise HissError(
            "the out-of-fold predictions are not of the split's training objects, each once; delete the tables in "
            "evaluation/out_of_fold and evaluation/quantiles and run the same command again"
        )
    return train.loc[out_of_fold["row"]].to_numpy(dtype=np.int64)
