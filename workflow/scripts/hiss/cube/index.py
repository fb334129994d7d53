"""The HEALPix index of a cube, and the look-up of frames around spectra."""

import numpy as np
from astropy import units as u
from astropy_healpix import HEALPix

from hiss.cube.layout import IMAGE_INDEX_DTYPE, SPECTRUM_INDEX_DTYPE

IMAGE_ORDER = 10
SPECTRUM_ORDER = 15

_CENTER_TO_CORNER = 1.2
"""Upper bound of the distance from a HEALPix cell's centre to its corner, in sides of a square of its area."""


def _healpix(order: int) -> HEALPix:
    return HEALPix(nside=2**order, order="nested")


def healpix_cell(ra: np.ndarray, dec: np.ndarray, order: int) -> np.ndarray:
    """Return the NESTED HEALPix cell of positions [deg] as int64."""
    cell = _healpix(order).lonlat_to_healpix(np.asarray(ra) * u.deg, np.asarray(dec) * u.deg)
    return np.asarray(cell, dtype=np.int64)


def image_index(ra: np.ndarray, dec: np.ndarray, time: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
    """Return the index of frames, sorted by cell, time [s] and wavelength [Angstrom]; row numbers are the slices.

    Returns
    -------
    Records of dtype ``IMAGE_INDEX_DTYPE``.
    """
    index = np.zeros(len(ra), IMAGE_INDEX_DTYPE)
    index["spatial"] = healpix_cell(ra, dec, IMAGE_ORDER)
    index["time"], index["wl"] = time, np.rint(wavelength).astype(np.int64)
    index["ds_slice_idx"] = np.arange(len(ra))
    return index[np.lexsort((index["ds_slice_idx"], index["wl"], index["time"], index["spatial"]))]


def spectrum_index(ra: np.ndarray, dec: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return the index of spectra, sorted by cell and time [s]; records of dtype ``SPECTRUM_INDEX_DTYPE``."""
    index = np.zeros(len(ra), SPECTRUM_INDEX_DTYPE)
    index["spatial"] = healpix_cell(ra, dec, SPECTRUM_ORDER)
    index["time"], index["ds_slice_idx"] = time, np.arange(len(ra))
    return index[np.lexsort((index["ds_slice_idx"], index["time"], index["spatial"]))]


def frames_around(
    index: np.ndarray, ra: np.ndarray, dec: np.ndarray, radius_arcmin: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of position and frame whose centre's cell lies within a radius, or a little farther.

    One inclusive cone serves all positions in one cell: it is drawn around the cell and wide enough for each.

    Parameters
    ----------
    index
        As `image_index` gives it.
    ra, dec
        (n,) positions [deg].

    Returns
    -------
    Numbers of positions and of frames (rows of the images), int64, sorted by position, then in index order.
    """
    healpix = _healpix(IMAGE_ORDER)
    cells, place = np.unique(healpix_cell(ra, dec, IMAGE_ORDER), return_inverse=True)
    side = np.degrees(np.sqrt(np.pi / 3) / 2**IMAGE_ORDER)
    radius = (radius_arcmin / 60 + _CENTER_TO_CORNER * side) * u.deg
    lon, lat = healpix.healpix_to_lonlat(cells)
    found = [_in_cells(index, healpix.cone_search_lonlat(*center, radius)) for center in zip(lon, lat, strict=True)]
    count = np.array([len(frames) for frames in found], dtype=np.int64)
    start = np.concatenate([[0], np.cumsum(count)])
    frames = np.concatenate([*found, np.empty(0, np.int64)])
    position = np.repeat(np.arange(len(place)), count[place])
    within = np.arange(len(position)) - np.repeat(np.cumsum(count[place]) - count[place], count[place])
    return position, frames[np.repeat(start[place], count[place]) + within]


def _in_cells(index: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Give the slices whose cell is among some, in index order, by binary search."""
    cells = np.sort(cells)
    first = np.searchsorted(index["spatial"], cells, side="left")
    last = np.searchsorted(index["spatial"], cells, side="right")
    hits = [np.arange(low, high) for low, high in zip(first, last, strict=True) if high > low]
    return np.asarray(index["ds_slice_idx"][np.concatenate([*hits, np.empty(0, np.int64)]).astype(np.intp)])
