"""Weights of the objects a model learns from, by how well their labels are known."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hiss.errors import HissError

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
