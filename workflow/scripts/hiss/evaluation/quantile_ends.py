"""The ends of a prediction interval, as the fitted quantiles of LightGBM's errors give them for new objects."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hiss.models.features import Sources

Array = NDArray[np.float64]

ENDS: Final = ("low", "high")
"""Folders of the two models, and columns of the ends they give."""


def uncrossed(low: ArrayLike, high: ArrayLike) -> tuple[Array, Array]:
    """Return the lesser and the greater of two ends, since models fitted apart may cross.

    Sorted quantiles are never farther from the true ones than crossed ones (Chernozhukov, Fernandez-Val & Galichon
    2010, Econometrica 78, 1093).
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    return np.minimum(low, high), np.maximum(low, high)


def predict_quantiles(
    folder: Path | str,
    sources: Sources,
    rows: ArrayLike,
    prediction: ArrayLike,
    predict: Callable[[Path, Sources, ArrayLike], pd.DataFrame],
) -> tuple[Array, Array]:
    """Return the two ends (n,) of rows of the sample's arrays.

    Parameters
    ----------
    folder
        Where `hiss.evaluation.quantiles.fit_quantiles` wrote its models.
    prediction
        (n,) of the run whose errors they were fitted to.
    predict
        Gives the ``prediction`` of LightGBM's model in a folder.
    """
    low, high = (predict(Path(folder) / end, sources, rows)["prediction"].to_numpy() for end in ENDS)
    below, above = uncrossed(low, high)
    middle = np.asarray(prediction, dtype=np.float64)
    return middle + below, middle + above
