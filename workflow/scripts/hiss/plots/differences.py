"""Paired differences with their intervals: fusions against the better single modality, variants against the study."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiss.evaluation.collect import modality_order, model_name, model_order
from hiss.evaluation.summarise import better_single
from hiss.evaluation.variants import without_shares
from hiss.plots.style import (
    BLACK,
    FULL_WIDTH,
    GREY,
    modality_colour,
    modality_label,
    modality_marker,
    panels,
    plt,
    sentence_figure,
    zoom_label,
)

Drawn = tuple[Figure, pd.DataFrame]

FUSED: Final = ("early", "attention", "late", "stacked")
"""What is set against the better single modality."""

_STEP: Final = 0.2  # of a row, between the points of one row
_COLUMNS: Final = 3
_DIFFERENCE: Final = "difference of RMSE [dex]"


def fusions(metrics: pd.DataFrame, comparisons: pd.DataFrame) -> Drawn:
    """Draw what each fusion gains over the better single modality: a panel a model, a row a zoom, a point a fusion.

    Parameters
    ----------
    metrics, comparisons
        As `hiss.evaluation.summarise` makes them; the better modality is that of the lower validation RMSE.
    """
    part = against_better(metrics, comparisons)
    if part.empty:
        return sentence_figure("This study has no fusion and single modality to compare."), part
    models, zooms = model_order(part["model"]), sorted(set(part["zoom"]))
    fused = modality_order(part["a"])
    figure, axes = panels(1, len(models), 0.9 + 0.28 * len(zooms) * max(len(fused), 2) / 2, sharex=True, sharey=True)
    for axis, model in zip(axes, models, strict=True):
        own = part[part["model"] == model]
        for index, name in enumerate(fused):
            rows = own[own["a"] == name]
            y = rows["zoom"].map(zooms.index) + _dodge(index, len(fused))
            _draw_points(axis, rows, y.to_numpy(), name)
        axis.set_title(model_name(model))
        _rows_axis(axis, [zoom_label(zoom) for zoom in zooms])
    figure.supxlabel(f"{_DIFFERENCE}: fusion less the better single modality", fontsize=9)
    _legend(figure, fused)
    return figure, part


def against_better(metrics: pd.DataFrame, comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return the comparisons of a fusion with the better single modality of the same model and zoom."""
    pairs = comparisons[(comparisons["kind"] == "modalities") & comparisons["a"].isin(FUSED)]
    better = [better_single(metrics, row["model"], row["zoom"]) for row in pairs.to_dict("records")]
    return pairs[pairs["b"].to_numpy() == np.array(better, dtype=object)].reset_index(drop=True)


def variants(table: pd.DataFrame) -> Drawn:
    """Draw what each variant changes: a panel a variant, a row a model and zoom, a point a modality.

    Parameters
    ----------
    table
        As `hiss.evaluation.variants.compare_variants` returns it.
    """
    part = without_shares(table)
    part = part[part["delta_rmse"].notna()].reset_index(drop=True)
    if part.empty:
        return sentence_figure("No variant has an object in common with the study."), part
    names = list(dict.fromkeys(part["variant"]))
    rows_of = {name: _rows_of(part[part["variant"] == name]) for name in names}
    lines = -(-len(names) // _COLUMNS)
    tallest = [max(len(rows_of[name]) for name in names[i * _COLUMNS : (i + 1) * _COLUMNS]) for i in range(lines)]
    heights = [0.55 + 0.34 * rows for rows in tallest]
    figure, grid = plt.subplots(
        lines, _COLUMNS, figsize=(FULL_WIDTH, sum(heights) + 0.6), squeeze=False, sharex=True, height_ratios=heights
    )
    axes = list(grid.ravel())
    for axis, name in zip(axes, names, strict=False):
        own, rows = part[part["variant"] == name], rows_of[name]
        present = modality_order(own["base"])
        for index, base in enumerate(present):
            points = own[own["base"] == base]
            y = np.array([rows.index(_row_of(row)) for row in points.to_dict("records")])
            _draw_points(axis, points, y + _dodge(index, len(present)), base)
        zooms = {zoom for _, zoom, _ in rows}
        axis.set_title(name.replace("_", " ") + (f" (zoom {min(zooms)})" if len(zooms) == 1 else ""), loc="left")
        _rows_axis(axis, [_row_label(*row, one_zoom=len(zooms) == 1) for row in rows])
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    for axis in axes[max(0, len(names) - _COLUMNS) : len(names)]:
        axis.xaxis.set_tick_params(labelbottom=True)
    figure.supxlabel(f"{_DIFFERENCE} of the validation objects: variant less the study's own run", fontsize=9)
    _legend(figure, modality_order(part["base"]))
    return figure, part


def _rows_of(part: pd.DataFrame) -> list[tuple[str, int, int]]:
    models = model_order(part["model"])
    return sorted(set(map(_row_of, part.to_dict("records"))), key=lambda row: (models.index(row[0]), *row[1:]))


def _row_of(row: dict[Any, Any]) -> tuple[str, int, int]:
    return str(row["model"]), int(row["zoom"]), int(row["against_zoom"])


def _row_label(model: str, zoom: int, against: int, one_zoom: bool) -> str:
    """Name a row; a variant of two zooms is compared with the study at each."""
    name = model_name(model) + ("" if one_zoom else f", zoom {zoom}")
    return name + ("" if zoom == against else f"\nless zoom {against}")


def _dodge(index: int, count: int) -> float:
    return (index - (count - 1) / 2) * _STEP


def _draw_points(axis: Axes, rows: pd.DataFrame, y: np.ndarray, modality: str) -> None:
    """Draw differences and their intervals; a filled point where the interval excludes zero."""
    axis.hlines(y, rows["low"], rows["high"], color=modality_colour(modality), linewidth=1.0)
    told = ((rows["low"] > 0) | (rows["high"] < 0)).to_numpy()
    for filled in (True, False):
        axis.plot(
            rows["delta_rmse"][told == filled], y[told == filled], modality_marker(modality),
            color=modality_colour(modality), markerfacecolor=modality_colour(modality) if filled else "white",
        )  # fmt: skip


def _rows_axis(axis: Axes, labels: Sequence[str]) -> None:
    axis.axvline(0, color=BLACK, linewidth=0.8, zorder=0)
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.grid(visible=False, axis="y")
    axis.locator_params(axis="x", nbins=4)


def _legend(figure: Figure, modalities: Sequence[str]) -> None:
    handles = [
        Line2D([], [], color=modality_colour(name), marker=modality_marker(name), label=modality_label(name))
        for name in modalities
    ]
    handles.append(
        Line2D([], [], color=GREY, marker="o", markerfacecolor="white", linestyle="none", label="includes zero")
    )
    figure.legend(handles=handles, loc="outside upper center", ncols=5)
