"""The transmission of SDSS's five filters, and the curve that spectra are multiplied by to match images."""

from functools import cache

import numpy as np

from hiss.bands import BANDS


@cache
def _curves() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Wavelength [Angstrom] and response of each band as tabulated, u g r i z."""
    from speclite.filters import load_filter  # imports for 0.1 s, and by default nobody asks

    curves = (load_filter(f"sdss2010-{band}") for band in BANDS)
    return tuple((np.asarray(curve.wavelength, np.float64), np.asarray(curve.response)) for curve in curves)


def filter_transmissions(wavelength: np.ndarray) -> np.ndarray:
    """Return the transmission of each of the five filters, linear between its tabulated points, 0 outside them.

    These are the reference responses of Doi et al. (2010), the atmosphere at airmass 1.2 and the detector among
    them, as speclite ships them.

    Parameters
    ----------
    wavelength
        (n,) [Angstrom].

    Returns
    -------
    (5, n) float64 in u g r i z, 0 to 1.
    """
    return np.stack([np.interp(wavelength, *curve, left=0.0, right=0.0) for curve in _curves()])


def transmission(wavelength: np.ndarray) -> np.ndarray:
    """Return the largest of the five filters' transmissions at each wavelength [Angstrom], (n,) float64."""
    return np.asarray(filter_transmissions(wavelength).max(axis=0))
