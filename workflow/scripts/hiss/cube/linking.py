"""Which frames hold a whole cutout around a spectrum, and where in them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from hiss.bands import BAND_INDEX, BANDS, CUTOUT_SIZE
from hiss.cube.index import frames_around
from hiss.cube.layout import REFERENCE_DTYPE, cutout_size
from hiss.cube.wcs import sky_to_pixel

BATCH: Final = 1024
"""Positions linked, and rows of references made, at a time: 40 epochs are 160 kB a position."""

MOST_TURNED_DEG: Final = 0.5
"""Epochs turned against each other by less are stacked: a quarter of a pixel at the edge of a cutout."""

NO_FRAME: Final = 0
NOT_WHOLE: Final = 1
WHOLE: Final = 2
"""Coverage of a position in one band: by no frame, by one that holds it near its edge, by a whole cutout."""


@dataclass(frozen=True)
class Links:
    """The whole cutouts around a list of positions.

    Attributes
    ----------
    position, frame
        (n_links,) int64: a cutout each, sorted by position, band, time and frame.
    column, row
        (n_links,) float64 pixel of the position in the frame at zoom 0, counted from 0.
    coverage
        (n_positions, 5) int8: `NO_FRAME`, `NOT_WHOLE` or `WHOLE` in u g r i z.
    """

    position: np.ndarray
    frame: np.ndarray
    column: np.ndarray
    row: np.ndarray
    coverage: np.ndarray

    @property
    def width(self) -> int:
        """Largest number of cutouts of a position, at least 1."""
        return max(int(np.bincount(self.position).max(initial=0)), 1)

    def part(self, first: int, last: int) -> "Links":
        """Return the links of a range of positions, numbered from 0."""
        rows = slice(*np.searchsorted(self.position, [first, last]))
        columns = (self.frame[rows], self.column[rows], self.row[rows], self.coverage[first:last])
        return Links(self.position[rows] - first, *columns)


def window_start(pixel: np.ndarray, zoom: int, length: np.ndarray | int) -> np.ndarray:
    """Return the first pixel of the cutout centred on a native pixel position, at a zoom.

    Parameters
    ----------
    pixel
        Column or row at zoom 0, counted from 0 at the centre of the first pixel.
    length
        Native columns or rows of the frame.

    Returns
    -------
    int64; the position lies in one of the cutout's two middle pixels. A coarse cutout is moved inward by the
    pixel that an odd native length loses, so that a whole native cutout is whole at every zoom.
    """
    size = cutout_size(zoom)
    at_zoom = (pixel + 0.5) / 2**zoom - 0.5
    start = np.floor(at_zoom - size / 2 + 1).astype(np.int64)
    return start if zoom == 0 else np.clip(start, 0, (np.asarray(length) >> zoom) - size)


def link_cutouts(
    index: np.ndarray,
    wcs: np.ndarray,
    band: np.ndarray,
    tai: np.ndarray,
    ra: np.ndarray,
    dec: np.ndarray,
    radius_arcmin: float,
) -> Links:
    """Return every whole 64 x 64 native cutout around each position, in every frame and band that covers it.

    Parameters
    ----------
    index
        Index of the frames.
    wcs, band, tai
        (n_frames,) WCS records at zoom 0, band numbers 0 to 4, and times [s].
    ra, dec
        (n,) positions [deg].
    """
    parts = [
        _link_batch(index, wcs, band, tai, ra[first : first + BATCH], dec[first : first + BATCH], radius_arcmin)
        for first in range(0, max(len(ra), 1), BATCH)
    ]
    position = [part.position + number * BATCH for number, part in enumerate(parts)]
    others = ([getattr(part, name) for part in parts] for name in ("frame", "column", "row", "coverage"))
    return Links(*(np.concatenate(columns) for columns in (position, *others)))


def _link_batch(
    index: np.ndarray,
    wcs: np.ndarray,
    band: np.ndarray,
    tai: np.ndarray,
    ra: np.ndarray,
    dec: np.ndarray,
    radius_arcmin: float,
) -> Links:
    """Link a few positions: every pair with a frame around them is in memory at once."""
    position, frame = frames_around(index, ra, dec, radius_arcmin)
    of_pair = wcs[frame]
    column, row = sky_to_pixel(of_pair, ra[position], dec[position])
    inside = _within(column, of_pair["NAXIS1"]) & _within(row, of_pair["NAXIS2"])
    position, frame, of_pair = position[inside], frame[inside], of_pair[inside]
    column, row = column[inside], row[inside]
    whole = np.ones(len(frame), dtype=bool)
    for pixel, axis in ((column, "NAXIS1"), (row, "NAXIS2")):
        start = window_start(pixel, 0, of_pair[axis])
        whole &= (start >= 0) & (start + CUTOUT_SIZE <= of_pair[axis])
    coverage = np.full((len(ra), len(BANDS)), NO_FRAME, dtype=np.int8)
    np.maximum.at(coverage, (position, band[frame]), np.where(whole, WHOLE, NOT_WHOLE).astype(np.int8))
    order = np.lexsort((frame, tai[frame], band[frame], position))
    order = order[whole[order]]
    return Links(position[order], frame[order], column[order], row[order], coverage)


def _within(pixel: np.ndarray, length: np.ndarray) -> np.ndarray:
    return (pixel >= -0.5) & (pixel < length - 0.5)


def reference_table(links: Links, wcs: np.ndarray, width: int, ds_path: str, zoom: int) -> np.ndarray:
    """Return references to the cutouts' slices at a zoom, a row a position, padded with empty ones.

    Parameters
    ----------
    wcs
        (n_frames,) WCS records at zoom 0.
    width
        References a row, at least as many as a position has.
    ds_path
        Dataset the references point into.

    Returns
    -------
    (n_positions, width) records of dtype ``REFERENCE_DTYPE``.
    """
    count = np.bincount(links.position, minlength=len(links.coverage))
    table = np.zeros((len(links.coverage), width), REFERENCE_DTYPE)
    place = np.arange(len(links.position)) - (np.cumsum(count) - count)[links.position]
    record = np.zeros(len(links.position), REFERENCE_DTYPE)
    record["ds_path"], record["ds_slice_idx"] = ds_path.encode(), links.frame
    for name, pixel, axis in (("x", links.row, "NAXIS2"), ("y", links.column, "NAXIS1")):
        start = window_start(pixel, zoom, wcs[axis][links.frame])
        record[f"{name}_min"], record[f"{name}_max"] = start, start + cutout_size(zoom)
    table[links.position, place] = record
    return table


def redirected(references: np.ndarray, ds_path: str, windows: bool) -> np.ndarray:
    """Return references to the same rows of another dataset, with their windows or, where it has none, without."""
    references = references.copy()
    references["ds_path"][references["ds_path"] != b""] = ds_path.encode()
    for edge in () if windows else ("x_min", "x_max", "y_min", "y_max"):
        references[edge] = 0
    return references


def independent_references(references: np.ndarray, exposure: np.ndarray) -> np.ndarray:
    """Return a row's references without the empty ones and without the same photons twice, in their order.

    Neighbouring fields of a run overlap by 128 rows that were read from the chip once: a stack of both would
    think itself sqrt(2) better than it is.

    Parameters
    ----------
    references
        (width,) records of dtype ``REFERENCE_DTYPE``.
    exposure
        (n_frames,) number of the run, camcol and band of each frame.
    """
    references = references[references["ds_path"] != b""]
    _, first = np.unique(exposure[references["ds_slice_idx"]], return_index=True)
    return references[np.sort(first)]


def aligned(band: np.ndarray, north: np.ndarray) -> np.ndarray:
    """Return which cutouts of a target show the sky in one orientation, (n,) bool.

    Cutouts are stacked pixel by pixel, unturned. Those turned by less than `MOST_TURNED_DEG` from the first in
    r are kept; of a band that has none, those that are like its own first.

    Parameters
    ----------
    band
        (n,) band numbers, earliest cutout of a band first.
    north
        (n,) direction of north in the cutouts' pixels [deg].
    """
    kept = np.zeros(len(band), dtype=bool)
    in_r = np.flatnonzero(band == BAND_INDEX["r"])
    for number in np.unique(band):
        mine = np.flatnonzero(band == number)
        for first in (*in_r[:1], mine[0]):
            turned = np.abs((north[mine] - north[first] + 180) % 360 - 180)
            if (turned < MOST_TURNED_DEG).any():
                kept[mine[turned < MOST_TURNED_DEG]] = True
                break
    return kept


def reject_reason(coverage: np.ndarray) -> str | None:
    """Return why a position of this coverage (5,) has no dense cutout, or None where all bands are whole."""
    if (coverage == WHOLE).all():
        return None
    if (coverage == NO_FRAME).all():
        return "no frame covers it"
    cut = [band for band, state in zip(BANDS, coverage) if state == NOT_WHOLE]
    absent = [band for band, state in zip(BANDS, coverage) if state == NO_FRAME]
    if len(cut) == len(BANDS):
        return "cutout not whole"
    parts = [f"cutout not whole in {' '.join(cut)}"] if cut else []
    return "; ".join(parts + ([f"no frame covers it in {' '.join(absent)}"] if absent else []))
