"""Coarse to fine: accuracy against the cost of an object, and what sending the uncertain ones on gains over chance."""

from collections.abc import Sequence
from typing import Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hiss.plots.style import BLACK, BROWN, GREY, panels, say_instead, sentence_figure

Drawn = tuple[Figure, pd.DataFrame]

# None of these colours is a modality's.
_ORDER: Final = {
    "random": ("drawn at random", GREY, ":"),
    "uncertainty": ("least certain first", BLACK, "-"),
    "expected": ("largest expected gain first", BROWN, "-."),
    "oracle": ("oracle: nobody can know", GREY, "--"),
}
_KNOWABLE: Final = ("uncertainty", "expected")
_MARKED: Final = (0.25, 0.5, 0.75)
"""Shares named on the curves."""


def cascade(table: pd.DataFrame) -> Drawn:
    """Draw RMSE against cost for all orders with shares marked, and the gain over a random order with intervals.

    Parameters
    ----------
    table
        As `hiss.evaluation.cascade.evaluate_cascade` returns it.
    """
    if table.empty:
        return sentence_figure("The study has no cascade."), table
    figure, (left, right) = panels(1, 2, 3.3)
    present = [name for name in _ORDER if (table["order"] == name).any()]
    known = [name for name in _KNOWABLE if name in present]
    for name in present:
        label, colour, line = _ORDER[name]
        part = table[table["order"] == name].sort_values("share")
        left.plot(part["cost_us"], part["rmse"], color=colour, linestyle=line, label=label)
        _mark(left, part, colour, named=name in (*known[-1:], "oracle"))
    alone = table[table["order"] == "fine"]
    left.plot(alone["cost_us"], alone["rmse"], "*", color=BLACK, markersize=10, label="fine model for all, alone")
    left.set(xlabel="reading and prediction of an object [µs]", ylabel="RMSE, validation [dex]", ylim=_room(table))
    _draw_gains(right, table, known)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure, table


def _mark(axis: Axes, part: pd.DataFrame, colour: str, named: bool) -> None:
    marked = part[part["share"].round(6).isin(_MARKED)]
    axis.plot(marked["cost_us"], marked["rmse"], "o", color=colour, markersize=3.5)
    for row in marked.to_dict("records") if named else []:
        axis.annotate(
            f"{row['share']:.0%}", (row["cost_us"], row["rmse"]), textcoords="offset points", xytext=(0, -10),
            ha="center", fontsize=7, color=colour,
        )  # fmt: skip


def _room(table: pd.DataFrame) -> tuple[float, float]:
    """Return limits that leave room below for the shares' names."""
    low, high = float(table["rmse"].min()), float(table["rmse"].max())
    margin = (high - low) or 0.01
    return low - 0.15 * margin, high + 0.08 * margin


def _draw_gains(axis: Axes, table: pd.DataFrame, orders: Sequence[str]) -> None:
    if not orders:
        say_instead(axis, "Nothing tells how uncertain the cheap model is, so only a random order can be shown.")
        return
    for name in orders:
        _, colour, line = _ORDER[name]
        part = table[table["order"] == name].sort_values("share")
        axis.fill_between(part["share"], part["gain_low"], part["gain_high"], color=colour, alpha=0.2, linewidth=0)
        axis.plot(part["share"], part["gain"], color=colour, linestyle=line)
    axis.axhline(0, color=BLACK, linewidth=0.8)
    axis.set(xlabel="share of the objects sent to the fine zoom", ylabel="gain over a random order [dex]")
    axis.set_title("with 95 % intervals")
    axis.set_xlim(0, 1)
