"""Do prediction intervals hold what they promise: coverage by AVG beside the nominal level, and widths."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiss.evaluation.collect import BASELINE_NAMES, model_name, model_order
from hiss.evaluation.coverage import ALL_OBJECTS
from hiss.plots.style import (
    BLACK,
    GREY,
    error_bars,
    modality_colour,
    modality_label,
    modality_marker,
    panels,
    sentence_figure,
)

Drawn = tuple[Figure, pd.DataFrame]

METHOD_LABEL: Final = {"residuals": "same width for all", "quantiles": "width follows the object"}
_DODGE: Final = 0.12  # of a bin, to either side


def intervals(table: pd.DataFrame, metrics: pd.DataFrame) -> Drawn:
    """Draw coverage and mean width of the best run of each model, over all test objects and by AVG.

    Parameters
    ----------
    table
        As `hiss.evaluation.coverage.coverage_table` returns it.
    metrics
        For the best run of each model, by `best_covered`.
    """
    part = best_covered(table, metrics)
    if part.empty:
        return sentence_figure("No run of this study has prediction intervals."), part
    models = model_order(part["model"])
    figure, axes = panels(len(models), 2, 2.1, sharex="col", sharey="col")
    for model, left, right in zip(models, axes[::2], axes[1::2], strict=True):
        own = part[part["model"] == model]
        first = own.iloc[0]
        methods = [name for name in METHOD_LABEL if (own["method"] == name).any()]
        for index, method in enumerate(methods):
            _draw_method(left, right, own[own["method"] == method], method, (2 * index - len(methods) + 1) * _DODGE)
        left.axhline(100 * first["level"], color=BLACK, linewidth=0.9, linestyle="--")
        left.set_ylabel(f"{model_name(model)}\ncoverage [%]")
        right.set_ylabel("mean width [dex]")
        left.set_title(f"{modality_label(first['modality'])}, zoom {first['zoom']}")
        _bins_axis(left, own)
        _bins_axis(right, own)
    for axis in axes[-2:]:
        axis.set_xlabel("log SFR of the catalogue, from the lowest")
    widest = part["mean_width"].replace([np.inf], np.nan).max()
    axes[1].set_ylim(0, 1.15 * widest if np.isfinite(widest) else 1)
    _legend(figure, part)
    return figure, part


def best_covered(table: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each model's run of the lowest validation RMSE, of those with the most kinds of interval.

    LightGBM's fusions of predictions have no quantiles, so that one of its own runs is taken.
    """
    keys = ["model", "modality", "zoom"]
    kinds = table.groupby(keys)["method"].nunique().rename("kinds").reset_index()
    covered = metrics[~metrics["model"].isin(BASELINE_NAMES)].merge(kinds, on=keys)
    best = covered.sort_values(["kinds", "validation_rmse"], ascending=[False, True], kind="stable")
    return table.merge(best.drop_duplicates("model")[keys], on=keys).reset_index(drop=True)


def _draw_method(left: Axes, right: Axes, rows: pd.DataFrame, method: str, dodge: float) -> None:
    x = np.arange(len(rows)) + dodge
    colour, marker = modality_colour(rows["modality"].iloc[0]), modality_marker(rows["modality"].iloc[0])
    face = colour if method == "quantiles" else "white"
    share = rows[["coverage", "coverage_low", "coverage_high"]].to_numpy().T * 100
    left.errorbar(x, share[0], yerr=error_bars(*share), fmt=marker, color=colour, markerfacecolor=face, linewidth=1.0)
    widths = rows["mean_width"].replace([np.inf], np.nan)
    right.plot(x, widths, marker, color=colour, markerfacecolor=face)


def _bins_axis(axis: Axes, rows: pd.DataFrame) -> None:
    one = rows[rows["method"] == rows["method"].iloc[0]]
    names = [
        "all" if row["bin"] == ALL_OBJECTS else f"{row['avg_low']:.1f} to\n{row['avg_high']:.1f}".replace("-", "−")
        for row in one.to_dict("records")
    ]
    axis.set_xticks(range(len(names)), names)
    axis.set_xlim(-0.5, len(names) - 0.5)
    axis.axvline(0.5, color=GREY, linewidth=0.6)
    axis.grid(visible=False, axis="x")


def _legend(figure: Figure, part: pd.DataFrame) -> None:
    handles = [
        Line2D(
            [],
            [],
            color=GREY,
            marker="o",
            linestyle="none",
            label=METHOD_LABEL[name],
            markerfacecolor=GREY if name == "quantiles" else "white",
        )
        for name in METHOD_LABEL
        if (part["method"] == name).any()
    ]
    level = Line2D([], [], color=BLACK, linestyle="--", label=f"nominal, {100 * part['level'].iloc[0]:g} %")
    figure.legend(handles=[*handles, level], loc="outside upper center", ncols=3)
