"""How the models were trained and tuned: metrics against a setting, and learning curves of the selected runs."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from hiss.evaluation.collect import METRICS, modality_order
from hiss.modality import FUSIONS
from hiss.plots.style import (
    GREY,
    METRIC_LABEL,
    VERMILION,
    ZOOM_COLOUR,
    ZOOM_LINE,
    draw_ceiling,
    legend_columns,
    modality_colour,
    modality_label,
    panels,
    sentence_figure,
    zoom_label,
)

Drawn = tuple[Figure, pd.DataFrame]

SETTING_LABEL = {"max_depth": "maximum depth", "learning_rate": "learning rate"}
_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")


def sweep_of_metrics(
    runs: pd.DataFrame,
    selection: pd.DataFrame,
    model: str,
    setting: str,
    source: str,
    ceiling: float = float("nan"),
) -> Drawn:
    """Draw four metrics against one setting: a row of panels a modality, a line a zoom, the selected runs ringed.

    Figures 3.4 to 3.6 (decision tree, depth) and 3.10, 3.12, 3.14 (VGGNet12, learning rate).

    Parameters
    ----------
    runs, selection
        The tables of all runs and of the selected ones.
    setting
        Column of the runs table on the horizontal axis.
    source
        ``"cv"`` for the mean over folds, ``"validation"`` for the validation set.
    ceiling
        R2 that the label's own width allows, drawn where it is a number.
    """
    part = _runs_of(runs, model)
    if part.empty or setting not in part:
        return sentence_figure(
            f"No run of {model} has a {SETTING_LABEL[setting]}, so there is nothing to compare."
        ), part
    part = part[part[setting].notna()]
    modalities = modality_order(part["modality"])
    columns = [f"{source}_{name}" for name in METRICS]
    figure, axes = panels(len(modalities), len(METRICS), 1.75, sharex=True, sharey="col")
    for place, axis in enumerate(axes):
        row, column = divmod(place, len(METRICS))
        chosen = part[part["modality"] == modalities[row]].sort_values(setting)
        _draw_sweep(axis, chosen, selection, setting, columns[column])
        _setting_axis(axis, part[setting], setting)
        axis.set_ylabel(METRIC_LABEL[METRICS[column]])
        draw_ceiling(axis, METRICS[column], ceiling)
        if column == 0:
            _name_row(axis, modalities[row])
        if row == len(modalities) - 1:
            axis.set_xlabel(SETTING_LABEL[setting])
    _share_legend(figure, axes[0])
    _note_single(figure, part[setting], setting)
    return figure, part[["modality", "zoom", setting, *columns]].reset_index(drop=True)


def _draw_sweep(axis: Axes, part: pd.DataFrame, selection: pd.DataFrame, setting: str, column: str) -> None:
    for zoom, group in part.groupby("zoom"):
        k = int(str(zoom))
        axis.plot(
            group[setting], group[column], color=ZOOM_COLOUR[k], linestyle=ZOOM_LINE[k], marker=_MARKERS[k],
            markersize=3.5, label=zoom_label(k),
        )  # fmt: skip
    best = part[part["path"].isin(selection["path"])]
    axis.plot(best[setting], best[column], "o", color=VERMILION, markerfacecolor="none", markersize=8, label="selected")


def _setting_axis(axis: Axes, values: pd.Series, setting: str) -> None:
    if setting == "learning_rate":
        axis.set_xscale("log")
        axis.set_xticks(sorted(set(values)), [_short(value) for value in sorted(set(values))], rotation=30)
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.tick_params(axis="x", which="minor", bottom=False)
    else:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))


def _short(value: float) -> str:
    """Write 0.00001 as 1e-5."""
    return f"{value:g}" if value >= 1e-2 else re.sub(r"e-0*", "e-", f"{value:.3g}" if value < 1e-4 else f"{value:.0e}")


def _note_single(figure: Figure, values: pd.Series, setting: str) -> None:
    """Say so where the grid has one value, since a point is no sweep."""
    if values.nunique() == 1:
        text = (
            f"This grid has one {SETTING_LABEL[setting]}, {_short(values.iloc[0])}: there is nothing to choose among."
        )
        figure.supxlabel(text, fontsize=8, color=GREY)


def _share_legend(figure: Figure, axis: Axes, title: str | None = None) -> None:
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(
        unique.values(), unique.keys(), loc="outside upper center", ncols=legend_columns(len(unique)), title=title
    )


def _runs_of(runs: pd.DataFrame, model: str) -> pd.DataFrame:
    return runs[(runs["model"] == model) & ~runs["modality"].isin(FUSIONS)]


def sweep_of_two(
    runs: pd.DataFrame, selection: pd.DataFrame, model: str, modality: str, ceiling: float = float("nan")
) -> Drawn:
    """Draw four validation metrics against depth, a row a metric, a column a zoom, a line a learning rate.

    Figures 3.18 (photo), 3.20 (spectra), 3.22 (early fusion). Where the grid has one depth only, the learning rate
    takes the axis.

    Parameters
    ----------
    ceiling
        R2 that the label's own width allows, drawn where it is a number.
    """
    part = _runs_of(runs, model)
    part = part[part["modality"] == modality]
    if part.empty:
        return sentence_figure(f"No run of {model} is in this grid, so there is nothing to compare."), part
    by_depth = part["max_depth"].nunique() > 1
    setting, other = ("max_depth", "learning_rate") if by_depth else ("learning_rate", "max_depth")
    zooms = sorted(set(part["zoom"]))
    figure, axes = panels(len(METRICS), len(zooms), 1.55, sharex=True, sharey="row")
    for place, axis in enumerate(axes):
        row, column = divmod(place, len(zooms))
        cell = part[part["zoom"] == zooms[column]]
        _draw_lines(axis, cell, selection, setting, other, f"validation_{METRICS[row]}")
        _setting_axis(axis, part[setting], setting)
        draw_ceiling(axis, METRICS[row], ceiling)
        if row == 0:
            axis.set_title(zoom_label(zooms[column]))
        if column == 0:
            axis.set_ylabel(METRIC_LABEL[METRICS[row]])
        if row == len(METRICS) - 1:
            axis.set_xlabel(SETTING_LABEL[setting])
    _share_legend(figure, axes[0], modality_label(modality).capitalize())
    _note_single(figure, part[setting], setting)
    columns = ["modality", "zoom", "learning_rate", "max_depth", *(f"validation_{name}" for name in METRICS)]
    return figure, part[columns].reset_index(drop=True)


def _draw_lines(axis: Axes, cell: pd.DataFrame, selection: pd.DataFrame, setting: str, other: str, column: str) -> None:
    """Draw a metric against one setting, a line a value of the other, the selected run ringed."""
    values = sorted(set(cell[other]))
    for index, (value, colour) in enumerate(zip(values, _shades(len(values)), strict=True)):
        line = cell[cell[other] == value].sort_values(setting)
        axis.plot(
            line[setting], line[column], color=colour, marker=_MARKERS[index % len(_MARKERS)], markersize=3.5,
            label=f"{SETTING_LABEL[other]} {value:g}",
        )  # fmt: skip
    best = cell[cell["path"].isin(selection["path"])]
    axis.plot(best[setting], best[column], "o", color=VERMILION, markerfacecolor="none", markersize=8, label="selected")


def _shades(count: int) -> list[tuple[float, ...]]:
    """Colours of an ordered setting, dark to light, told apart in grey."""
    import matplotlib as mpl

    return [tuple(mpl.colormaps["cividis"](x)) for x in np.linspace(0, 0.85, max(count, 1))]


def _name_row(axis: Axes, modality: str) -> None:
    """Write a modality before the label of the vertical axis of its row."""
    axis.set_ylabel(f"{modality_label(modality)}\n{axis.get_ylabel()}", color=modality_colour(modality))


def _label_cell(axis: Axes, row: int, column: int, n_rows: int, modality: str, zoom: int, xlabel: str) -> None:
    if row == 0:
        axis.set_title(zoom_label(zoom))
    if column == 0:
        axis.set_ylabel(METRIC_LABEL["rmse"])
        _name_row(axis, modality)
    if row == n_rows - 1:
        axis.set_xlabel(xlabel)


def learning_curves(curves: Mapping[str, pd.DataFrame], selection: pd.DataFrame, model: str, unit: str) -> Drawn:
    """Draw train and validation RMSE of the selected runs against the iteration, the best iteration marked.

    Figures 3.17, 3.19, 3.21 (LightGBM) and 3.9, 3.11, 3.13 (VGGNet12).

    Parameters
    ----------
    curves
        Each run's curve.csv (``iteration, train_rmse, validation_rmse``), by its path in the results folder.
    unit
        What an iteration is called on the axis.
    """
    part = selection[selection["model"] == model]
    modalities, zooms = modality_order(part["modality"]), sorted(set(part["zoom"]))
    if part.empty:
        return sentence_figure(f"No run of {model} is selected, so there is no curve to show."), part
    figure, axes = panels(len(modalities), len(zooms), 1.75, sharey="row")
    data = []
    for place, axis in enumerate(axes):
        row, column = divmod(place, len(zooms))
        modality, zoom = modalities[row], zooms[column]
        _label_cell(axis, row, column, len(modalities), modality, zoom, unit)
        cell = part[(part["modality"] == modality) & (part["zoom"] == zoom)]
        if cell.empty:
            axis.text(0.5, 0.5, "no run", transform=axis.transAxes, ha="center", color=GREY)
            continue
        curve = curves[str(cell.iloc[0]["path"])]
        _draw_curve(axis, curve, modality_colour(modality))
        data.append(curve.assign(modality=modality, zoom=zoom, settings=cell.iloc[0]["settings"]))
    _grey_legend(figure)
    return figure, pd.concat(data, ignore_index=True)


def _draw_curve(axis: Axes, curve: pd.DataFrame, colour: str) -> None:
    axis.plot(curve["iteration"], curve["train_rmse"], color=colour, linestyle="--", linewidth=1.0)
    axis.plot(curve["iteration"], curve["validation_rmse"], color=colour)
    best = curve.sort_values("validation_rmse", kind="stable").to_dict("records")[0]
    axis.plot(best["iteration"], best["validation_rmse"], "o", color=VERMILION, markersize=5)
    # Curves fall, so that the corner above their end is free; a label at the point itself lies on both lines.
    axis.text(
        0.97, 0.95, f"{int(best['iteration'])}: {best['validation_rmse']:.2f}", transform=axis.transAxes, ha="right",
        va="top", fontsize=7, color=VERMILION, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )  # fmt: skip
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))


def _grey_legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=GREY, linestyle="--", linewidth=1.0, label="train"),
        Line2D([], [], color=GREY, label="validation"),
        Line2D([], [], color=VERMILION, marker="o", linestyle="none", label="best validation (iteration: RMSE)"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
