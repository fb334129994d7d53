"""What came out: metrics, run times, predicted against true, accuracy against cost."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiss.evaluation.collect import BASELINE_NAMES, METRICS, modality_order, model_name, model_order
from hiss.modality import FUSIONS
from hiss.names import split_settings
from hiss.plots.style import (
    BLACK,
    GREY,
    METRIC_LABEL,
    MODEL_MARKER,
    draw_ceiling,
    error_bars,
    legend_columns,
    modality_colour,
    modality_label,
    modality_marker,
    panels,
    sentence_figure,
)

Drawn = tuple[Figure, pd.DataFrame]

_DODGE = 0.13  # of a step in zoom, so that the modalities' intervals do not cover each other


def metrics_of_model(metrics: pd.DataFrame, model: str) -> Drawn:
    """Draw the four test metrics against zoom, a colour a modality, with 95 % intervals (3.7, 3.15, 3.23)."""
    part = metrics[metrics["model"] == model]
    if part.empty:
        return sentence_figure(f"{model_name(model)} is not in this grid, so it has no metrics."), part
    figure, axes = panels(2, 2, 2.3, sharex=True)
    modalities = modality_order(part["modality"])
    for axis, name in zip(axes, METRICS, strict=True):
        for index, modality in enumerate(modalities):
            line = part[part["modality"] == modality].sort_values("zoom")
            x = line["zoom"] + (index - (len(modalities) - 1) / 2) * _DODGE
            error = error_bars(line[name], line[f"{name}_low"], line[f"{name}_high"])
            axis.errorbar(
                x, line[name], yerr=error, color=modality_colour(modality), marker=modality_marker(modality),
                capsize=2, linewidth=0.9, label=modality_label(modality),
            )  # fmt: skip
        axis.set_ylabel(METRIC_LABEL[name])
        draw_ceiling(axis, name, float(part["r2_ceiling"].iloc[0]))
        _zoom_axis(axis, part["zoom"])
    for axis in axes[2:]:
        axis.set_xlabel("zoom (side of the cutout)")
    _legend_outside(figure, axes[0])
    columns = ["model", "modality", "zoom", "settings", "n"]
    columns += [f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")]
    return figure, part[[*columns, "r2_ceiling"]].reset_index(drop=True)


def _zoom_axis(axis: Axes, zooms: pd.Series) -> None:
    present = sorted({int(zoom) for zoom in zooms})
    axis.set_xticks(present, [f"{zoom} ({64 >> zoom} px)" for zoom in present])
    axis.set_xlim(present[0] - 0.5, present[-1] + 0.5)


def _legend_outside(figure: Figure, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=legend_columns(len(labels)))


def runtime_of_model(metrics: pd.DataFrame, model: str) -> Drawn:
    """Draw the fit time, the predict time and the peak memory of the selected runs (3.8, 3.16, 3.24)."""
    part = metrics[metrics["model"] == model]
    if part.empty:
        return sentence_figure(f"{model_name(model)} is not in this grid, so it has no run time."), part
    shown = {name: label for name, label in _COSTS.items() if name != "gpu_s" or (part["gpu_s"] > 0).any()}
    figure, axes = panels(1, len(shown), 2.6)
    for axis, (column, label) in zip(axes, shown.items(), strict=True):
        for modality in modality_order(part["modality"]):
            line = part[(part["modality"] == modality) & (part[column] > 0)].sort_values("zoom")
            if len(line):
                axis.plot(
                    line["zoom"], line[column], color=modality_colour(modality), marker=modality_marker(modality),
                    linestyle="--" if modality in FUSIONS else "-", label=modality_label(modality),
                )  # fmt: skip
        axis.set_ylabel(label)
        axis.set_xlabel("zoom")
        _cost_axis(axis, part.loc[part[column] > 0, column], logarithmic=column != "peak_memory_mb")
        present = sorted({int(zoom) for zoom in part["zoom"]})
        axis.set_xticks(present)
        axis.set_xlim(present[0] - 0.4, present[-1] + 0.4)
    _legend_outside(figure, axes[0])
    return figure, part[["model", "modality", "zoom", "settings", *_COSTS]].reset_index(drop=True)


_COSTS = {
    "fit_s": "fit, wall clock [s]",
    "cpu_s": "fit, processor [s]",
    "gpu_s": "fit, GPU [s]",
    "predict_s": "predict, wall clock [s]",
    "peak_memory_mb": "memory [MB]",
}


def _cost_axis(axis: Axes, values: pd.Series, logarithmic: bool) -> None:
    """Begin and end at whole decades, so that a short range has labels too."""
    if values.empty:
        return
    if not logarithmic:
        axis.set_ylim(0, 1.15 * values.max())
        return
    axis.set(yscale="log", ylim=_decades(values))


def _decades(values: pd.Series) -> tuple[float, float]:
    """Return the whole decades that hold all values with room at the ends."""
    return float(10 ** np.floor(np.log10(values.min() / 1.2))), float(10 ** np.ceil(np.log10(values.max() * 1.2)))


def beside_baselines(metrics: pd.DataFrame) -> Drawn:
    """Draw R2 and RMSE of the baselines and of the best run of each model, with the ceiling that the label sets.

    The best run is that of the lowest validation RMSE.
    """
    rows = beside(metrics)
    figure, axes = panels(1, 2, 0.9 + 0.27 * len(rows), sharey=True)
    y = np.arange(len(rows))
    for axis, name in zip(axes, ("r2", "rmse"), strict=True):
        ends = error_bars(rows[name], rows[f"{name}_low"], rows[f"{name}_high"])
        for place, row in enumerate(rows.to_dict("records")):
            axis.errorbar(
                row[name], place, xerr=ends[:, [place]], fmt=modality_marker(row["modality"]), capsize=2,
                color=modality_colour(row["modality"]),
            )  # fmt: skip
        axis.set_xlabel(METRIC_LABEL[name])
        axis.grid(visible=False, axis="y")
    ceiling = float(rows["r2_ceiling"].iloc[0])
    if np.isfinite(ceiling):
        label = "ceiling: the label's own width taken for noise"
        axes[0].axvline(ceiling, color=BLACK, linestyle="--", linewidth=0.9, label=label)
        _legend_outside(figure, axes[0])
    axes[0].set_yticks(y, [_named(row) for row in rows.to_dict("records")])
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    return figure, rows


def beside(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics of each baseline and of the best run of each model, by validation RMSE."""
    first = metrics.sort_values("validation_rmse", kind="stable").drop_duplicates("model").set_index("model")
    learned = [name for name in model_order(first.index) if name not in BASELINE_NAMES]
    baselines = [name for name in model_order(first.index) if name in BASELINE_NAMES]
    columns = ["model", "modality", "zoom", "settings", "n"]
    columns += [f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")]
    return first.loc[[*baselines, *learned]].reset_index()[[*columns, "r2_ceiling"]]


def _named(row: dict[Any, Any]) -> str:
    name = model_name(row["model"])
    if row["model"] not in BASELINE_NAMES:
        return f"{name}, {modality_label(row['modality'])}, zoom {row['zoom']}"
    settings = [part.partition("=")[2] for part in split_settings(row["settings"])]
    return f"{name} ({', '.join(settings)})" if any(settings) else name


def pareto(runs: pd.DataFrame, metrics: pd.DataFrame) -> Drawn:
    """Draw validation RMSE by fit time: of all runs as they ran, and of the selected ones and fusions timed alone.

    A plot to choose by: the test set has no place in it.
    """
    trained = runs[~runs["modality"].isin(FUSIONS) & (runs["fit_s"] > 0)]
    if trained.empty:
        return sentence_figure("No run has a fit time, so accuracy cannot be set against cost."), trained
    selected = metrics[metrics["fit_s"] > 0]
    figure, axes = panels(1, 2, 3.3, sharex=True, sharey=True)
    titles = {f"all {len(trained)} training runs, as they ran": trained, "selected runs and fusions, alone": selected}
    data = []
    for axis, (title, part) in zip(axes, titles.items(), strict=True):
        for place in part.to_dict("records"):
            axis.plot(place["fit_s"], place["validation_rmse"], **_marker(place, 4.5, 0.75))
        front = pareto_front(part)
        axis.step(front["fit_s"], front["validation_rmse"], where="post", color=GREY, linewidth=1.0, zorder=0)
        axis.set_title(title)
        axis.set(xscale="log", xlabel="time of the fit [s]")
        columns = ["model", "modality", "zoom", "settings", "fit_s", "validation_rmse"]
        data.append(part[columns].assign(panel=title, on_front=part.index.isin(front.index)))
    axes[0].set(xlim=_decades(pd.concat([trained["fit_s"], selected["fit_s"]])), ylabel="validation RMSE [dex]")
    _pareto_legend(figure, trained, metrics)
    return figure, pd.concat(data, ignore_index=True)


def pareto_front(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs no other run beats in both fit time and validation RMSE, cheapest first."""
    ordered = runs.sort_values(["fit_s", "validation_rmse"])
    best = ordered["validation_rmse"].cummin()
    return ordered[ordered["validation_rmse"].lt(best.shift(fill_value=np.inf))]


def _marker(place: dict[Any, Any], size: float, alpha: float) -> dict[str, Any]:
    return {
        "marker": MODEL_MARKER[place["model"]],
        "color": modality_colour(place["modality"]),
        "markersize": size * (1.6 if place["model"] == "vggnet12" else 1.0),
        "markeredgewidth": 1.5 if place["model"] == "mean" else 0,
        "alpha": alpha,
    }


def _pareto_legend(figure: Figure, runs: pd.DataFrame, metrics: pd.DataFrame) -> None:
    present = set(runs["modality"]) | set(metrics["modality"])
    handles = [
        Line2D([], [], color=modality_colour(name), linewidth=4, label=modality_label(name))
        for name in modality_order(present)
    ]
    handles += [
        Line2D([], [], color=GREY, marker=MODEL_MARKER[name], linestyle="none", label=model_name(name))
        for name in model_order(runs["model"])
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
