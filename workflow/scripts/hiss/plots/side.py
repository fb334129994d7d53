"""Targets beside the study: score against the zoom and against cost, confusion, calibration, true against predicted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiss.evaluation.collect import modality_order, model_name, model_order
from hiss.plots.style import (
    BLACK,
    FULL_WIDTH,
    GREY,
    MODEL_MARKER,
    error_bars,
    legend_columns,
    modality_colour,
    modality_label,
    modality_marker,
    panels,
    plt,
    save_figure,
    zoom_label,
)
from hiss.side.chosen import best_first

Drawn = tuple[Figure, pd.DataFrame]

_DODGE: Final = 0.09
_SIZE: Final = (90.0, 60.0, 38.0, 22.0)  # of a marker by zoom: the finest is the largest
_COSTS: Final = {
    "fit_s": "fit [s]",
    "predict_per_object_us": "prediction [µs/object]",
    "peak_memory_mb": "memory of the fit [MB]",
}
_LABEL: Final = {"balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1", "r2": "$R^2$"}
_NAMES: Final = {"GALAXY": "galaxy", "QSO": "quasar", "STAR": "star"}


def draw_target(
    folder: Path | str, target: str, label: str, tables: Mapping[str, pd.DataFrame], tests: pd.DataFrame
) -> None:
    """Write all figures of a target, ``fig_side_<what>_<target>``.

    Parameters
    ----------
    label
        Kind of its label.
    tables
        ``scores``, ``confusion`` and ``reliability`` as `hiss.side.scores.tables_of` returns them.
    tests
        Its test predictions, of all models.
    """
    drawn = {"zoom": against_zoom(tables["scores"]), "cost": against_cost(tables["scores"])}
    if label == "redshift":
        drawn["scatter"] = scatter(tests, tables["scores"])
    else:
        drawn["confusion"] = confusion(tables["confusion"], tables["scores"])
        drawn["reliability"] = reliability(tables["reliability"])
    for name, (figure, data) in drawn.items():
        save_figure(figure, folder, f"fig_side_{name}_{target}", data)


def against_zoom(scores: pd.DataFrame) -> Drawn:
    """Draw two scores against the zoom: a row a score, a panel a model, a line a modality."""
    names = ["balanced_accuracy", "macro_f1"] if "macro_f1" in scores else ["rmse", "r2"]
    models = model_order(scores["model"])
    figure, grid = plt.subplots(2, len(models), figsize=(FULL_WIDTH, 4.4), squeeze=False, sharex=True, sharey="row")
    modalities = modality_order(scores["modality"])
    for name, axes in zip(names, grid, strict=True):
        for model, axis in zip(models, axes, strict=True):
            for index, modality in enumerate(modalities):
                own = (scores["model"] == model) & (scores["modality"] == modality)
                line = scores[own].sort_values("zoom")
                x = line["zoom"] + (index - (len(modalities) - 1) / 2) * _DODGE
                error = error_bars(line[name], line[f"{name}_low"], line[f"{name}_high"])
                axis.errorbar(
                    x, line[name], yerr=error, color=modality_colour(modality), marker=modality_marker(modality),
                    capsize=2, linewidth=0.9, label=modality_label(modality),
                )  # fmt: skip
        axes[0].set_ylabel(_axis_label(name))
    present = sorted({int(zoom) for zoom in scores["zoom"]})
    for model, axis in zip(models, grid[0], strict=True):
        axis.set_title(model_name(model))
    for axis in grid[1]:
        axis.set_xticks(present)
        axis.set_xlim(present[0] - 0.5, present[-1] + 0.5)
        axis.set_xlabel("zoom")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=legend_columns(len(labels)))
    columns = ["model", "modality", "zoom", *(f"{name}{end}" for name in names for end in ("", "_low", "_high"))]
    return figure, scores[columns].reset_index(drop=True)


def _axis_label(name: str) -> str:
    return _LABEL.get(name, name.upper())


def against_cost(scores: pd.DataFrame) -> Drawn:
    """Draw the score of every run against the time of its fit, of a prediction, and its memory, in one row.

    Colour tells the modality, the marker the model, its size the zoom.
    """
    score = "balanced_accuracy" if "balanced_accuracy" in scores else "rmse"
    figure, axes = panels(1, len(_COSTS), 3.2, sharey=True)
    for axis, (column, label) in zip(axes, _COSTS.items(), strict=True):
        for row in scores[scores[column] > 0].to_dict("records"):
            axis.scatter(
                row[column], row[score], s=_SIZE[int(row["zoom"])], color=modality_colour(row["modality"]),
                marker=MODEL_MARKER[row["model"]], linewidths=0.4, edgecolors=BLACK, alpha=0.9,
            )  # fmt: skip
        _cost_axis(axis, scores.loc[scores[column] > 0, column], logarithmic=column != "peak_memory_mb")
        axis.set_xlabel(label)
    axes[0].set_ylabel(_axis_label(score))
    plain: dict[str, Any] = {"linestyle": "", "markeredgecolor": BLACK, "markeredgewidth": 0.4}
    handles = [
        Line2D([], [], marker="s", color=modality_colour(name), label=modality_label(name), **plain)
        for name in modality_order(scores["modality"])
    ]
    handles += [
        Line2D([], [], marker=MODEL_MARKER[name], color=GREY, label=model_name(name), **plain)
        for name in model_order(scores["model"])
    ]
    handles += [
        Line2D([], [], marker="o", color="white", markersize=_SIZE[zoom] ** 0.5, label=zoom_label(zoom), **plain)
        for zoom in sorted({int(zoom) for zoom in scores["zoom"]})
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure, scores[["model", "modality", "zoom", score, *_COSTS]].reset_index(drop=True)


def _cost_axis(axis: Axes, values: pd.Series, logarithmic: bool) -> None:
    """Begin and end at whole decades, so that a short range has labels too; memory begins at none."""
    if logarithmic and len(values):
        ends = 10 ** np.floor(np.log10(values.min() / 1.2)), 10 ** np.ceil(np.log10(values.max() * 1.2))
        axis.set(xscale="log", xlim=ends)
    elif len(values):
        axis.set_xlim(0, 1.15 * values.max())


def confusion(table: pd.DataFrame, scores: pd.DataFrame) -> Drawn:
    """Draw the confusion of the best model of each modality at its finest zoom: share of each true class."""
    chosen = _best_places(scores)
    names = list(dict.fromkeys(table["truth"]))
    figure, axes = panels(1, len(chosen), 2.5)
    parts = []
    for axis, place in zip(axes, chosen, strict=True):
        own = _at(table, place)
        parts.append(own)
        share = own.pivot(index="truth", columns="prediction", values="share").loc[names, names].to_numpy()
        count = own.pivot(index="truth", columns="prediction", values="count").loc[names, names].to_numpy()
        axis.imshow(share, cmap="cividis", vmin=0, vmax=1)
        axis.grid(visible=False)
        for (y, x), value in np.ndenumerate(share):
            said = f"{100 * value:.0f} %\n({count[y, x]})" if np.isfinite(value) else "–"
            axis.text(x, y, said, ha="center", va="center", fontsize=7, color=BLACK if value > 0.55 else "white")
        shown = [_NAMES.get(name, name) for name in names]
        axis.set_xticks(range(len(names)), shown, rotation=25, ha="right")
        axis.set_yticks(range(len(names)), shown if axis is axes[0] else [])
        axis.set_xlabel("taken for")
        axis.set_title(f"{modality_label(place[1])}\n{model_name(place[0])}, zoom {place[2]}", fontsize=8)
    axes[0].set_ylabel("is a")
    return figure, pd.concat(parts, ignore_index=True)


def _best_places(scores: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Return model, modality and zoom of the model that validates best for each modality, at the finest zoom."""
    fine = best_first(scores[scores["zoom"] == scores["zoom"].min()])
    best = fine.drop_duplicates("modality").set_index("modality")
    return [(str(best.loc[name, "model"]), name, int(best["zoom"].loc[name])) for name in modality_order(best.index)]


def _at(table: pd.DataFrame, place: tuple[str, str, int]) -> pd.DataFrame:
    model, modality, zoom = place
    return table[(table["model"] == model) & (table["modality"] == modality) & (table["zoom"] == zoom)]


def reliability(table: pd.DataFrame) -> Drawn:
    """Draw the share of hits against the probability of the predicted class at the finest zoom, a panel a model."""
    table = table[table["zoom"] == table["zoom"].min()]
    models = model_order(table["model"])
    figure, axes = panels(1, len(models), 2.8, sharey=True)
    for model, axis in zip(models, axes, strict=True):
        axis.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=0.9)
        for modality in modality_order(table.loc[table["model"] == model, "modality"]):
            line = table[(table["model"] == model) & (table["modality"] == modality)].sort_values("confidence")
            axis.errorbar(
                line["confidence"], line["hit_share"], yerr=error_bars(line["hit_share"], line["low"], line["high"]),
                color=modality_colour(modality), marker=modality_marker(modality), capsize=2, linewidth=0.9,
                label=modality_label(modality),
            )  # fmt: skip
        axis.set(title=model_name(model), xlabel="probability of the named class", xlim=(0.25, 1.02), ylim=(0, 1.04))
    axes[0].set_ylabel("share of hits")
    handles, labels = _handles(axes)
    figure.legend(handles, labels, loc="outside upper center", ncols=legend_columns(len(labels)))
    return figure, table.reset_index(drop=True)


def _handles(axes: list[Axes]) -> tuple[list[Any], list[str]]:
    known: dict[str, Any] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        known |= dict(zip(labels, handles, strict=True))
    return list(known.values()), list(known)


def scatter(tests: pd.DataFrame, scores: pd.DataFrame) -> Drawn:
    """Draw predicted against true redshift, and the error below it, of the best model of each modality."""
    chosen = _best_places(scores)
    figure, grid = plt.subplots(
        2, len(chosen), figsize=(FULL_WIDTH, 4.0), squeeze=False, sharex=True, sharey="row", height_ratios=[2, 1]
    )
    most = 1.05 * float(tests["truth"].max())
    parts = []
    for column, place in zip(grid.T, chosen, strict=True):
        own = _at(tests, place)
        parts.append(own[["model", "modality", "zoom", "target_id", "truth", "prediction"]])
        colour = modality_colour(place[1])
        column[0].plot([0, most], [0, most], color=GREY, linestyle="--", linewidth=0.9)
        column[0].plot(own["truth"], own["prediction"], ".", color=colour, markersize=3, alpha=0.7, rasterized=True)
        error = (own["prediction"] - own["truth"]) / (1 + own["truth"])
        column[1].axhline(0, color=GREY, linestyle="--", linewidth=0.9)
        column[1].plot(own["truth"], error, ".", color=colour, markersize=3, alpha=0.7, rasterized=True)
        column[0].set_title(f"{modality_label(place[1])}\n{model_name(place[0])}, zoom {place[2]}", fontsize=8)
        column[1].set_xlabel("redshift")
    grid[0][0].set_ylabel("predicted redshift")
    grid[1][0].set_ylabel("error / (1 + z)")
    return figure, pd.concat(parts, ignore_index=True)
