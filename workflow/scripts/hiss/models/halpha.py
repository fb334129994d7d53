"""The star formation rate that the H-alpha line tells: dust, distance and Kennicutt's law."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import hyp2f1

Array = NDArray[np.float64]

H0: Final = 70.0
OMEGA_M: Final = 0.3
"""Hubble constant [km/s/Mpc] and matter density of a flat universe: MPA-JHU's (Brinchmann et al. 2004, MNRAS 351,
1151)."""

DECREMENT: Final = 2.86
"""Intrinsic H-alpha over H-beta, case B at 10^4 K and 100 cm-3 (Osterbrock & Ferland 2006)."""

K_H_ALPHA: Final = 3.33
K_H_BETA: Final = 4.60
"""A(lambda) / E(B-V) of starburst galaxies (Calzetti et al. 2000, ApJ 533, 682), as Dominguez et al. 2013, ApJ 763, 145
round it."""

LOG_SFR_OF_UNIT: Final = float(np.log10(7.9e-42 / 1.5))
"""log10 SFR [M_sun/yr] of an H-alpha luminosity of 1 erg/s: Kennicutt 1998, ARA&A 36, 189, whose Salpeter initial mass
function gives 1.5 times the rates of MPA-JHU's, Kroupa's."""

LEAST_SIGNAL: Final = 3.0
"""Signal to noise from which a line is detected."""

_FLUX: Final = 1e-17  # erg s-1 cm-2, the unit of line areas
_LIGHT_SPEED: Final = 299792.458  # km/s
_MPC: Final = 3.0856775814913673e24  # cm


def dust(h_alpha: Array, h_beta: Array) -> Array:
    """Return the attenuation A(H-alpha) [mag] that the Balmer decrement tells, at least 0.

    The Galaxy's dust is in it.

    Parameters
    ----------
    h_alpha, h_beta
        (n,) areas of the lines, above 0.
    """
    slope = 2.5 * K_H_ALPHA / (K_H_BETA - K_H_ALPHA)
    return np.maximum(0.0, slope * np.log10(h_alpha / h_beta / DECREMENT))


def luminosity_distance(z: Array) -> Array:
    """Return the luminosity distance [cm] of redshifts (n,), from the integral of dz / E(z) in closed form.

    E(z)^2 = Omega_m (1 + z)^3 + 1 - Omega_m, and x 2F1(1/3, 1/2; 4/3; -r x^3) is the integral of (1 + r x^3)^(-1/2).
    """
    ratio = OMEGA_M / (1 - OMEGA_M)

    def integral(x: Array) -> Array:
        return np.asarray(x * hyp2f1(1 / 3, 1 / 2, 4 / 3, -ratio * x**3))

    comoving = (integral(1 + z) - integral(np.ones_like(z))) / np.sqrt(1 - OMEGA_M)
    return _MPC * _LIGHT_SPEED / H0 * (1 + z) * comoving


def log_luminosity(area: Array, z: Array) -> Array:
    """Return log10 of the luminosity [erg/s] of a line, dust left in.

    Parameters
    ----------
    area
        (n,) flux of the line, above 0 [1e-17 erg s-1 cm-2].
    z
        (n,) redshifts, above 0.
    """
    return np.log10(_FLUX * area) + np.log10(4 * np.pi) + 2 * np.log10(luminosity_distance(z))


def detected(area: Array, sigma: Array) -> NDArray[np.bool_]:
    """Return whether a line (n,) stands out of its noise; one that was not measured, NaN, does not."""
    with np.errstate(invalid="ignore"):
        return (sigma > 0) & (area >= LEAST_SIGNAL * sigma)


def aperture_words(learned: Mapping[str, Any]) -> str:
    """Return what the spectrograph's fibre costs, in a sentence; from the ``learned`` of the H-alpha baseline.

    Its line is of the light in the fibre; the label is of the whole galaxy.
    """
    n, offset, scatter = (learned[name] for name in ("n_detected", "aperture_offset", "aperture_scatter"))
    if offset is None:
        return "No training galaxy has a detected H-alpha line, so what the fibre costs is not known."
    return (
        f"Of {n} training galaxies with a detected H-alpha line, the rate that the line in the fibre tells is "
        f"{abs(offset):.2f} dex {'below' if offset >= 0 else 'above'} the total rate of the label in the median, with "
        f"a scatter (NMAD) of {scatter:.2f} dex: the fibre sees about {10**-offset:.0%} of the star formation, and how "
        "much of each galaxy's the line alone does not tell."
    )
