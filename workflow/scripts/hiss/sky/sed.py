"""What a galaxy, a star or a quasar shines: continuum, lines, band fluxes, and what a fibre gets of them."""

from functools import lru_cache
from typing import Final

import astropy.units as u
import numpy as np
import pandas as pd
from astropy.cosmology import FlatLambdaCDM
from scipy.special import erf

from hiss.sky.photometry import GRID, band_nanomaggies, line_nanomaggies
from hiss.sky.profiles import Shape, axis_ratio, fibre_fractions
from hiss.sky.templates import LINES, REST_LOGLAM, STEP, attenuation_curve, line_ratios, star_template, templates

COSMOLOGY: Final = FlatLambdaCDM(H0=70 * u.km / u.s / u.Mpc, Om0=0.3)
LINE_WAVELENGTH: Final = np.array(list(LINES.values()))

_SUN: Final = 4.73e29  # L_lambda of the Sun at the pivot [erg/s/A], from M_r = 4.65 AB
_MASS_TO_LIGHT: Final = {"poor": 2.2, "rich": 3.0, "middle": 0.6}
_MIDDLE_YEARS: Final = 1.0e9
_YOUNG: Final = 8.5e38  # L_lambda at the pivot of 1 M_sun/yr: Kennicutt (1998) UV over 1.5, slope -2
_STELLAR_DUST: Final = 0.44  # stars see less dust than gas (Calzetti)
_BULGE_DUST: Final = 0.25
_SPECTROGRAPH_SIGMA: Final = 69.0  # km/s, one pixel
_C_KM_S: Final = 299792.458
_PIXEL_KM_S: Final = _C_KM_S * np.log(10) * STEP
FIBRE_SEEING: Final = 1.5
"""FWHM of the seeing on a plate [arcsec]."""


def luminosity_distance(z: np.ndarray) -> np.ndarray:
    """Return the luminosity distance [cm] of flat LCDM, h = 0.7, Omega_m = 0.3."""
    return COSMOLOGY.luminosity_distance(np.asarray(z)).to_value(u.cm)


def halpha_luminosity(log_sfr: np.ndarray) -> np.ndarray:
    """Return L(H-alpha) [erg/s] of a star formation rate [log10 M_sun/yr], Kennicutt (1998) over 1.5 (Kroupa)."""
    return 10**log_sfr * 1.5 / 7.9e-42


def _populations(galaxies: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """L_lambda at the pivot of the four stellar populations in bulge and disk, (n, 4) each [erg/s/A]."""
    mass = 10 ** galaxies["log_mass"].to_numpy()
    in_bulge = galaxies["bulge_fraction"].to_numpy()
    rich = np.clip((galaxies["metallicity"].to_numpy() - 8.3) / 0.9, 0.05, 0.95)
    brightness = 10 ** -galaxies["age"].to_numpy()
    recent = 10 ** (galaxies["log_sfr"] - galaxies["burst"]).to_numpy()
    nothing = np.zeros(len(galaxies))
    old_poor = (1 - rich) * brightness * _SUN / _MASS_TO_LIGHT["poor"]
    old_rich = rich * brightness * _SUN / _MASS_TO_LIGHT["rich"]
    middle = recent * _MIDDLE_YEARS * _SUN / _MASS_TO_LIGHT["middle"]
    # a bulge is more metal-rich than its disk
    bulge = mass * in_bulge * np.stack([0.5 * old_poor, old_rich + 0.5 * old_poor, nothing, nothing])
    disk = np.stack([mass * (1 - in_bulge) * old_poor, mass * (1 - in_bulge) * old_rich, middle, recent * _YOUNG])
    return bulge.T, disk.T


@lru_cache(maxsize=4)
def _rest_grid(coarse: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Wavelengths, templates and attenuation curve, averaged over so many native samples."""
    wl = 10 ** REST_LOGLAM.reshape(-1, coarse).mean(axis=1)
    return wl, templates().reshape(4, -1, coarse).mean(axis=2), attenuation_curve(wl)


def continuum(galaxies: pd.DataFrame, wl: np.ndarray, coarse: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return the total stellar continuum of bulges and disks, dimmed and reddened, as observed.

    Parameters
    ----------
    galaxies
        n rows of `hiss.sky.population.draw_galaxies`.
    wl
        (n_wl,) observed vacuum wavelengths [Angstrom].
    coarse
        Average the templates over so many of their samples first (for band fluxes; divides 7500).

    Returns
    -------
    Two (n, n_wl) float64 arrays, 1e-17 erg s-1 cm-2 Angstrom-1.
    """
    rest, stars, curve = _rest_grid(coarse)
    z = galaxies["z"].to_numpy()
    dimming = 1e17 / (4 * np.pi * luminosity_distance(z) ** 2 * (1 + z))
    ebv = _STELLAR_DUST * galaxies["ebv"].to_numpy()
    result = []
    for light, dust in zip(_populations(galaxies), (_BULGE_DUST * ebv, ebv)):
        flux = (light * dimming[:, None]) @ stars * 10 ** (-0.4 * dust[:, None] * curve)
        result.append(np.stack([np.interp(wl, rest * (1 + zi), row) for zi, row in zip(z, flux)]))
    return result[0], result[1]


def line_fluxes(galaxies: pd.DataFrame) -> np.ndarray:
    """Return the total observed flux of each line of ``LINES``, (n, n_lines) float64 [1e-17 erg s-1 cm-2]."""
    luminosity = halpha_luminosity(galaxies["log_sfr"].to_numpy())
    halpha = 1e17 * luminosity / (4 * np.pi * luminosity_distance(galaxies["z"].to_numpy()) ** 2)
    ratios = line_ratios(galaxies["metallicity"].to_numpy(), galaxies["excitation"].to_numpy())
    dust = 10 ** (-0.4 * galaxies["ebv"].to_numpy()[:, None] * attenuation_curve(LINE_WAVELENGTH))
    return halpha[:, None] * ratios * dust


def galaxy_nanomaggies(galaxies: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the total band fluxes of bulges and disks (with their lines), (n, 5) float64 each, nanomaggies."""
    bulge, disk = (band_nanomaggies(flux) for flux in continuum(galaxies, GRID, coarse=25))
    observed = LINE_WAVELENGTH * (1 + galaxies["z"].to_numpy()[:, None])
    return bulge, disk + line_nanomaggies(observed, line_fluxes(galaxies))


def fibre_shares(galaxies: pd.DataFrame, fiber_arcsec: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of bulge and disk light in a fibre of the given diameter [arcsec], (n,) each."""
    shape = Shape(
        galaxies["r_bulge"].to_numpy(),
        galaxies["r_disk"].to_numpy(),
        axis_ratio(galaxies["inclination"].to_numpy()),
        np.zeros(len(galaxies)),
    )
    return fibre_fractions(shape, FIBRE_SEEING, fiber_arcsec / 2)


def galaxy_spectra(galaxies: pd.DataFrame, loglam: np.ndarray, fiber_arcsec: float = 3.0) -> np.ndarray:
    """Return what a fibre on each galaxy's centre receives, without noise.

    Parameters
    ----------
    loglam
        (n_pixels,) log10 of observed vacuum wavelengths, uniform in steps of 1e-4.

    Returns
    -------
    (n, n_pixels) float64, 1e-17 erg s-1 cm-2 Angstrom-1.
    """
    in_bulge, in_disk = fibre_shares(galaxies, fiber_arcsec)
    bulge, disk = continuum(galaxies, 10**loglam)
    flux = bulge * in_bulge[:, None] + disk * in_disk[:, None]
    z = galaxies["z"].to_numpy()
    add_lines(
        flux, loglam, LINE_WAVELENGTH * (1 + z[:, None]), line_fluxes(galaxies) * in_disk[:, None],
        galaxies["sigma_v"].to_numpy(),
    )  # fmt: skip
    return flux


def add_lines(flux: np.ndarray, loglam: np.ndarray, wl: np.ndarray, line_flux: np.ndarray, sigma_v: np.ndarray) -> None:
    """Add Gaussian lines to spectra in place, each integrated over the pixels so that its flux is kept.

    Parameters
    ----------
    flux
        (n, n_pixels), uniform in ``loglam``.
    wl, line_flux
        (n, n_lines) observed wavelengths [Angstrom] and fluxes [flux unit x Angstrom].
    sigma_v
        (n,) velocity dispersion [km/s], to which the spectrograph's is added.
    """
    width = np.hypot(sigma_v, _SPECTROGRAPH_SIGMA) / _PIXEL_KM_S
    reach = int(np.ceil(6 * width.max()))
    position = (np.log10(wl) - loglam[0]) / STEP
    first = np.round(position).astype(int) - reach
    pixel = first[:, :, None] + np.arange(2 * reach + 1)
    scale = np.sqrt(2) * width[:, None, None]
    upper = erf((pixel + 0.5 - position[:, :, None]) / scale)
    lower = erf((pixel - 0.5 - position[:, :, None]) / scale)
    pixel_width = 10 ** (loglam[0] + STEP * pixel) * np.log(10) * STEP
    density = line_flux[:, :, None] * 0.5 * (upper - lower) / pixel_width
    inside = (pixel >= 0) & (pixel < flux.shape[1])
    row = np.broadcast_to(np.arange(len(flux))[:, None, None], pixel.shape)
    np.add.at(flux, (row[inside], pixel[inside]), density[inside])


def star_spectra(stars: pd.DataFrame, wl: np.ndarray) -> np.ndarray:
    """Return the total flux of stars of given temperature and r magnitude, (n, n_wl) [1e-17 cgs per Angstrom]."""
    if stars.empty:
        return np.zeros((0, len(wl)))
    shape, on_grid = (
        np.stack([star_template(grid, temperature) for temperature in stars["temperature"]]) for grid in (wl, GRID)
    )
    scale = 10 ** (0.4 * (22.5 - stars["mag"].to_numpy())) / band_nanomaggies(on_grid)[:, 2]
    return shape * scale[:, None]


# rest wavelength, equivalent width and velocity dispersion of a quasar's broad and narrow lines
_QUASAR_LINES: Final = (
    (1215.67, 80.0, 2500.0),
    (1549.06, 30.0, 2000.0),
    (1908.73, 22.0, 2200.0),
    (2799.12, 32.0, 1500.0),
    (4341.68, 18.0, 1500.0),
    (4862.68, 50.0, 1500.0),
    (4960.29, 6.0, 250.0),
    (5008.24, 18.0, 250.0),
    (6564.61, 180.0, 1400.0),
)


def quasar_spectra(quasars: pd.DataFrame, wl: np.ndarray) -> np.ndarray:
    """Return the total flux of quasars of given z, slope and r magnitude, (n, n_wl) [1e-17 cgs per Angstrom]."""
    if quasars.empty:
        return np.zeros((0, len(wl)))
    nanomaggies = 10 ** (0.4 * (22.5 - quasars["mag"].to_numpy()))
    scale = nanomaggies / band_nanomaggies(_quasar_shape(quasars, GRID))[:, 2]
    return _quasar_shape(quasars, wl) * scale[:, None]


def _quasar_shape(quasars: pd.DataFrame, wl: np.ndarray) -> np.ndarray:
    rest = wl / (1 + quasars["z"].to_numpy()[:, None])
    lines = np.ones_like(rest)
    for centre, width, sigma_v in _QUASAR_LINES:
        sigma = centre * sigma_v / _C_KM_S
        lines += width / (sigma * np.sqrt(2 * np.pi)) * np.exp(-0.5 * ((rest - centre) / sigma) ** 2)
    return (rest / 3000) ** quasars["slope"].to_numpy()[:, None] * lines


def point_source_share(fiber_arcsec: float) -> float:
    """Return the share of a star's light in a fibre of the given diameter [arcsec]."""
    return float(1 - np.exp(-0.5 * (fiber_arcsec / 2) ** 2 / (FIBRE_SEEING / 2.3548) ** 2))
