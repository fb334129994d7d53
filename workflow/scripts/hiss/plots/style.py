"""One style for every figure: colours that mean the same everywhere, legible in print, the same bytes each time."""

import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from hiss.bands import BANDS
from hiss.files import atomic, write_table
from hiss.modality import FUSIONS, Modality

# Okabe & Ito (2008): told apart with any colour vision, and in grey by their lightness.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#777777"
BROWN = "#8C510A"  # of no modality

_MODALITY_COLOUR = {
    "photo": BLUE,
    "spectra": ORANGE,
    "early": GREEN,
    "attention": SKY,
    "late": PURPLE,
    "stacked": VERMILION,
    "lines": BLACK,
    "none": GREY,
}
_MODALITY_MARKER = {
    "photo": "o",
    "spectra": "s",
    "early": "D",
    "attention": "P",
    "late": "^",
    "stacked": "v",
    "lines": "h",
    "none": "p",
}
_MODALITY_LABEL = {
    "photo": "photo",
    "spectra": "spectra",
    "early": "early fusion",
    "attention": "attention fusion",
    "late": "late fusion",
    "stacked": "stacked",
    "lines": "emission lines",
    "none": "no features",
}
MODEL_MARKER = {
    "decision_tree": "v",
    "lightgbm": "o",
    "vggnet12": "*",
    "mean": "_",
    "magnitudes": "P",
    "halpha": "X",
}
ZOOM_COLOUR = (BLACK, BLUE, SKY, ORANGE)
ZOOM_LINE = ("-", "--", "-.", ":")

METRIC_LABEL = {"r2": "$R^2$", "mae": "MAE [dex]", "rmse": "RMSE [dex]", "nmad": "NMAD [dex]"}
SFR_LABEL = r"log SFR [M$_\odot$ yr$^{-1}$]"
WAVELENGTH_LABEL = r"observed wavelength [$\mathrm{\AA}$]"
FLUX_LABEL = "flux [10$^{-17}$ erg s$^{-1}$\n" + r"cm$^{-2}$ $\mathrm{\AA}^{-1}$]"

FULL_WIDTH = 7.2  # inches: the text width of an A4 page
SMALLEST_TEXT = 7.0  # points: no text in a figure is smaller

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "svg.hashsalt": "hiss",
    "svg.fonttype": "path",
    "figure.constrained_layout.use": True,
}
mpl.rcParams.update(_STYLE)


def band_colour(band: str) -> tuple[float, ...]:
    """Return the colour of a filter, u dark to z light: told apart with any colour vision; name them too."""
    return tuple(mpl.colormaps["plasma"](0.85 * BANDS.index(band) / (len(BANDS) - 1)))


def modality_colour(name: str) -> str:
    """Return the colour of a modality, the same in every figure; one with something added has that of its base."""
    return _MODALITY_COLOUR[_base(name)]


def modality_marker(name: str) -> str:
    """Return the marker of a modality."""
    return _MODALITY_MARKER[_base(name)]


def modality_label(name: str) -> str:
    """Return how a modality is named in figures and tables: ``early fusion, spectra of zoom 0``."""
    label = _MODALITY_LABEL[_base(name)]
    if name in FUSIONS:
        return label
    modality = Modality.parse(name)
    if modality.spectra_zoom is not None:
        label += f", spectra of zoom {modality.spectra_zoom}"
    return (
        label
        + (", at rest" if modality.rest_frame else "")
        + (", with z" if modality.redshift else "")
        + (", with neighbours" if modality.environment else "")
    )


def _base(name: str) -> str:
    return name if name in FUSIONS else Modality.parse(name).base


def panels(rows: int, columns: int, height: float = 2.5, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure as wide as the page and its axes, row by row; ``height`` of a row in inches."""
    figure, axes = plt.subplots(rows, columns, figsize=(FULL_WIDTH, height * rows), squeeze=False, **options)
    return figure, list(axes.ravel())


def legend_columns(entries: int) -> int:
    """Return in how many columns a legend above a figure stands: one row of up to five, else rows as full."""
    return entries if entries <= 5 else -(-entries // -(-entries // 5))


def error_bars(value: ArrayLike, low: ArrayLike, high: ArrayLike) -> NDArray[np.float64]:
    """Return (2, n) lengths of bars below and above values (n,), for matplotlib's ``errorbar``.

    NaN where an end is not known: no bar is drawn there, while one of no length would show a value without error.
    """
    middle, below, above = (np.asarray(part, dtype=np.float64) for part in (value, low, high))
    bars: NDArray[np.float64] = np.clip(np.stack([middle - below, above - middle]), 0, None)
    return bars


def draw_ceiling(axes: Axes, metric: str, ceiling: float, label: str | None = "ceiling of the label") -> None:
    """Draw the R2 that the label's own width allows, in a panel of R2 and where it is a number in reach.

    A ceiling below zero, of labels wider than their spread, says nothing that fits into a panel.
    """
    if metric == "r2" and 0 < ceiling <= 1:
        axes.axhline(ceiling, color=BLACK, linestyle=(0, (4, 2)), linewidth=0.8, label=label, zorder=1)


def say_instead(axes: Axes, sentence: str) -> None:
    """Write a sentence where there is nothing to draw."""
    axes.set_axis_off()
    wrapped = "\n".join(textwrap.wrap(sentence, 46))
    axes.text(0.5, 0.5, wrapped, transform=axes.transAxes, ha="center", va="center", color=GREY)


def sentence_figure(sentence: str) -> Figure:
    """Return a low figure that says why it shows nothing."""
    figure, (axes,) = panels(1, 1, height=1.1)
    say_instead(axes, sentence)
    return figure


def save_figure(figure: Figure, folder: Path | str, name: str, data: pd.DataFrame) -> None:
    """Write ``<name>.svg``, ``<name>.png`` and the data behind them, ``<name>.csv``, and close the figure.

    The same figure gives the same bytes: no date, no random ids.
    """
    folder = Path(folder)
    for suffix, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
        with atomic(folder / f"{name}.{suffix}") as temporary:
            figure.savefig(temporary, format=suffix, metadata=metadata)
    plt.close(figure)
    write_table(folder / f"{name}.csv", data)


def zoom_label(zoom: int, size: int = 64) -> str:
    """Return how a zoom is named in figures: its number and the side of its cutouts."""
    return f"zoom {zoom} ({size >> zoom} px)"
