"""Which frames hold a whole cutout around a spectrum, and where in them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from hiss.bands import BAND_INDEX, BANDS, CUTOUT_SIZE
from hiss.cube.layout import REFERENCE_DTYPE, cutout_size
from hiss.cube.neighbours import Neighbours
from hiss.cube.wcs import sky_to_pixel

BATCH: Final = 1024
"""Positions linked, and rows of references made, at a time: 40 epochs are 160 kB a position."""

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
        """Largest number of cutouts of a position."""
        return int(np.bincount(self.position).max(initial=0))

    def only(self, kept: np.ndarray) -> "Links":
        """Return those of the cutouts, (n_links,) bool, with the coverage as it is."""
        position, frame, column, row = (part[kept] for part in (self.position, self.frame, self.column, self.row))
        return Links(position, frame, column, row, self.coverage)


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
    start = _first(at_zoom, size).astype(np.int64)
    return start if zoom == 0 else np.clip(start, 0, (np.asarray(length) >> zoom) - size)


def _first(pixel: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(np.floor(pixel - size / 2 + 1))


class Linker:
    """Finds the whole cutouts around positions among the frames of a sparse cube.

    Parameters
    ----------
    images
        (n_frames,) ``image_table``: `band tai ra dec` are used.
    wcs
        (n_frames,) WCS records at zoom 0.
    radius_arcmin
        Frames whose centre is farther from a position are not looked at.
    """

    def __init__(self, images: np.ndarray, wcs: np.ndarray, radius_arcmin: float) -> None:
        self._band = np.array([BAND_INDEX[name.decode()] for name in images["band"]], dtype=np.int64)
        self._tai, self._wcs, self._radius = images["tai"], wcs, radius_arcmin
        self._near = Neighbours(images["ra"], images["dec"])

    def __call__(self, ra: np.ndarray, dec: np.ndarray) -> Links:
        """Return every whole 64 x 64 native cutout around each position, in every frame and band that covers it.

        Every pair of a position with a frame around it is in memory at once: ask for `BATCH` positions at a time.

        Parameters
        ----------
        ra, dec
            (n,) positions [deg].
        """
        position, frame = self._near.within(ra, dec, self._radius / 60)
        column, row, inside, whole = place_cutouts(self._wcs[frame], ra[position], dec[position])
        position, frame, column, row, whole = (part[inside] for part in (position, frame, column, row, whole))
        band = self._band[frame]
        coverage = np.full((len(ra), len(BANDS)), NO_FRAME, dtype=np.int8)
        np.maximum.at(coverage, (position, band), np.where(whole, WHOLE, NOT_WHOLE).astype(np.int8))
        order = np.lexsort((frame, self._tai[frame], band, position))
        order = order[whole[order]]
        return Links(position[order], frame[order], column[order], row[order], coverage)


def place_cutouts(wcs: np.ndarray, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return where positions lie in frames, whether inside, and whether the whole native cutout around them does.

    Parameters
    ----------
    wcs
        WCS records at zoom 0, of one shape with the positions, or one for all.
    ra, dec
        (n,) positions [deg].

    Returns
    -------
    Columns and rows, (n,) float64, counted from 0; inside and whole, (n,) bool.
    """
    column, row = sky_to_pixel(wcs, ra, dec)
    inside, whole = np.ones(len(column), dtype=bool), np.ones(len(column), dtype=bool)
    with np.errstate(invalid="ignore"):  # NaN: on the other side of the sky
        for pixel, length in ((column, wcs["NAXIS1"]), (row, wcs["NAXIS2"])):
            inside &= (pixel >= -0.5) & (pixel < length - 0.5)
            start = _first(pixel, CUTOUT_SIZE)
            whole &= (start >= 0) & (start + CUTOUT_SIZE <= length)
    return column, row, inside, whole


def frame_windows(links: Links, wcs: np.ndarray, zoom: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row and column of each cutout in its frame at a zoom, (n_links,) int64 each.

    Parameters
    ----------
    wcs
        (n_frames,) WCS records at zoom 0.
    """
    rows, columns = (wcs[axis][links.frame] for axis in ("NAXIS2", "NAXIS1"))
    return window_start(links.row, zoom, rows), window_start(links.column, zoom, columns)


def reference_table(
    links: Links,
    width: int,
    ds_path: str,
    slices: np.ndarray,
    starts: tuple[np.ndarray | int, np.ndarray | int],
    size: int,
) -> np.ndarray:
    """Return references to the cutouts' slices of a dataset, a row a position, padded with empty ones.

    Parameters
    ----------
    width
        References a row, at least as many as a position has.
    ds_path
        Dataset the references point into.
    slices
        (n_links,) row of that dataset.
    starts
        First row and column of each window in its slice.
    size
        Side of the windows; 0 for references to a table, which has none.

    Returns
    -------
    (n_positions, width) records of dtype ``REFERENCE_DTYPE``.
    """
    count = np.bincount(links.position, minlength=len(links.coverage))
    table = np.zeros((len(links.coverage), width), REFERENCE_DTYPE)
    place = np.arange(len(links.position)) - (np.cumsum(count) - count)[links.position]
    record = np.zeros(len(links.position), REFERENCE_DTYPE)
    record["ds_path"], record["ds_slice_idx"] = ds_path.encode(), slices
    for name, start in zip("xy", starts, strict=True):
        record[f"{name}_min"], record[f"{name}_max"] = start, np.add(start, size)
    table[links.position, place] = record
    return table


def redirected(references: np.ndarray, ds_path: str, windows: bool) -> np.ndarray:
    """Return references to the same rows of another dataset, with their windows or, where it has none, without."""
    references = references.copy()
    references["ds_path"][references["ds_path"] != b""] = ds_path.encode()
    for edge in () if windows else ("x_min", "x_max", "y_min", "y_max"):
        references[edge] = 0
    return references


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
