"""Who lives in the simulated sky: galaxies, stars, quasars, and the labels the catalogue gives them."""

from typing import Final

import numpy as np
import pandas as pd

from hiss.sky.photometry import magnitude
from hiss.sky.sed import COSMOLOGY, fibre_shares, galaxy_nanomaggies

MAGNITUDE_LIMITS: Final = (14.8, 17.7)
"""r of the galaxies, as SDSS's main sample (r < 17.77) has it."""

_POOL: Final = 4000
_LABEL_SIGMA: Final = {False: 0.10, True: 0.15}  # of AVG [dex], by quiescent


def draw_galaxies(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return n galaxies of a magnitude-limited sample, in random order.

    Returns
    -------
    DataFrame
        ``z``, ``log_mass`` [M_sun], ``log_sfr`` [M_sun/yr], ``quiescent``, ``burst`` (present over recent SFR,
        dex), ``age`` (dex of mass-to-light), ``ebv`` of the gas, ``metallicity`` (12 + log O/H),
        ``excitation`` (dex), ``bulge_fraction`` (of mass), ``inclination`` and ``angle`` (east of north)
        [degree], half-light radii ``r_bulge`` and ``r_disk`` [arcsec], ``sigma_v`` [km/s], total AB
        magnitudes ``mag_u`` ... ``mag_z`` and ``log_sfr_fiber`` (within 3 arcsec).

    Notes
    -----
    Main sequence and quiescent sequence after Brinchmann et al. (2004) and Renzini & Peng (2015), sizes after
    Shen et al. (2003), mass and metallicity after Tremonti et al. (2004), all rounded.
    """
    kept: list[pd.DataFrame] = []
    found = 0
    while found < n:
        pool = _draw_pool(_POOL, rng)
        bulge, disk = galaxy_nanomaggies(pool)
        mags = magnitude(bulge + disk)
        pool = pool.assign(**{f"mag_{band}": mags[:, index] for index, band in enumerate("ugriz")})
        bright = pool["mag_r"].between(*MAGNITUDE_LIMITS)
        kept.append(pool[bright])
        found += int(bright.sum())
    galaxies = pd.concat(kept, ignore_index=True).iloc[:n].copy()
    _, in_disk = fibre_shares(galaxies, 3.0)
    galaxies["log_sfr_fiber"] = galaxies["log_sfr"] + np.log10(in_disk)
    return galaxies


def _draw_pool(n: int, rng: np.random.Generator) -> pd.DataFrame:
    z = _draw_redshift(n, rng)
    log_mass = _draw_mass(n, rng)
    quiescent = rng.random(n) < 0.9 / (1 + np.exp(-(log_mass - 10.75) / 0.28))
    log_sfr, burst = _draw_sfr(log_mass, quiescent, rng)
    inclination = np.degrees(np.arccos(rng.uniform(0.1, 1.0, n)))
    metallicity = 9.05 - 0.22 * np.clip(11.0 - log_mass, 0, 2.2) ** 1.3 + rng.normal(0, 0.08, n)
    bulge_fraction = np.where(quiescent, rng.beta(6.0, 3.0, n), 0.05 + 0.9 * rng.beta(1.3, 4.0, n))
    r_bulge, r_disk = _draw_sizes(z, log_mass, quiescent, rng)
    return pd.DataFrame(
        {
            "z": z,
            "log_mass": log_mass,
            "log_sfr": log_sfr,
            "quiescent": quiescent,
            "burst": burst,
            "age": rng.normal(0, 0.06, n),
            "ebv": _draw_dust(log_mass, quiescent, inclination, rng),
            "metallicity": metallicity,
            "excitation": rng.normal(0, 0.08, n),
            "bulge_fraction": bulge_fraction,
            "inclination": inclination,
            "angle": rng.uniform(0, 180, n),
            "r_bulge": r_bulge,
            "r_disk": r_disk,
            "sigma_v": np.clip(90 * 10 ** (0.25 * (log_mass - 10.3) + rng.normal(0, 0.08, n)), 40, 220),
        }
    )


def _draw_redshift(n: int, rng: np.random.Generator) -> np.ndarray:
    """Three quarters in two walls, as narrow cones through the local universe have them, else uniform in volume."""
    near, far = 0.03, 0.11
    field = (near**3 + rng.random(n) * (far**3 - near**3)) ** (1 / 3)
    wall = rng.choice([0.055, 0.082], n, p=[0.4, 0.6]) + rng.normal(0, 0.0015, n)
    return np.where(rng.random(n) < 0.75, wall, field)


def _draw_mass(n: int, rng: np.random.Generator) -> np.ndarray:
    """Schechter function, faint galaxies thinned as the magnitude limit will thin them anyway."""
    grid = np.linspace(9.0, 11.7, 271)
    density = 10 ** (0.55 * (grid - 10.75)) * np.exp(-(10 ** (grid - 10.75)))
    total = np.cumsum(density)
    return np.interp(rng.random(n) * total[-1], total, grid)


def _draw_sfr(log_mass: np.ndarray, quiescent: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    n = len(log_mass)
    burst = rng.normal(0, 0.12, n)
    sequence = 0.70 * (log_mass - 10.5) + 0.20 + rng.normal(0, 0.30, n) + burst
    green = rng.random(n) < 0.15
    specific = np.where(green, rng.normal(-11.2, 0.20, n), rng.normal(-11.85, 0.20, n))
    return np.where(quiescent, log_mass + specific, sequence), np.where(quiescent, 0.0, burst)


def _draw_dust(
    log_mass: np.ndarray, quiescent: np.ndarray, inclination: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Colour excess of the gas: more in massive disks and in those seen edge-on."""
    edge_on = 1 - np.cos(np.radians(inclination))
    median = 0.30 * 10 ** (0.30 * (log_mass - 10.3)) * (0.75 + 0.6 * edge_on)
    ebv = median * 10 ** rng.normal(0, 0.13, len(log_mass))
    return np.where(quiescent, 0.35 * ebv, ebv)


def _draw_sizes(
    z: np.ndarray, log_mass: np.ndarray, quiescent: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Half-light radii of bulge and disk [arcsec]."""
    n = len(z)
    disk = 0.24 * (log_mass - 10.3) + 0.64 + rng.normal(0, 0.21, n)
    bulge = 0.50 * (log_mass - 10.7) + 0.40 + rng.normal(0, 0.12, n) - np.where(quiescent, 0.0, 0.15)
    arcsec = COSMOLOGY.arcsec_per_kpc_proper(z).value
    return np.clip(10**bulge * arcsec, 0.3, 8.0), np.clip(10**disk * arcsec, 0.8, 9.0)


def draw_stars(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return n stars: ``temperature`` [K], r magnitude ``mag``, ``z`` of their radial velocity."""
    return pd.DataFrame(
        {
            "temperature": rng.uniform(4000, 8500, n),
            "mag": rng.uniform(15.2, 18.8, n),
            "z": rng.normal(0, 1.5e-4, n),
        }
    )


def draw_quasars(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return n quasars: ``z``, power-law ``slope`` of f_lambda, r magnitude ``mag``."""
    return pd.DataFrame(
        {
            "z": rng.uniform(0.25, 2.6, n),
            "slope": rng.normal(-1.5, 0.25, n),
            "mag": rng.uniform(16.8, 19.0, n),
        }
    )


def label_noise(quiescent: np.ndarray) -> np.ndarray:
    """Return sigma (n,) [dex] of the noise that the label AVG has about the truth: no prediction can be better."""
    return np.where(np.asarray(quiescent, dtype=bool), _LABEL_SIGMA[True], _LABEL_SIGMA[False])


def draw_labels(log_sfr: np.ndarray, quiescent: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Return what the catalogue says of galaxies of known SFR: the truth with the label's own noise.

    Returns
    -------
    DataFrame
        ``avg median mode p16 p84 p2p5 p97p5`` [log10 M_sun/yr], ``entropy``, ``flag`` (all 0).
    """
    n = len(log_sfr)
    passive = np.asarray(quiescent, dtype=bool)
    width = np.where(passive, rng.uniform(0.5, 0.8, n), rng.uniform(0.14, 0.3, n))
    avg = log_sfr + rng.normal(0, 1, n) * label_noise(passive)
    median = avg + np.where(passive, 0.08, 0.01) + rng.normal(0, 0.02, n)
    # the distribution of a quiescent galaxy has a tail to low rates
    skew = np.where(passive, 0.12, 0.02)
    return pd.DataFrame(
        {
            "avg": avg,
            "entropy": -5.8 + np.where(passive, 0.0, 0.7) + rng.normal(0, 0.15, n),
            "flag": np.zeros(n),
            "median": median,
            "mode": 0.05 * np.round((median + skew) / 0.05),
            "p16": median - width * (1 + skew),
            "p2p5": median - 2 * width * (1 + 2 * skew),
            "p84": median + width * (1 - skew),
            "p97p5": median + 2 * width * (1 - 2 * skew),
        }
    )
