"""What a run or a fusion says of some objects, with the interval around it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hiss.evaluation.conformal import half_width, widened, widening
from hiss.progress import say


@dataclass(frozen=True)
class Predicted:
    """A selected run or a fusion: what it says of new objects, and of the training objects while held out."""

    table: pd.DataFrame
    """``prediction`` of the new objects, among other columns."""
    held_out: pd.DataFrame | None
    """``row, truth, prediction`` of the training objects; None without any."""
    ends: tuple[pd.DataFrame, pd.DataFrame] | None = None
    """``low, high`` of the new objects, and ``row, truth, low, high`` of the training objects while held out."""


def with_interval(run: Predicted, split: pd.DataFrame, level: float | None, what: str) -> pd.DataFrame:
    """Return a run's predictions of new objects with ``low, high, half_width, method``; the latter NaN and "" without.

    Parameters
    ----------
    split
        ``row, group, split`` of the sample it was trained on.
    level
        Share of the objects that an interval is to hold; None: no intervals.
    what
        The run's name, for a message.
    """
    table = run.table.assign(low=np.nan, high=np.nan, half_width=np.nan, method="")
    if level is None:
        return table
    half = np.nan if run.held_out is None else half_width(run.held_out, split, level)
    by = np.nan if run.ends is None else widening(run.ends[1], split, level)
    if np.isinf([half, by]).any():
        say(f"{what}: too few training objects for an interval that holds {level:g} of the objects")
        return table
    if run.held_out is not None:
        low, high = table["prediction"] - half, table["prediction"] + half
        table = table.assign(low=low, high=high, half_width=half, method="residuals")
    if run.ends is not None:
        table["low"], table["high"] = widened(run.ends[0]["low"], run.ends[0]["high"], by)
        table["method"] = "quantiles"
    return table
