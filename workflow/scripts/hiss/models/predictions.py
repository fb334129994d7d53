"""Tables of predictions: a number of each object, or the probabilities ``p_0, p_1, ...`` of its classes."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hiss.models.base import Data, Model
from hiss.models.class_metrics import class_scores, predicted_class
from hiss.models.metrics import LABEL_UNIT, scores


def probability_columns(columns: Iterable[Hashable]) -> list[str]:
    """Return which columns of a table are the probabilities of classes, in the order of their codes; [] of a number."""
    known = set(columns)
    found: list[str] = []
    while (name := f"p_{len(found)}") in known:
        found.append(name)
    return found


def prediction_columns(prediction: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """Return the columns that tell predictions (n,), or probabilities (n, K) by their most probable class.

    They are ``prediction`` and, of classes, ``p_0 .. p_{K-1}``.
    """
    values = np.asarray(prediction, dtype=np.float64)
    if values.ndim == 1:
        return {"prediction": values}
    told = {"prediction": predicted_class(values).astype(np.float64)}
    return told | {f"p_{code}": column for code, column in enumerate(values.T)}


def predicted(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return what a table predicts: (n,), or (n, K) where it has the probabilities of classes."""
    names = probability_columns(table.columns)
    return table[names].to_numpy(np.float64) if names else table["prediction"].to_numpy(np.float64)


def prediction_scores(truth: ArrayLike, prediction: ArrayLike) -> dict[str, float]:
    """Return the metrics of predictions (n,), as `scores`, or of probabilities (n, K), as `class_scores`."""
    values = np.asarray(prediction)
    return class_scores(truth, values) if values.ndim == 2 else scores(truth, values)


def table_scores(table: pd.DataFrame) -> dict[str, float]:
    """Return the metrics of a table of predictions with their ``truth``."""
    return prediction_scores(table["truth"], predicted(table))


def prediction_units(target: str, classes: Sequence[str] = ()) -> dict[str, str]:
    """Return the units of the columns ``truth`` and ``prediction``; a class has none, nor has a redshift."""
    return {} if classes or target != "sfr" else {"truth": LABEL_UNIT, "prediction": LABEL_UNIT}


def prediction_table(model: Model, data: Data, target_id: ArrayLike, rows: ArrayLike) -> pd.DataFrame:
    """Return a trained model's predictions of loaded objects: ``target_id, row, prediction`` and, of classes, ``p_*``.

    Parameters
    ----------
    target_id, rows
        (n,) of the objects, in the order of the data.
    """
    known: dict[str, Any] = {
        "target_id": np.asarray(target_id, dtype=np.int64),
        "row": np.asarray(rows, dtype=np.int64),
    }
    return pd.DataFrame(known | prediction_columns(model.predict(data)))
