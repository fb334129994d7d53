"""The five bandpasses and the flux through them, from spectra and from emission lines."""

from functools import lru_cache
from typing import Final

import numpy as np

from hiss.bands import BAND_WAVELENGTH

LIGHT_SPEED: Final = 2.99792458e18
"""[Angstrom / s]."""

AB_NANOMAGGY: Final = 3.631e-29
"""One nanomaggy [erg s-1 cm-2 Hz-1]."""

_WIDTH: Final = np.array([599.0, 1379.0, 1382.0, 1535.0, 1370.0])  # FWHM [Angstrom]

GRID: Final = np.arange(2900.0, 10400.0, 12.0)
"""Wavelengths at which spectra are integrated over the bands [Angstrom]."""


def transmission(wl: np.ndarray) -> np.ndarray:
    """Return the (5, ...) transmissions of u g r i z, super-Gaussians of SDSS's centres and widths."""
    wl = np.asarray(wl, dtype=float)
    column = (slice(None),) + (None,) * wl.ndim
    offset = np.abs(wl - BAND_WAVELENGTH[column]) / (0.5 * _WIDTH[column])
    return np.exp(-np.log(2) * np.minimum(offset, 3.0) ** 6)


@lru_cache(maxsize=1)
def _weights() -> tuple[np.ndarray, np.ndarray]:
    """Photon weights of the grid, (n_grid, 5), and the denominator of the AB system, (5,)."""
    through = transmission(GRID)
    step = GRID[1] - GRID[0]
    return (through * GRID * step).T, (through / GRID).sum(axis=1) * step * LIGHT_SPEED


def band_nanomaggies(flux: np.ndarray) -> np.ndarray:
    """Return the AB fluxes in u g r i z of spectra on ``GRID``.

    Parameters
    ----------
    flux
        (n, n_grid) f_lambda [1e-17 erg s-1 cm-2 Angstrom-1].

    Returns
    -------
    (n, 5) float64, nanomaggies.
    """
    photons, reference = _weights()
    return flux @ photons / reference * (1e-17 / AB_NANOMAGGY)


def line_nanomaggies(wl: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """Return what emission lines add to u g r i z.

    Parameters
    ----------
    wl, flux
        (n, n_lines) observed wavelengths [Angstrom] and line fluxes [1e-17 erg s-1 cm-2].

    Returns
    -------
    (n, 5) float64, nanomaggies.
    """
    _, reference = _weights()
    photons = (transmission(wl) * (wl * flux)).sum(axis=-1)
    return photons.T / reference * (1e-17 / AB_NANOMAGGY)


def magnitude(nanomaggies: np.ndarray) -> np.ndarray:
    """Return AB magnitudes; a flux of 0 is of magnitude 99."""
    return np.where(nanomaggies > 0, 22.5 - 2.5 * np.log10(np.maximum(nanomaggies, 1e-30)), 99.0)
