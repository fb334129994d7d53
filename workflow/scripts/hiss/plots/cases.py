"""What early fusion gains on each science case, and elsewhere."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiss.evaluation.collect import model_name, model_order
from hiss.plots.style import BLACK, FULL_WIDTH, GREY, ZOOM_COLOUR, modality_label, plt, sentence_figure, zoom_label
from hiss.side.cases import RIVALS

_STEP: Final = 0.24  # of a row, between the points of one row
_MARKERS: Final = ("o", "s")
NOTHING: Final = "There is no early fusion to compare, or no case with enough test galaxies."
_DRAWN: Final = [
    "case", "model", "zoom", "against", "n", "n_rest", "delta_rmse", "low", "high", "delta_rest", "low_rest",
    "high_rest", "verdict", "change_verdict",
]  # fmt: skip


def cases(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw differences of RMSE: a column a rival of early fusion, a line a model, a row a case.

    Two points a row are of the finest and the coarsest zoom of the model, and a grey bar beside each is the same
    difference on the galaxies that are not of the case.

    Parameters
    ----------
    table
        Of `hiss.side.cases.compare_cases`.
    """
    known = table[table["low"].notna()]
    ends = known.groupby("model")["zoom"].agg(["min", "max"])
    kept = [row["zoom"] in set(ends.loc[row["model"]]) for row in known.to_dict("records")]
    part = known.loc[kept, _DRAWN].reset_index(drop=True)
    if part.empty:
        return sentence_figure(NOTHING), part
    models, rivals = model_order(part["model"]), [name for name in RIVALS if (part["against"] == name).any()]
    names = list(dict.fromkeys(part["case"]))
    height = 0.55 + 0.36 * len(names)
    figure, grid = plt.subplots(
        len(models), len(rivals), figsize=(FULL_WIDTH, height * len(models) + 0.7), squeeze=False, sharex="col",
        sharey=True,
    )  # fmt: skip
    for line, model in zip(grid, models, strict=True):
        for axis, rival in zip(line, rivals, strict=True):
            own = part[(part["model"] == model) & (part["against"] == rival)]
            _panel(axis, own, names)
            if axis in grid[0]:
                axis.set_title(f"less {modality_label(rival)}")
        line[0].set_ylabel(model_name(model))
    labels = [_label(name, part) for name in names]
    grid[0][0].set_yticks(range(len(names)), labels)
    grid[0][0].set_ylim(len(names) - 0.5, -0.5)
    figure.supxlabel("RMSE of early fusion less that of the other [dex]", fontsize=9)
    _legend(figure, sorted({int(zoom) for zoom in part["zoom"]}), part)
    return figure, part


def _label(name: str, part: pd.DataFrame) -> str:
    return f"{name.replace('_', ' ')} ({part.loc[part['case'] == name, 'n'].iloc[0]:,})"


def _panel(axis: Axes, own: pd.DataFrame, names: list[str]) -> None:
    zooms = sorted(set(own["zoom"]))
    for place, zoom in enumerate(zooms):
        rows = own[own["zoom"] == zoom]
        y = rows["case"].map(names.index).to_numpy(np.float64) + (place - (len(zooms) - 1) / 2) * _STEP
        colour, marker = ZOOM_COLOUR[int(zoom)], _MARKERS[place > 0]
        axis.plot(rows["delta_rest"], y, linestyle="none", marker="|", color=GREY, markersize=9, zorder=1)
        axis.hlines(y, rows["low"], rows["high"], color=colour, linewidth=1.0)
        told = ((rows["low"] > 0) | (rows["high"] < 0)).to_numpy()
        for filled in (True, False):
            axis.plot(
                rows["delta_rmse"][told == filled], y[told == filled], marker, color=colour,
                markerfacecolor=colour if filled else "white",
            )  # fmt: skip
    axis.axvline(0, color=BLACK, linewidth=0.8, zorder=0)
    axis.grid(visible=False, axis="y")
    axis.locator_params(axis="x", nbins=4)


def _legend(figure: Figure, zooms: list[int], part: pd.DataFrame) -> None:
    finest = set(part.groupby("model")["zoom"].min())
    handles = [
        Line2D([], [], color=ZOOM_COLOUR[zoom], marker=_MARKERS[zoom not in finest], label=zoom_label(zoom))
        for zoom in zooms
    ]
    handles += [
        Line2D([], [], color=GREY, marker="o", markerfacecolor="white", linestyle="none", label="includes zero"),
        Line2D([], [], color=GREY, marker="|", markersize=9, linestyle="none", label="the other galaxies"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
