"""Rest-frame building blocks of the simulated sky: stellar templates, dust, emission lines."""

from functools import lru_cache
from typing import Final

import numpy as np

STEP: Final = 1e-4
"""Step of every SDSS spectrum in log10 wavelength."""

REST_LOGLAM: Final = 3.32 + STEP * np.arange(7500)
"""Log10 of the templates' rest-frame vacuum wavelengths [Angstrom], 2089 to 11750."""

PIVOT: Final = 6166.0
"""Wavelength at which each template is 1 [Angstrom]."""

BALMER_DECREMENT: Final = 2.86
"""Intrinsic H-alpha over H-beta, case B at 10^4 K."""

LINES: Final = {
    "[O_II] 3725": 3727.09,
    "[O_II] 3727": 3729.88,
    "[Ne_III] 3868": 3869.86,
    "H_epsilon": 3971.20,
    "H_delta": 4102.89,
    "H_gamma": 4341.68,
    "H_beta": 4862.68,
    "[O_III] 4959": 4960.29,
    "[O_III] 5007": 5008.24,
    "[O_I] 6300": 6302.05,
    "[N_II] 6548": 6549.86,
    "H_alpha": 6564.61,
    "[N_II] 6583": 6585.27,
    "[S_II] 6716": 6718.29,
    "[S_II] 6730": 6732.68,
}
"""Emission lines of a star-forming galaxy by their SPZLINE names, vacuum wavelengths [Angstrom]."""

# centre, depth and width (sigma) of absorption features [Angstrom, vacuum]
_METALS: Final = (
    (3934.8, 0.50, 8.0),
    (3969.6, 0.45, 8.0),
    (4227.9, 0.12, 7.0),
    (4305.6, 0.25, 14.0),
    (4384.0, 0.12, 10.0),
    (4532.0, 0.08, 16.0),
    (4669.0, 0.06, 16.0),
    (5015.0, 0.07, 14.0),
    (5176.0, 0.22, 16.0),
    (5270.0, 0.11, 12.0),
    (5335.0, 0.09, 10.0),
    (5895.6, 0.16, 7.0),
    (6230.0, 0.05, 40.0),
    (7100.0, 0.08, 60.0),
    (8500.4, 0.14, 7.0),
    (8544.4, 0.20, 8.0),
    (8664.5, 0.18, 8.0),
)
_BALMER: Final = (
    (3798.98, 0.28, 7.0),
    (3836.47, 0.32, 7.0),
    (3890.15, 0.36, 8.0),
    (3971.20, 0.40, 10.0),
    (4102.89, 0.45, 12.0),
    (4341.68, 0.45, 12.0),
    (4862.68, 0.40, 12.0),
    (6564.61, 0.25, 10.0),
)


def planck(wl: np.ndarray, temperature: float) -> np.ndarray:
    """Return a black body in f_lambda, 1 at the pivot wavelength.

    Parameters
    ----------
    wl
        Wavelengths [Angstrom].
    temperature
        Kelvin.
    """
    scale = 1.438777e8 / temperature
    return (PIVOT / wl) ** 5 * np.expm1(scale / PIVOT) / np.expm1(scale / wl)


def absorbed(wl: np.ndarray, metals: float, balmer: float) -> np.ndarray:
    """Return the transmission of the metal and Balmer absorption features, scaled by two strengths."""
    transmission = np.ones_like(wl)
    for features, strength in ((_METALS, metals), (_BALMER, balmer)):
        for centre, depth, width in features:
            transmission *= 1 - strength * depth * np.exp(-0.5 * ((wl - centre) / width) ** 2)
    return transmission


def step_down(wl: np.ndarray, edge: float, factor: float, width: float) -> np.ndarray:
    """Return a break: 1 redward of the edge, 1 / factor blueward, smooth over the width [Angstrom]."""
    blue = 1 / (1 + np.exp(np.clip((wl - edge) / width, -60, 60)))
    return 1 / (1 + (factor - 1) * blue)


def star_template(wl: np.ndarray, temperature: float) -> np.ndarray:
    """Return the spectrum of a main-sequence star in f_lambda, 1 near the pivot wavelength."""
    cool = float(np.clip((7000 - temperature) / 2000, 0, 1.4))
    hot = float(np.clip((temperature - 5000) / 3500, 0.05, 1))
    breaks = step_down(wl, 4000, 1 + 0.8 * cool, 25) * step_down(wl, 3680, 1 + 0.6 * hot, 25)
    return planck(wl, temperature) * breaks * absorbed(wl, cool, hot)


@lru_cache(maxsize=1)
def templates() -> np.ndarray:
    """Return the four stellar populations: old metal-poor, old metal-rich, intermediate (A stars), young.

    Returns
    -------
    (4, 7500) float64 on ``REST_LOGLAM``, f_lambda, each 1 at the pivot wavelength.
    """
    wl = 10**REST_LOGLAM
    poor = planck(wl, 5900) * step_down(wl, 4000, 1.45, 25) * absorbed(wl, 0.6, 0.15)
    rich = planck(wl, 5150) * step_down(wl, 4000, 1.75, 25) * absorbed(wl, 1.2, 0.10)
    middle = planck(wl, 8500) * step_down(wl, 3700, 1.7, 35) * absorbed(wl, 0.15, 1.0)
    young = (wl / PIVOT) ** -2.1 * step_down(wl, 3650, 1.1, 30) * absorbed(wl, 0.0, 0.15)
    stack = np.stack([poor, rich, middle, young])
    at_pivot = np.array([np.interp(PIVOT, wl, template) for template in stack])
    return stack / at_pivot[:, None]


def attenuation_curve(wl: np.ndarray) -> np.ndarray:
    """Return k(lambda) = A(lambda) / E(B-V) of starburst galaxies (Calzetti et al. 2000, eq. 4).

    Parameters
    ----------
    wl
        Rest-frame wavelengths [Angstrom], 1200 to 22000.
    """
    inverse = 1e4 / wl
    red = 2.659 * (-1.857 + 1.040 * inverse) + 4.05
    blue = 2.659 * (-2.156 + 1.509 * inverse - 0.198 * inverse**2 + 0.011 * inverse**3) + 4.05
    return np.where(wl > 6300, red, blue)


def line_ratios(metallicity: np.ndarray, excitation: np.ndarray) -> np.ndarray:
    """Return the intrinsic flux of each line of ``LINES`` over that of H-alpha.

    Parameters
    ----------
    metallicity
        (n,) 12 + log10(O/H).
    excitation
        (n,) scatter of the forbidden lines [dex].

    Returns
    -------
    (n, n_lines) float64. [N II] and [O III] invert the N2 and O3N2 calibrations of Pettini & Pagel (2004).
    """
    n2 = np.clip((metallicity - 8.9) / 0.57, -1.6, -0.25)
    o3 = np.clip((8.73 - metallicity) / 0.32 + n2, -0.9, 0.8)
    lift = 10**excitation
    nii = 10**n2 * lift
    oiii = 10**o3 / BALMER_DECREMENT * lift
    oii = 10 ** (0.05 - 0.6 * (metallicity - 8.6)) * lift
    sii = 0.32 * 10 ** (-0.3 * (metallicity - 8.8)) * lift
    one = np.ones_like(n2)
    by_name = {
        "[O_II] 3725": 0.42 * oii,
        "[O_II] 3727": 0.58 * oii,
        "[Ne_III] 3868": 0.08 * oiii,
        "H_epsilon": 0.159 / BALMER_DECREMENT * one,
        "H_delta": 0.259 / BALMER_DECREMENT * one,
        "H_gamma": 0.468 / BALMER_DECREMENT * one,
        "H_beta": one / BALMER_DECREMENT,
        "[O_III] 4959": oiii / 3,
        "[O_III] 5007": oiii,
        "[O_I] 6300": 0.1 * sii,
        "[N_II] 6548": nii / 3,
        "H_alpha": one,
        "[N_II] 6583": nii,
        "[S_II] 6716": 0.55 * sii,
        "[S_II] 6730": 0.45 * sii,
    }
    return np.stack([by_name[name] for name in LINES], axis=1)
