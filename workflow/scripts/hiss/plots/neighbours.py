"""Where the rule of thumb and real segmentation disagree on whether a cutout holds several objects."""

from pathlib import Path
from typing import Final, NamedTuple

import h5py
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from hiss.bands import BAND_INDEX, CUTOUT_SIZE, PIXEL_SCALE
from hiss.cube.rows import gather
from hiss.plots.style import BLUE, FULL_WIDTH, GREEN, SMALLEST_TEXT, VERMILION, plt, say_instead, sentence_figure
from hiss.sample.arrays import load_rows
from hiss.sample.multi import normalise
from hiss.sample.neighbours import CENTRAL, NEIGHBOUR

_SHOWN: Final = 6  # cutouts of each kind
_COLUMNS: Final = ["threshold", "segmentation", "cutouts", "share", "shown"]
_WORDS: Final = {False: "one object", True: "several objects"}
_TITLES: Final = (
    ("Segmentation finds a neighbour, the threshold sees one object", False, True),
    ("The threshold sees several objects, segmentation finds no neighbour", True, False),
    ("Both see several objects", True, True),
)
_STRETCH: Final = 20.0  # of arcsinh, over the range of a cutout
_ARROW_ARCSEC: Final = 5.0  # the bar that tells the scale


class _Group(NamedTuple):
    """Cutouts of one kind of disagreement."""

    title: str
    rows: NDArray[np.int64]
    cutouts: int


def compared(multi: pd.DataFrame, sources: pd.DataFrame, target_id: pd.Series) -> pd.DataFrame:
    """Return how often the two agree: ``threshold segmentation cutouts share shown``, four rows.

    Parameters
    ----------
    multi, sources
        As `hiss.sample.multi` and `hiss.sample.sources` make them, of the same cutouts.
    target_id
        (n,) of the cutouts; those that are shown are named, separated by spaces.
    """
    by_rule, by_sources = (table["multi"].to_numpy(dtype=bool) for table in (multi, sources))
    rows = []
    for rule in (False, True):
        for found in (False, True):
            here = (by_rule == rule) & (by_sources == found)
            shown = list(target_id.iloc[chosen(multi, sources, rule, found)]) if rule or found else []
            share = here.sum() / max(1, len(here))
            rows.append((_WORDS[rule], _WORDS[found], int(here.sum()), share, " ".join(map(str, shown))))
    return pd.DataFrame(rows, columns=_COLUMNS)


def chosen(multi: pd.DataFrame, sources: pd.DataFrame, by_rule: bool, by_sources: bool) -> NDArray[np.int64]:
    """Return the rows of the cutouts of one kind that are shown: those of which the one who sees several is surest.

    That is, of most regions for the threshold, of most light in neighbours for the segmentation; ties by row.
    """
    here = (multi["multi"] == by_rule).to_numpy() & (sources["multi"] == by_sources).to_numpy()
    rows = np.flatnonzero(here)
    sure = multi["n_regions"] if by_rule else sources["neighbour_flux_share"]
    order = np.argsort(-sure.to_numpy()[rows], kind="stable")
    return np.sort(rows[order[:_SHOWN]])


def neighbours(
    arrays: Path | str,
    masks: Path | str,
    objects: pd.DataFrame,
    multi: pd.DataFrame,
    sources: pd.DataFrame,
    threshold: float,
    band: str,
) -> tuple[Figure, pd.DataFrame]:
    """Draw cutouts on which threshold and segmentation disagree, both ways, or agree, with what each of them sees.

    Parameters
    ----------
    arrays, masks
        The sample's arrays at zoom 0, and ``neighbours.h5``.
    objects
        ``objects.parquet``, for the target_id.
    multi, sources
        What the two found in each cutout.
    threshold, band
        Of the threshold rule.

    Returns
    -------
    The figure, and the counts of `compared`.
    """
    counts = compared(multi, sources, objects["target_id"])
    if not len(multi):
        return sentence_figure("No object of this sky has a usable star formation rate: there is no cutout."), counts
    groups = [
        _Group(title, chosen(multi, sources, rule, found), int(counts["cutouts"].iloc[2 * rule + found]))
        for title, rule, found in _TITLES
    ]
    heights = [1.55 if len(group.rows) else 0.55 for group in groups]
    figure = plt.figure(figsize=(FULL_WIDTH, sum(heights) + 0.35))
    parts = figure.subfigures(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, group in zip(parts, groups, strict=True):
        part.suptitle(f"{group.title}: {group.cutouts:,} of {len(multi):,} cutouts", fontsize=9)
        if not len(group.rows):
            say_instead(part.subplots(), "None on this sky.")
            continue
        axes = part.subplots(1, _SHOWN, squeeze=False).ravel()
        _draw(list(axes), group.rows, arrays, masks, objects["target_id"], threshold, band)
    _legend(figure, threshold, band)
    return figure, counts


def _draw(
    axes: list[Axes],
    rows: NDArray[np.int64],
    arrays: Path | str,
    masks: Path | str,
    target_id: pd.Series,
    threshold: float,
    band: str,
) -> None:
    images = load_rows(arrays, rows, "photo", sigma=False).images
    with h5py.File(masks, "r") as file:
        kinds = gather(file["kind"], rows)
    for axis in axes:
        axis.set_axis_off()
    if images is None:
        return
    scaled = normalise(images[:, BAND_INDEX[band]])
    for axis, row, cutout, kind in zip(axes, rows, scaled, kinds, strict=False):
        axis.imshow(np.arcsinh(_STRETCH * cutout), cmap="gray_r", origin="lower", interpolation="nearest")
        for seen, colour in ((kind == CENTRAL, BLUE), (kind == NEIGHBOUR, VERMILION)):
            _outline(axis, seen, colour, 1.0)
        _outline(axis, cutout > threshold, GREEN, 1.2)
        axis.set_title(f"target {target_id.iloc[row]}", fontsize=SMALLEST_TEXT, pad=2)
    _scale_bar(axes[0])


def _outline(axis: Axes, seen: NDArray[np.bool_], colour: str, width: float) -> None:
    """Draw the edges of pixels that are seen: a contour would round them off."""
    padded = np.pad(seen, 1).astype(np.int8)
    rows, columns = np.nonzero(np.diff(padded, axis=0)[:, 1:-1])
    axis.hlines(rows - 0.5, columns - 0.5, columns + 0.5, color=colour, linewidth=width)
    rows, columns = np.nonzero(np.diff(padded, axis=1)[1:-1])
    axis.vlines(columns - 0.5, rows - 0.5, rows + 0.5, color=colour, linewidth=width)


def _scale_bar(axis: Axes) -> None:
    length = _ARROW_ARCSEC / PIXEL_SCALE
    axis.plot([3, 3 + length], [3, 3], color="black", linewidth=1.5, solid_capstyle="butt")
    axis.text(3 + length / 2, 4.5, f'{_ARROW_ARCSEC:g}"', ha="center", va="bottom", fontsize=SMALLEST_TEXT)
    axis.set(xlim=(-0.5, CUTOUT_SIZE - 0.5), ylim=(-0.5, CUTOUT_SIZE - 0.5))


def _legend(figure: Figure, threshold: float, band: str) -> None:
    handles = [
        Line2D([], [], color=BLUE, label="central source"),
        Line2D([], [], color=VERMILION, label="neighbour that matters"),
        Line2D([], [], color=GREEN, label=f"above {threshold:g} of the range of {band}: the thesis's regions"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
