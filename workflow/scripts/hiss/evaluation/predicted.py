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
    if run.held_out is not None:
        half = half_width(run.held_out, split, level)
        table = table.assign(low=table["prediction"] - half, high=table["prediction"] + half, half_width=half)
        table["method"] = "residuals"
    if run.ends is not None:
        ends, held_out = run.ends
        table["low"], table["high"] = widened(ends["low"], ends["high"], widening(held_out, split, level))
        table["method"] = "quantiles"
    if np.isinf(table["high"]).any():
        say(f"{what}: too few training objects for an interval that holds {level:g} of the objects")
        table.loc[:, ["low", "high", "half_width"]] = np.nan
        table["method"] = ""
    return table
