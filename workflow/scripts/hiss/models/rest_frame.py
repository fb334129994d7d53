"""Spectra moved to rest, on one grid for all objects."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hiss.errors import HissError
from hiss.models.base import Floats

Z_MAX: Final = 0.3
"""Redshift up to which the grid holds an object's spectrum whole; nearly all of MPA-JHU's galaxies lie below."""

_EDGE_SHARE = 0.02  # of a spectrum's samples, whose mean continues it where it ends
_LEAST_SHARE = 1e-6  # of a bin; less is rounding


def rest_edges(wl: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (m' + 1,) edges of the rest-frame bins [Angstrom] that belong to an observed grid.

    They run from the blue end at redshift `Z_MAX` to the red end at redshift 0, so that no sample of an object
    between the two is lost. They are spaced evenly in log wavelength, since a redshift is then a shift by the same
    number of bins everywhere. The bin in the middle is as wide as an observed sample. The grid depends on ``wl``
    alone, never on the objects, so that a model meets the same columns in every sample.

    Parameters
    ----------
    wl
        (m,) centres of the observed samples [Angstrom].
    """
    observed = _observed_edges(wl)
    blue, red = observed[0] / (1 + Z_MAX), observed[-1]
    n_bins = round(np.log(red / blue) * np.sqrt(blue * red) * len(wl) / (red - observed[0]))
    edges: NDArray[np.float64] = np.geomspace(blue, red, n_bins + 1)
    return edges


def _observed_edges(wl: NDArray[np.float64]) -> NDArray[np.float64]:
    middle = (wl[1:] + wl[:-1]) / 2
    return np.concatenate([[2 * wl[0] - middle[0]], middle, [2 * wl[-1] - middle[-1]]])


def has_redshift(z: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (n,) whether spectra can be moved to rest by redshifts (n,)."""
    return np.isfinite(z) & (z > -1)


def to_rest(flux: Floats, wl: NDArray[np.float64], z: NDArray[np.float64]) -> Floats:
    """Return (n, m') float32 spectra on the rest-frame bins of `rest_edges`, never NaN for finite flux.

    The flux between two wavelengths is kept: a bin holds the mean of the flux density in it, times 1 + z, since the
    same energy falls into a narrower interval. Where a bin is not wholly within an object's spectrum, the spectrum is
    continued by the mean of its outermost 2 % of samples: a plateau at the level of the continuum, in which no model
    can find a line. What is bluer than the grid, at redshifts above `Z_MAX`, is left out. Of a spectrum with gaps a bin
    holds the mean of what was measured in it, and NaN where nothing was.

    Parameters
    ----------
    flux
        (n, m) observed flux density.
    wl
        (m,) centres of the observed samples [Angstrom].
    z
        (n,) redshifts.

    Raises
    ------
    HissError
        For a redshift that is not finite or not above -1.
    """
    unusable = ~has_redshift(z)
    if unusable.any():
        raise HissError(f"{int(unusable.sum())} of {len(z)} objects have no redshift; drop the rest_frame variant")
    edges = rest_edges(wl)
    n_edge = max(1, round(_EDGE_SHARE * len(wl)))
    observed = _observed_edges(wl)
    width = np.diff(observed)
    rest = np.empty((len(flux), len(edges) - 1), dtype=np.float32)
    for spectrum, redshift, out in zip(flux.astype(np.float64), z, rest, strict=True):
        shifted = edges * (1 + redshift)
        measured = np.isfinite(spectrum)
        below = _integral(shifted, observed, np.where(measured, spectrum, 0) * width)
        # in the observed frame the mean is the integral over the bin's observed width
        over = np.diff(shifted)
        if not measured.all():
            over = np.diff(_integral(shifted, observed, measured * width))
            over[over < _LEAST_SHARE * np.diff(shifted)] = np.nan
        mean = np.diff(below) / over
        mean[shifted[:-1] < observed[0]] = _mean_of(spectrum[:n_edge])
        mean[shifted[1:] > observed[-1]] = _mean_of(spectrum[-n_edge:])
        out[:] = mean * (1 + redshift)
    return rest


def _integral(at: NDArray[np.float64], edges: NDArray[np.float64], parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of parts (m,) between edges (m + 1,) up to each wavelength."""
    return np.interp(at, edges, np.concatenate([[0.0], np.cumsum(parts)]))


def _mean_of(samples: NDArray[np.float64]) -> float:
    measured = samples[np.isfinite(samples)]
    return float(measured.mean()) if len(measured) else float("nan")
