"""Stellar masses of galaxies from magnitudes and redshift alone, for want of the catalogue's own."""

from typing import Final

import numpy as np
from numpy.polynomial.polynomial import polyval2d
from numpy.typing import ArrayLike, NDArray

from hiss.sample.environment import COSMOLOGY

Doubles = NDArray[np.float64]

SUN_R: Final = 4.65
"""Absolute AB magnitude of the Sun in r (Willmer 2018, ApJS 236, 47)."""

MAX_Z: Final = 0.5
"""K-corrections are known up to here."""

COLOURS: Final = (-0.1, 1.9)
"""g - r within which they are known [mag]."""

_K_G: Final = np.array(
    [
        [0, 0, 0, 0],
        [-2.45204, 4.10188, 10.5258, -13.5889],
        [56.7969, -140.913, 144.572, 57.2155],
        [-466.949, 222.789, -917.46, -78.0591],
        [2906.77, 1500.8, 1689.97, 30.889],
        [-10453.7, -4419.56, -1011.01, 0],
        [17568, 3236.68, 0, 0],
        [-10820.7, 0, 0, 0],
    ]
)
_K_R: Final = np.array(
    [
        [0, 0, 0, 0],
        [1.83285, -2.71446, 4.97336, -3.66864],
        [-19.7595, 10.5033, 18.8196, 6.07785],
        [33.6059, -120.713, -49.299, 0],
        [144.371, 216.453, 0, 0],
        [-295.39, 0, 0, 0],
    ]
)
_RATIO, _RATIO_OF_COLOUR, _TO_KROUPA = -0.306, 1.097, -0.15


def k_corrections(z: ArrayLike, g_minus_r: ArrayLike) -> tuple[Doubles, Doubles]:
    """Return the K-corrections (n,) of g and r [mag] of galaxies at a redshift and of an observed colour.

    Polynomials of Chilingarian, Melchior & Zolotukhin (2010, MNRAS 405, 1409), coefficients as their page gives them.
    """
    one, other = np.asarray(z, dtype=np.float64), np.asarray(g_minus_r, dtype=np.float64)
    return polyval2d(one, other, _K_G), polyval2d(one, other, _K_R)


def log_stellar_mass(g: ArrayLike, r: ArrayLike, z: ArrayLike) -> Doubles:
    """Return log10 of the stellar mass [M_sun] (n,) of galaxies; NaN where magnitude, redshift or colour do not do.

    The mass-to-light ratio in r is that of the colour at rest, log M/L = -0.306 + 1.097 (g - r) (Bell et al. 2003,
    ApJS 149, 289, table 7), less 0.15 dex for the initial mass function of Kroupa that MPA-JHU's rates mean. It is
    good to 0.1 to 0.2 dex; light outside the aperture of the magnitudes is missed.

    Parameters
    ----------
    g, r
        (n,) observed AB magnitudes, NaN where unknown.
    z
        (n,) redshifts; masses are given for those above 0 and up to `MAX_Z`.
    """
    bright, red, redshift = (np.asarray(values, dtype=np.float64) for values in (g, r, z))
    colour = bright - red
    known = (redshift > 0) & (redshift <= MAX_Z) & (colour >= COLOURS[0]) & (colour <= COLOURS[1])
    mass = np.full(len(red), np.nan)
    k_g, k_r = k_corrections(redshift[known], colour[known])
    absolute = red[known] - COSMOLOGY.distmod(redshift[known]).value - k_r
    ratio = _RATIO + _TO_KROUPA + _RATIO_OF_COLOUR * (colour[known] - k_g + k_r)
    mass[known] = ratio - 0.4 * (absolute - SUN_R)
    return mass
