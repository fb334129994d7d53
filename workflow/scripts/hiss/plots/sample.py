"""Figures 2.1 to 2.5 and 3.3 of the study: labels, missing flux, gaps, multi-object cutouts, classes."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter
from numpy.typing import NDArray

from hiss.plots.style import (
    BLUE,
    SFR_LABEL,
    SKY,
    VERMILION,
    WAVELENGTH_LABEL,
    ZOOM_COLOUR,
    ZOOM_LINE,
    panels,
    sentence_figure,
    zoom_label,
)
from hiss.sdss.labels import is_label

NO_OBJECT = "No object of this sky has a usable star formation rate, so there is nothing to show."

Drawn = tuple[Figure, pd.DataFrame]
"""A figure and the data behind it."""


def avg_distribution(objects: pd.DataFrame) -> Drawn:
    """Draw Figure 2.1, the distribution of AVG, all labelled objects and those of FLAG = 0."""
    if objects.empty:
        return sentence_figure(NO_OBJECT), pd.DataFrame(columns=["low", "high", "all", "flag0"])
    avg = objects["avg"].to_numpy(np.float64)
    edges = np.linspace(*_padded(avg), 33)
    every, _ = np.histogram(avg, edges)
    good, _ = np.histogram(avg[objects["flag"].to_numpy() == 0], edges)
    figure, (axes,) = panels(1, 1, 3.0)
    axes.stairs(every, edges, color=SKY, fill=True, label=f"with a star formation rate ({len(avg):,})")
    axes.stairs(good, edges, color=BLUE, linewidth=1.6, label=f"FLAG = 0 ({int(good.sum()):,})")
    axes.set(xlabel=f"AVG: {SFR_LABEL}", ylabel="galaxies")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    _legend_above(axes)
    return figure, pd.DataFrame({"low": edges[:-1], "high": edges[1:], "all": every, "flag0": good})


def _padded(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _legend_above(axes: object, columns: int = 2) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=columns, borderaxespad=0.2)  # type: ignore[attr-defined]


def missing_flux(missing: pd.DataFrame) -> Drawn:
    """Draw Figure 2.2, the share of spectra by their fraction of missing flux at zoom 0."""
    fraction = missing.loc[missing["zoom"] == 0, "fraction"].to_numpy(np.float64)
    names = ["none", "up to 1 %", "1 to 5 %", "5 to 10 %", "10 to 50 %", "over 50 %", "all"]
    columns = ["missing", "spectra", "share"]
    if len(fraction) == 0:
        return sentence_figure(NO_OBJECT), pd.DataFrame(columns=columns)
    bins = np.select(
        [fraction == 0, fraction <= 0.01, fraction <= 0.05, fraction <= 0.1, fraction <= 0.5, fraction < 1],
        range(6),
        default=6,
    )
    counts = np.bincount(bins, minlength=7)
    share = counts / len(fraction)
    figure, (axes,) = panels(1, 1, 3.0)
    bars = axes.bar(names, share * 100, color=BLUE, width=0.7)
    axes.bar_label(bars, labels=[f"{count:,}" for count in counts], fontsize=8, padding=1)
    axes.set(xlabel="flux samples missing from the spectrum", ylabel="share of spectra [%]")
    axes.grid(axis="x", visible=False)
    axes.margins(y=0.1)
    return figure, pd.DataFrame({"missing": names, "spectra": counts, "share": share})


def gap_lengths(gaps: pd.DataFrame, n_objects: int) -> Drawn:
    """Draw Figure 2.3, the distribution of the lengths of NaN blocks at each zoom, of ``n_objects`` spectra."""
    columns = ["zoom", "low", "high", "blocks"]
    if gaps.empty:
        return sentence_figure(_no_gap(n_objects)), pd.DataFrame(columns=columns)
    longest = int(gaps["length"].max())
    edges = np.unique(np.geomspace(1, longest + 1, 25).round().astype(int)) - 0.5
    figure, (axes,) = panels(1, 1, 3.0)
    parts = []
    for zoom, part in gaps.groupby("zoom"):
        k = int(str(zoom))
        counts, _ = np.histogram(part["length"], edges)
        axes.stairs(counts, edges, color=ZOOM_COLOUR[k], linestyle=ZOOM_LINE[k], linewidth=1.5, label=zoom_label(k))
        parts.append(pd.DataFrame({"zoom": k, "low": edges[:-1], "high": edges[1:], "blocks": counts}))
    axes.set(
        xscale="log", yscale="log", xlabel="length of a NaN block [samples]", ylabel="NaN blocks", ylim=(0.7, None)
    )
    _legend_above(axes, 4)
    return figure, pd.concat(parts, ignore_index=True)


def _no_gap(n_objects: int) -> str:
    return f"None of the {n_objects:,} spectra has a gap." if n_objects else NO_OBJECT


def gap_wavelengths(gaps: pd.DataFrame, wl: NDArray[np.floating], n_objects: int) -> Drawn:
    """Draw Figure 2.4, the share of spectra without flux at each wavelength, a panel a zoom.

    Spectra that are missing whole are left out: they would only lift the curve.

    Parameters
    ----------
    gaps
        One row a NaN block: ``zoom``, ``first`` and ``length`` in samples of that zoom.
    wl
        (n_samples,) wavelength of each sample at zoom 0 [Angstrom]; coarser zooms share its first and last.
    n_objects
        Spectra that were searched for gaps.
    """
    parts = [_uncovered(part, int(str(zoom)), wl, n_objects) for zoom, part in gaps.groupby("zoom")]
    parts = [part for part in parts if part["spectra"].any()]
    if not parts:
        nothing = pd.DataFrame(columns=["zoom", "wavelength", "spectra", "share"])
        return sentence_figure(_no_gap(n_objects)), nothing
    figure, axes = panels(len(parts), 1, 0.6 + 0.9 * 4 / (3 + len(parts)), sharex=True, sharey=True)
    for axis, part in zip(axes, parts, strict=True):
        zoom = int(part["zoom"].iloc[0])
        axis.fill_between(
            part["wavelength"], part["share"] * 100, color=ZOOM_COLOUR[zoom], step="mid", linewidth=0, rasterized=True
        )
        axis.set_title(zoom_label(zoom), loc="left", pad=2)
    axes[-1].set(xlabel=WAVELENGTH_LABEL, ylim=(0, None), xlim=(wl[0], wl[-1]))
    figure.supylabel("spectra without flux [%]", fontsize=9)
    return figure, pd.concat(parts, ignore_index=True)


def _uncovered(gaps: pd.DataFrame, zoom: int, wl: NDArray[np.floating], n_objects: int) -> pd.DataFrame:
    """Return how many spectra have no flux at each sample of a zoom, those missing whole aside."""
    size = len(wl) >> zoom
    part = gaps[gaps["length"] < size]
    first, length = part["first"].to_numpy(), part["length"].to_numpy()
    ends = np.bincount(first, minlength=size + 1) - np.bincount(first + length, minlength=size + 1)
    counts = np.cumsum(ends)[:size]
    table = pd.DataFrame({"zoom": zoom, "wavelength": np.linspace(wl[0], wl[-1], size), "spectra": counts})
    return table.assign(share=counts / n_objects)


def class_counts(targets: pd.DataFrame) -> Drawn:
    """Draw Figure 3.3, how many galaxies, quasars and stars the cube holds, and how many of them have a label.

    Parameters
    ----------
    targets
        ``dense_cube/targets``: ``class`` as the survey's pipeline gives it, and ``avg``.
    """
    kinds = targets["class"].astype(str).str.strip().replace("", "unknown")
    labelled = kinds[is_label(targets["avg"])]
    names = [*_CLASSES, *sorted(set(kinds) - set(_CLASSES))]
    data = pd.DataFrame({"class": names, "targets": [int((kinds == name).sum()) for name in names]})
    data["with_sfr"] = [int((labelled == name).sum()) for name in names]
    if targets.empty:
        return sentence_figure("The cube holds no object with images in all five bands and a spectrum."), data
    figure, (axes,) = panels(1, 1, 2.8)
    x = np.arange(len(data))
    for column, label, colour, offset in (
        ("targets", "all objects of the cube", SKY, -0.2),
        ("with_sfr", "with a star formation rate", BLUE, 0.2),
    ):
        # A log axis has no zero: a class without an object has a number and no bar.
        bars = axes.bar(x + offset, np.maximum(data[column], 0.5), 0.38, color=colour, label=label, bottom=0.0)
        axes.bar_label(bars, labels=[f"{count:,}" for count in data[column]], fontsize=8, padding=1)
    axes.set_xticks(x, [_CLASSES.get(name, name.lower()) for name in data["class"]])
    most = max(1, int(data["targets"].max()))
    axes.set(yscale="log", ylim=(0.5, 10 ** np.ceil(np.log10(2 * most))), ylabel="number of objects")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("class by the survey's spectroscopic pipeline")
    axes.grid(axis="x", visible=False)
    _legend_above(axes)
    return figure, data


_CLASSES: Final = {"GALAXY": "galaxies", "QSO": "quasars", "STAR": "stars"}
"""The survey's classes as they are named to a reader, in the order of the figure."""


def multi_objects(cutouts: NDArray[np.float32], flagged: pd.DataFrame, threshold: float, n_objects: int) -> Drawn:
    """Draw Figure 2.5, a gallery of cutouts flagged as multi-object.

    Parameters
    ----------
    cutouts
        (n, 64, 64) cutouts in the band of the test, those flagged.
    flagged
        One row a cutout: ``row, target_id, n_regions``.
    threshold
        The level of the scaled cutout that is outlined.
    n_objects
        Cutouts that were tested, flagged or not.
    """
    if len(cutouts) == 0:
        tested = f"None of the {n_objects:,} cutouts holds more than one object." if n_objects else NO_OBJECT
        return sentence_figure(tested), flagged
    columns = 6
    rows = -(-len(cutouts) // columns)
    figure, axes = panels(rows, columns, height=1.4)
    for axis in axes:
        axis.set_axis_off()
    for axis, cutout, regions in zip(axes, cutouts, flagged["n_regions"], strict=False):
        low, high = np.nanmin(cutout), np.nanmax(cutout)
        scaled = (cutout - low) / (high - low) if high > low else np.zeros_like(cutout)
        axis.imshow(np.arcsinh(20 * scaled), cmap="gray_r", origin="lower", interpolation="nearest")
        axis.contour(np.nan_to_num(scaled), levels=[threshold], colors=[VERMILION], linewidths=0.9)
        axis.set_title(f"{int(regions)} regions", fontsize=8, pad=2)
    return figure, flagged
