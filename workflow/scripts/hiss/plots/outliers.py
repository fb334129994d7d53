"""The objects unlike the others: each in colour, with its spectrum and why it is odd."""

import textwrap
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hiss.plots.colour import colour_composite
from hiss.plots.example import Example, draw_colour, draw_gaps, flux_range, name_of
from hiss.plots.style import BLACK, FULL_WIDTH, modality_label, plt, sentence_figure

_KINDS: Final = {"GALAXY": "galaxy", "QSO": "quasar", "STAR": "star"}
_COLUMNS: Final = 2
_SAMPLES: Final = 1155  # of a drawn spectrum: more than a narrow panel shows


def choose_oddest(outliers: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the oddest objects of all kinds of data, each once, those of the same rank side by side.

    Parameters
    ----------
    outliers
        Of `hiss.structure.collect.outliers_table`.
    """
    ordered = outliers.sort_values(["rank", "oddness"], ascending=[True, False], kind="stable")
    return ordered.drop_duplicates("target_id").head(most).reset_index(drop=True)


def outliers(chosen: pd.DataFrame, examples: Sequence[Example]) -> tuple[Figure, pd.DataFrame]:
    """Draw objects of `choose_oddest` as they are in the cube at zoom 0."""
    if chosen.empty:
        return sentence_figure("Too few objects of this sky to tell which of them are odd."), chosen
    rows = -(-len(chosen) // _COLUMNS)
    figure = plt.figure(figsize=(FULL_WIDTH, 1.45 * rows))
    grid = figure.add_gridspec(rows, 2 * _COLUMNS, width_ratios=[1, 2.3] * _COLUMNS)
    for place, (row, example) in enumerate(zip(chosen.to_dict("records"), examples, strict=True)):
        line, column = divmod(place, _COLUMNS)
        picture = figure.add_subplot(grid[line, 2 * column])
        draw_colour(picture, colour_composite(example.images, example.image_sigma))
        picture.set(xticks=[], yticks=[])
        axis = figure.add_subplot(grid[line, 2 * column + 1])
        _spectrum(axis, example, last=line == rows - 1)
        axis.set_title(_title(row), fontsize=6.5, loc="right", pad=2)
    figure.supylabel(r"flux [10$^{-17}$ erg s$^{-1}$ cm$^{-2}$ $\mathrm{\AA}^{-1}$]", fontsize=8)
    return figure, chosen


def _spectrum(axis: Axes, example: Example, last: bool) -> None:
    step = max(1, len(example.wl) // _SAMPLES)
    wl, flux = (np.asarray(values, np.float64)[::step] for values in (example.wl, example.spectrum))
    known = np.isfinite(flux)
    if known.any():
        axis.plot(wl, flux, color=BLACK, linewidth=0.4)
        axis.set_ylim(flux_range(flux))
        draw_gaps(axis, wl, known)
    axis.set(xlim=(wl[0], wl[-1]))
    axis.tick_params(labelsize=6)
    axis.grid(visible=False)
    if last:
        axis.set_xlabel(r"observed wavelength [$\mathrm{\AA}$]", fontsize=7)


def _title(row: dict[Any, Any]) -> str:
    kind = modality_label(row["modality"])
    where = f"{_KINDS.get(row['class'], 'object')} {name_of(pd.Series(row))}, z = {row['z']:.3f}, {kind}"
    return "\n".join([where, *textwrap.wrap(str(row["reason"]), 76)])
