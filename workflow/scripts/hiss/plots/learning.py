"""Learning curves: the RMSE against the number of training objects, and what doubling it would bring."""

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from hiss.evaluation.collect import modality_order, model_name, model_order
from hiss.plots.style import (
    GREY,
    error_bars,
    modality_colour,
    modality_label,
    modality_marker,
    panels,
    sentence_figure,
)

Drawn = tuple[Figure, pd.DataFrame]

_DODGE: Final = 0.02  # of a decade


def learning_curve(points: pd.DataFrame, fits: pd.DataFrame) -> Drawn:
    """Draw RMSE on the validation objects against the number of training objects, a panel a model, a line a modality.

    A power law is drawn where it is determined, up to twice as many objects as there are.

    Parameters
    ----------
    points, fits
        As `hiss.evaluation.learning.learning_curves` returns them.
    """
    if points.empty:
        return sentence_figure("No variant of this study trains on a share of the objects."), points
    models = model_order(points["model"])
    figure, axes = panels(1, len(models), 3.2, sharey=True)
    for axis, model in zip(axes, models, strict=True):
        own = points[points["model"] == model]
        names = modality_order(own["modality"])
        for index, name in enumerate(names):
            rows = own[own["modality"] == name].sort_values("n_train")
            _draw(axis, rows, name, (index - (len(names) - 1) / 2) * _DODGE)
            fitted = fits[(fits["model"] == model) & (fits["modality"] == name)]
            for row in fitted[fitted["determined"].astype(bool)].to_dict("records"):
                _extend(axis, row, rows["n_train"].min(), name)
        axis.set_title(f"{model_name(model)}, zoom {', '.join(str(zoom) for zoom in sorted(set(own['zoom'])))}")
        axis.set(xscale="log", xlabel="training objects")
        sizes = sorted(set(own["n_train"]))
        apart = [size for place, size in enumerate(sizes) if place == 0 or size > 1.15 * sizes[place - 1]]
        axis.xaxis.set_major_locator(FixedLocator(apart))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xticklabels([f"{size:,}" for size in apart])
    axes[0].set_ylabel("RMSE on the validation objects [dex]")
    handles = [
        Line2D([], [], color=modality_colour(name), marker=modality_marker(name), label=modality_label(name))
        for name in modality_order(points["modality"])
    ]
    if fits["determined"].astype(bool).any():
        handles.append(Line2D([], [], color=GREY, linestyle="--", label="power law, to twice as many"))
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure, points


def _draw(axis: Axes, rows: pd.DataFrame, modality: str, dodge: float) -> None:
    axis.errorbar(
        rows["n_train"] * 10**dodge, rows["rmse"], yerr=error_bars(rows["rmse"], rows["low"], rows["high"]),
        color=modality_colour(modality), marker=modality_marker(modality), capsize=2, linewidth=0.9,
    )  # fmt: skip


def _extend(axis: Axes, row: dict[Any, Any], least: float, modality: str) -> None:
    n = np.geomspace(least, 2 * row["n_all"], 100)
    axis.plot(
        n, row["floor"] + row["factor"] * n ** -row["exponent"], color=modality_colour(modality), linestyle="--",
        linewidth=0.9,
    )  # fmt: skip
