"""The HEALPix index of a cube."""

import numpy as np
from astropy import units as u
from astropy_healpix import HEALPix

from hiss.cube.layout import IMAGE_INDEX_DTYPE, SPECTRUM_INDEX_DTYPE

IMAGE_ORDER = 10
SPECTRUM_ORDER = 15


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
