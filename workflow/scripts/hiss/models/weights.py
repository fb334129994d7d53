"""Weights of the objects a model learns from: by how well their labels are known, and how rare their class is."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hiss.errors import HissError
from hiss.models.base import Data

INTRINSIC_SCATTER: Final = 0.2
"""Scatter of log SFR that stays at given features, however well the label is known [dex]: the 0.17 dex that H-alpha
calibrations leave (Argence & Lamareille 2009, A&A 495, 759), rounded up. It keeps a few objects from ruling the fit."""


def label_weights(label_sigma: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return (n,) weights 1 / (sigma^2 + s^2) of mean 1, with s the `INTRINSIC_SCATTER`.

    An object whose sigma is unknown gets the median weight of the others, or 1 where all are unknown.

    Parameters
    ----------
    label_sigma
        (n,) one-sigma width of the labels [dex]; NaN where unknown.

    Raises
    ------
    HissError
        When no widths are given.
    """
    if label_sigma is None:
        raise HissError("label_weights: the features hold no widths of the labels; make them with prepare_features")
    known = np.isfinite(label_sigma)
    weights = np.ones(len(label_sigma))
    if known.any():
        weights[known] = 1 / (label_sigma[known] ** 2 + INTRINSIC_SCATTER**2)
        weights[~known] = np.median(weights[known])
    mean_one: NDArray[np.float64] = weights / weights.mean()
    return mean_one


def class_weights(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) weights n / (K n_k) of mean 1, by which every class counts alike; K classes are met, n_k times each.

    A model of such a fit says how probable a class is among as many of each, not among the sky's.

    Parameters
    ----------
    codes
        (n,) of the objects' classes.
    """
    _, place, counts = np.unique(codes, return_inverse=True, return_counts=True)
    balanced: NDArray[np.float64] = (len(codes) / (len(counts) * counts))[place]
    return balanced


def object_weights(
    data: Data, by_label: bool, by_class: bool, chosen: NDArray[np.bool_] | None = None
) -> NDArray[np.float64] | None:
    """Return the weights of training objects, the product of what is asked for; None where nothing is.

    Parameters
    ----------
    by_label
        By the certainty of their labels.
    by_class
        By their classes, of those chosen; a regression has none, and so no such weights.
    chosen
        (n,) which objects are learned from; None: all.
    """
    chosen = np.ones(len(data), dtype=np.bool_) if chosen is None else chosen
    weights = label_weights(data.label_sigma)[chosen] if by_label else None
    if not (by_class and data.classes):
        return weights
    balanced = class_weights(data.target[chosen])
    return balanced if weights is None else weights * balanced
