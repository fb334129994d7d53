"""Spectra on the common linear wavelengths, flux conserved and sigma propagated from the native samples."""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final

import numpy as np
from scipy.sparse import csr_array

from hiss.bands import N_ZOOMS, SPECTRUM_SIZE
from hiss.cube.options import Missing
from hiss.cube.overlap import LEAST_OVERLAP, edges_of, overlap_matrix
from hiss.cube.transmission import transmission as filter_transmission

FIRST_WAVELENGTH: Final = 3839.7244
LAST_WAVELENGTH: Final = 8914.597
"""First and last sample of every spectrum [Angstrom, vacuum]."""

_STEPS_PER_DEX: Final = 1e4  # SDSS coadds: loglam is a whole number of steps of 1e-4
_GRID_TOLERANCE: Final = 0.01  # of a step; loglam comes as float32, good to 0.0025


def bin_centers(zoom: int) -> np.ndarray:
    """Return the wavelengths of a zoom's samples, (4620 >> zoom,) float64 [Angstrom]."""
    return np.linspace(FIRST_WAVELENGTH, LAST_WAVELENGTH, SPECTRUM_SIZE >> zoom)


def bin_edges(zoom: int) -> np.ndarray:
    """Return the edges of a zoom's bins, midway between its samples, ((4620 >> zoom) + 1,) [Angstrom]."""
    return edges_of(bin_centers(zoom))


def pixel_edges(loglam: np.ndarray) -> np.ndarray:
    """Return the edges of native pixels, midway in log10 wavelength, (n + 1,) [Angstrom]."""
    if len(loglam) == 1:
        half = 0.5 / _STEPS_PER_DEX
        return np.asarray(10.0 ** (loglam[0] + np.array([-half, half])))
    return np.asarray(10.0 ** edges_of(np.asarray(loglam, dtype=np.float64)))


class Rebinner:
    """Takes spectra on one grid of native pixels to the bins of every zoom.

    Parameters
    ----------
    edges
        (n + 1,) edges of the native pixels [Angstrom].
    """

    def __init__(self, edges: np.ndarray) -> None:
        self._zooms = []
        for zoom in range(N_ZOOMS):
            matrix = overlap_matrix(edges, bin_edges(zoom))
            touched = csr_array((np.ones_like(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)
            whole = np.asarray(matrix.sum(axis=1)) > 1 - 1e-6
            self._zooms.append((matrix, matrix.power(2), touched, whole))

    def __call__(
        self, flux: np.ndarray, ivar: np.ndarray, missing: Missing = "any"
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return flux and sigma at every zoom, each from the native samples.

        Parameters
        ----------
        flux, ivar
            (n_spectra, n) in any one unit and its inverse square; a sample without ivar > 0 was not measured.
        missing
            ``any``: a bin is NaN where the pixels do not cover it or one of them was not measured. ``measured``: it
            is the mean over the part of it that was measured, and NaN where none was.

        Returns
        -------
        A pair of (n_spectra, 4620 >> zoom) float32 for each zoom; NaN in both at the same bins.
        """
        measured = (ivar > 0) & np.isfinite(ivar) & np.isfinite(flux)
        values = np.where(measured, flux, 0.0).T.astype(np.float64)
        variance = np.zeros(ivar.shape)
        np.divide(1.0, ivar, out=variance, where=measured, dtype=np.float64)
        unmeasured = (~measured).T.astype(np.float64)
        zooms = []
        for matrix, squares, touched, whole in self._zooms:
            gone = (touched @ unmeasured > 0) | ~whole[:, None]
            mean, sigma = matrix @ values, np.sqrt(squares @ variance.T)
            if missing == "measured" and gone.any():
                # A bin that lacks nothing keeps its value to the bit.
                share = np.where(gone, matrix @ (1 - unmeasured), 1.0)
                gone = share < LEAST_OVERLAP
                share[gone] = 1.0
                mean, sigma = mean / share, sigma / share
            mean[gone] = sigma[gone] = np.nan
            zooms.append((_rows(mean), _rows(sigma)))
        return zooms


def _rows(columns: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(columns.T, dtype=np.float32)


@cache
def _common_steps() -> tuple[int, int]:
    """First and last step of SDSS's common grid that touches a bin of any zoom: coarse ones reach farther."""
    edges = np.log10(bin_edges(N_ZOOMS - 1)[[0, -1]]) * _STEPS_PER_DEX
    return int(np.floor(edges[0] - 0.5)), int(np.ceil(edges[1] + 0.5))


@cache
def _common_wavelengths() -> np.ndarray:
    first, last = _common_steps()
    return np.asarray(10.0 ** (np.arange(first, last + 1) / _STEPS_PER_DEX))


@cache
def _common_rebinner() -> Rebinner:
    first, last = _common_steps()
    return Rebinner(pixel_edges(np.arange(first, last + 1) / _STEPS_PER_DEX))


@lru_cache(maxsize=8)
def _own_rebinner(loglam: bytes) -> Rebinner:
    return Rebinner(pixel_edges(np.frombuffer(loglam)))


def _common_pixels(loglam: np.ndarray) -> np.ndarray | None:
    """Place of each sample on the common grid, or None for a spectrum on a grid of its own."""
    steps = loglam * _STEPS_PER_DEX
    whole = np.rint(steps)
    if np.abs(steps - whole).max() > _GRID_TOLERANCE:
        return None
    return whole.astype(np.intp) - _common_steps()[0]


def _filtered(wavelength: np.ndarray, flux: np.ndarray, ivar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Multiply flux and sigma by the filters' transmission; where no filter passes light nothing was measured."""
    passed = filter_transmission(wavelength)
    blocked = passed == 0
    return flux * passed, np.where(blocked, 0.0, ivar / np.square(np.where(blocked, 1.0, passed)))


def rebin_spectra(
    spectra: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    missing: Missing = "any",
    transmission: bool = False,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return flux and sigma of a batch of spectra at every zoom.

    Parameters
    ----------
    spectra
        ``loglam, flux, ivar`` of each, of any length.
    missing
        What becomes of a bin with samples that were not measured, see `Rebinner`.
    transmission
        Whether the native samples are multiplied by the largest of the five filters' transmissions first; a sample
        that no filter passes counts as not measured.

    Returns
    -------
    A pair of (n_spectra, 4620 >> zoom) float32 for each zoom, as `Rebinner` gives them.
    """
    first, last = _common_steps()
    flux = np.zeros((len(spectra), last - first + 1))
    ivar = np.zeros_like(flux)
    own = {}
    for row, (loglam, values, weights) in enumerate(spectra):
        pixels = _common_pixels(loglam)
        if pixels is None:
            pair = (values, weights)
            if transmission:
                pair = _filtered(10.0 ** np.asarray(loglam, np.float64), *pair)
            rebinner = _own_rebinner(np.asarray(loglam, np.float64).tobytes())
            own[row] = rebinner(pair[0][None], pair[1][None], missing)
            continue
        inside = (pixels >= 0) & (pixels < flux.shape[1])
        flux[row, pixels[inside]] = values[inside]
        ivar[row, pixels[inside]] = weights[inside]
    if transmission:
        flux, ivar = _filtered(_common_wavelengths(), flux, ivar)
    zooms = _common_rebinner()(flux, ivar, missing)
    for row, alone in own.items():
        for pair, single in zip(zooms, alone):
            for part, value in zip(pair, single):
                part[row] = value[0]
    return zooms
