"""The spectra of a simulated sky as the spectrographs give them, before they become files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from hiss.sky.sed import (
    LINE_WAVELENGTH,
    fibre_shares,
    galaxy_spectra,
    line_fluxes,
    point_source_share,
    quasar_spectra,
    star_spectra,
)
from hiss.sky.spectrograph import expose
from hiss.sky.templates import LINES, STEP

_SDSS_LOGLAM: Final = 3.5770 + STEP * np.arange(3880)
_BOSS_LOGLAM: Final = 3.5520 + STEP * np.arange(4631)
_BRIGHTSKY: Final = 1 << 23
_NODATA: Final = 1 << 24
_BRIGHT: Final = 60.0  # sky flux from which a pixel is flagged


@dataclass(frozen=True)
class ObservedSpectrum:
    """One spectrum as observed.

    Attributes
    ----------
    loglam, flux, ivar, mask, sky, model
        (n_pixels,) as in COADD.
    lines
        SPZLINE name to flux and error [1e-17 erg s-1 cm-2]; empty but for galaxies.
    """

    loglam: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    mask: np.ndarray
    sky: np.ndarray
    model: np.ndarray
    lines: dict[str, tuple[float, float]]


def fibre_diameter(boss: bool) -> float:
    """Return the diameter of a fibre [arcsec]."""
    return 2.0 if boss else 3.0


def observe(spectra: pd.DataFrame, placed: pd.DataFrame, seed: np.random.SeedSequence) -> list[ObservedSpectrum]:
    """Return the spectra of the rows of `hiss.sky.layout.list_spectra`, in their order.

    Parameters
    ----------
    placed
        The objects, indexed by ``object``.
    """
    rng = np.random.default_rng(seed)
    observed: list[ObservedSpectrum | None] = [None] * len(spectra)
    kinds = placed["kind"].to_numpy()[spectra["object"]]
    for boss in (False, True):
        for kind in ("galaxy", "star", "quasar"):
            rows = np.flatnonzero((spectra["boss"] == boss).to_numpy() & (kinds == kind))
            if len(rows):
                of_kind = _observe_kind(spectra.iloc[rows], placed, kind, boss, rng)
                for row, spectrum in zip(rows, of_kind):
                    observed[row] = spectrum
    return [spectrum for spectrum in observed if spectrum is not None]


def _observe_kind(
    spectra: pd.DataFrame, placed: pd.DataFrame, kind: str, boss: bool, rng: np.random.Generator
) -> list[ObservedSpectrum]:
    objects = placed.iloc[spectra["object"].to_numpy()]
    loglam = _BOSS_LOGLAM if boss else _SDSS_LOGLAM
    diameter = fibre_diameter(boss)
    clean = true_spectra(objects, kind, loglam, diameter)
    depth = (4.0 if boss else 1.0) * 10 ** rng.normal(0, 0.1, len(spectra))
    exposure = expose(clean, loglam, diameter, depth, rng)
    result = []
    for row, gap in enumerate(spectra["gap"]):
        flux, ivar, sky = exposure.flux[row].copy(), exposure.ivar[row].copy(), exposure.sky[row]
        lines = _fit_lines(objects.iloc[[row]], loglam, ivar, diameter, rng) if kind == "galaxy" else {}
        missing = _missing_pixels(loglam, rng) if gap == "run" else np.zeros(len(loglam), bool)
        flux[missing], ivar[missing] = 0, 0
        mask = np.where(missing, _NODATA, 0) | np.where(sky > _BRIGHT, _BRIGHTSKY, 0)
        keep = _coverage(loglam, gap, boss, rng)
        model = clean[row].astype(np.float32)
        result.append(
            ObservedSpectrum(
                loglam[keep], flux[keep], ivar[keep], mask.astype(np.int32)[keep], sky[keep], model[keep], lines
            )
        )
    return result


def true_spectra(objects: pd.DataFrame, kind: str, loglam: np.ndarray, fiber_arcsec: float) -> np.ndarray:
    """Return what fibres on objects of one kind receive, without noise, (n, n_pixels) [1e-17 cgs per Angstrom]."""
    if kind == "galaxy":
        return galaxy_spectra(objects, loglam, fiber_arcsec)
    total: Callable[[pd.DataFrame, np.ndarray], np.ndarray] = star_spectra if kind == "star" else quasar_spectra
    return total(objects, 10**loglam) * point_source_share(fiber_arcsec)


def _fit_lines(
    galaxy: pd.DataFrame, loglam: np.ndarray, ivar: np.ndarray, diameter: float, rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """What a line fit would find: the flux in the fibre, with the error that the pixels under the line give."""
    _, in_disk = fibre_shares(galaxy, diameter)
    true = line_fluxes(galaxy)[0] * in_disk[0]
    wl = LINE_WAVELENGTH * (1 + galaxy["z"].iloc[0])
    pixel = np.clip(np.round((np.log10(wl) - loglam[0]) / STEP).astype(int), 0, len(loglam) - 1)
    width = np.hypot(galaxy["sigma_v"].iloc[0], 69.0) / 69.0
    error = np.sqrt(2 * np.sqrt(np.pi) * width / ivar[pixel]) * wl * np.log(10) * STEP
    found = true + error * rng.standard_normal(len(true))
    return {name: (float(area), float(sigma)) for name, area, sigma in zip(LINES, found, error)}


def _missing_pixels(loglam: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One to three runs; half of the spectra have one on the sky line at 5577 A."""
    missing = np.zeros(len(loglam), bool)
    for _ in range(rng.integers(1, 4)):
        start = rng.integers(100, len(loglam) - 300)
        missing[start : start + rng.integers(3, 150)] = True
    if rng.random() < 0.5:
        missing |= np.abs(10**loglam - 5578.9) < rng.uniform(3, 12)
    return missing


def _coverage(loglam: np.ndarray, gap: str, boss: bool, rng: np.random.Generator) -> slice:
    """Spectra begin and end where the fibre's image does on its CCD; few of them too late or too early."""
    first = int(rng.integers(0, 41))
    last = len(loglam) - int(rng.integers(0, 21))
    if gap == "ends" and not boss:
        blue = rng.random() < 0.5
        first, last = (
            (int(rng.integers(120, 200)), last) if blue else (first, len(loglam) - int(rng.integers(180, 280)))
        )
    return slice(first, last)
