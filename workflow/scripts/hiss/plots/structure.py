"""Structure without labels: where objects lie, coloured by what is known of them, and the numbers against the zoom."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hiss.evaluation.collect import modality_order
from hiss.plots.style import (
    BLUE,
    FULL_WIDTH,
    GREY,
    SFR_LABEL,
    VERMILION,
    YELLOW,
    error_bars,
    modality_colour,
    modality_label,
    modality_marker,
    panels,
    plt,
    sentence_figure,
    zoom_label,
)

Drawn = tuple[Figure, pd.DataFrame]

TOO_FEW: Final = "Too few objects of this sky have a whole cutout and spectrum to look for structure."

_KINDS: Final = {"GALAXY": ("galaxy", BLUE, "o"), "QSO": ("quasar", VERMILION, "^"), "STAR": ("star", YELLOW, "*")}
_SHOWN: Final = [
    "zoom", "target_id", "class", "z", "log_sfr", "tsne_1", "tsne_2", "pc_1", "pc_2", "umap_1", "umap_2", "kmeans",
    "hdbscan", "oddness",
]  # fmt: skip
_OTHER: Final = ("other", GREY, "s")
_DODGE: Final = 0.07

_PANELS: Final = (
    ("neighbours", "pca", "survival", "nearest neighbours of the finest\nzoom kept (Jaccard index)"),
    ("rv", "pca", "survival", "RV coefficient with the\ncomponents of the finest zoom"),
    ("ari_class", "kmeans", "scores", "adjusted Rand index of\nk-means and class"),
    ("purity", "pca", "scores", "share of neighbours of the\nsame class"),
    ("told_log_sfr", "pca", "scores", "$R^2$ of log SFR by\nneighbours"),
    ("told_z", "pca", "scores", "$R^2$ of galaxies' redshift by\nneighbours"),
)


def structure(places: Mapping[int, pd.DataFrame], objects: pd.DataFrame) -> Drawn:
    """Draw one kind of data: a row a zoom; t-SNE coloured by star formation rate, redshift and class.

    Parameters
    ----------
    places
        By zoom, as `hiss.structure.explore.explore` returns them.
    objects
        The same objects with ``class``, ``z`` and ``log_sfr``.
    """
    known = objects[["target_id", "class", "z", "log_sfr"]]
    tables = [
        table.drop(columns=["reason"]).merge(known, on="target_id").assign(zoom=zoom)
        for zoom, table in sorted(places.items())
        if len(table)
    ]
    if not tables:
        return sentence_figure(TOO_FEW), pd.DataFrame(columns=["zoom", "target_id"])
    data = pd.concat(tables, ignore_index=True)
    data = data[[name for name in _SHOWN if name in data]]
    figure, grid = plt.subplots(len(tables), 3, figsize=(FULL_WIDTH, 2.05 * len(tables) + 0.7), squeeze=False)
    galaxies = data.loc[data["class"] == "GALAXY", "z"]
    rate, redshift = _span(data["log_sfr"]), _span(galaxies if len(galaxies) else data["z"])
    drawn: list[Any] = []
    for row, (axes, table) in enumerate(zip(grid, tables, strict=True)):
        points = table[["tsne_1", "tsne_2"]].to_numpy()
        shade = [
            _shaded(axes[0], points, table["log_sfr"].to_numpy(), rate),
            _shaded(axes[1], points, table["z"].to_numpy(), redshift),
        ]
        drawn = drawn or shade
        _classes(axes[2], points, table["class"].to_numpy())
        for axis in axes:
            axis.set(xticks=[], yticks=[])
            axis.grid(visible=False)
        axes[0].set_ylabel(zoom_label(int(table["zoom"].iloc[0])))
        if row == len(tables) - 1:
            for axis in axes:
                axis.set_xlabel("t-SNE, in no unit")
    for column, (shade_of, label) in enumerate(
        zip(drawn, (SFR_LABEL, "redshift (scale of the galaxies)"), strict=True)
    ):
        figure.colorbar(shade_of, ax=list(grid[:, column]), location="top", label=label, aspect=30, extend="both")
    handles, names = _class_handles(grid[0, 2], set(data["class"]))
    legend = grid[0, 2].legend(
        handles, names, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, handletextpad=0.1, columnspacing=1
    )
    legend.set_in_layout(False)
    return figure, data


def _span(values: pd.Series) -> Normalize:
    """Return the scale of a colour bar, from the first to the last percentile."""
    known = values.dropna()
    low, high = np.percentile(known, [1, 99]) if len(known) else (0.0, 1.0)
    return Normalize(float(low), float(high) if high > low else float(low) + 1)


def _shaded(axis: Axes, points: NDArray, values: NDArray, norm: Normalize) -> Any:
    """Draw points by a quantity; those of which it is not known are small and grey."""
    told = np.isfinite(values)
    axis.scatter(points[~told, 0], points[~told, 1], s=3, color=GREY, alpha=0.4, linewidths=0, rasterized=True)
    return axis.scatter(
        points[told, 0], points[told, 1], s=5, c=values[told], norm=norm, cmap="cividis", linewidths=0, rasterized=True
    )


def _classes(axis: Axes, points: NDArray, kind: NDArray) -> None:
    for name in [*_KINDS, "others"]:
        own = kind == name if name in _KINDS else ~np.isin(kind, list(_KINDS))
        label, colour, marker = _KINDS.get(name, _OTHER)
        axis.scatter(points[own, 0], points[own, 1], label=label, rasterized=True, **_look(colour, marker))


def _look(colour: str, marker: str) -> dict[str, Any]:
    if marker == "o":
        return {"s": 4, "color": colour, "marker": marker, "alpha": 0.5, "linewidths": 0}
    return {"s": 22 if marker == "*" else 11, "color": colour, "marker": marker, "edgecolors": "k", "linewidths": 0.3}


def _class_handles(axis: Axes, there: set[str]) -> tuple[list[Any], list[str]]:
    names = {_KINDS.get(kind, _OTHER)[0] for kind in there}
    handles, labels = axis.get_legend_handles_labels()
    kept = [(handle, label) for handle, label in zip(handles, labels, strict=True) if label in names]
    return [handle for handle, _ in kept], [label for _, label in kept]


def scores(table: pd.DataFrame, survival: pd.DataFrame) -> Drawn:
    """Draw the numbers against the zoom, a line a kind of data, with the level of chance.

    Parameters
    ----------
    table, survival
        Of `hiss.structure.collect`.
    """
    parts = []
    for measure, space, source, label in _PANELS:
        own = table if source == "scores" else survival
        own = own[(own["measure"] == measure) & (own["space"] == space)]
        own = own[["modality", "zoom", "measure", "space", "value", "low", "high", "chance", "n"]]
        if len(own):
            parts.append((label, own))
    if not parts:
        return sentence_figure(TOO_FEW), pd.DataFrame(columns=["modality", "zoom", "measure", "value"])
    data = pd.concat([own for _, own in parts], ignore_index=True)
    names, zooms = modality_order(data["modality"]), sorted(set(table["zoom"]))
    figure, axes = panels(-(-len(parts) // 3), 3, 2.3)
    for axis, (label, own) in zip(axes, parts, strict=False):
        for index, name in enumerate(names):
            _line(axis, own[own["modality"] == name].sort_values("zoom"), name, (index - (len(names) - 1) / 2) * _DODGE)
        axis.set(xticks=zooms, xlim=(min(zooms) - 0.3, max(zooms) + 0.3), xlabel="zoom")
        axis.set_ylabel(label, fontsize=8)
    for axis in axes[len(parts) :]:
        axis.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure, data


def _line(axis: Axes, own: pd.DataFrame, name: str, shift: float) -> None:
    if own.empty:
        return
    x = own["zoom"].to_numpy(np.float64) + shift
    value = own["value"].to_numpy(np.float64)
    ends = error_bars(value, own["low"], own["high"])
    look: dict[str, Any] = {"color": modality_colour(name), "marker": modality_marker(name)}
    axis.errorbar(x, value, ends, label=modality_label(name), capsize=2, linewidth=1.2, **look)
    axis.plot(x, own["chance"], color=GREY, linestyle=":", linewidth=1, zorder=1)
