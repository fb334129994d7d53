"""The spectrographs: sky, throughput, noise, and the errors of flux calibration and sky subtraction."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from hiss.sky.templates import STEP

# variance over flux of object and sky, at S/N of a 45-minute exposure, read off public SDSS-I spectra
_NOISE_WAVELENGTH: Final = (
    3500, 3800, 3900, 4000, 4200, 4600, 5000, 5600, 5900,
    6200, 7000, 7600, 8000, 8400, 8800, 9200, 10400,
)  # fmt: skip
_NOISE: Final = (
    2.0, 0.75, 0.45, 0.30, 0.16, 0.09, 0.065, 0.05, 0.06,
    0.032, 0.027, 0.028, 0.04, 0.055, 0.065, 0.09, 0.35,
)  # fmt: skip
_READ_VARIANCE: Final = 0.08
_SKY_WAVELENGTH: Final = (3500, 4000, 5000, 6000, 7000, 8000, 9000, 10400)
_SKY: Final = (5.0, 5.5, 5.5, 6.0, 5.5, 5.5, 5.0, 5.0)

# airglow lines in air [Angstrom] and peaks over the continuum: mercury, [O I], Na, then OH
_AIRGLOW: Final = (
    (4358.3, 5), (5461.0, 6), (5577.3, 450), (5889.9, 30), (5895.9, 18), (6300.3, 80), (6363.8, 28),
    (6498.7, 6), (6533.0, 8), (6553.6, 7), (6863.9, 14), (6923.2, 12), (6949.0, 6), (6978.4, 6),
    (7244.9, 12), (7276.4, 25), (7316.3, 30), (7340.9, 28), (7369.3, 20), (7401.7, 12), (7523.9, 10),
    (7571.7, 10), (7712.2, 8), (7750.6, 35), (7794.1, 38), (7821.5, 32), (7853.2, 22), (7913.7, 45),
    (7949.2, 14), (7964.7, 50), (7993.3, 45), (8025.8, 28), (8061.9, 14), (8344.6, 50), (8382.4, 25),
    (8399.2, 65), (8430.2, 60), (8452.2, 25), (8465.4, 35), (8493.4, 20), (8504.6, 18), (8761.4, 20),
    (8767.9, 40), (8778.3, 45), (8791.2, 30), (8827.1, 60), (8836.0, 35), (8850.0, 40), (8867.6, 35),
    (8885.8, 75), (8903.1, 30), (8919.6, 65), (8943.4, 40), (8958.1, 55), (8988.4, 45), (9001.3, 50),
    (9037.9, 40), (9049.2, 28), (9102.0, 30), (9375.9, 60), (9439.6, 60), (9476.9, 50), (9505.0, 40),
    (9872.1, 70), (10014.0, 60), (10124.0, 60), (10287.0, 60),
)  # fmt: skip
_RESIDUAL: Final = 0.012  # of a sky line, left over after subtraction
_AIR: Final = 1.000277


@dataclass(frozen=True)
class Exposure:
    """Observed spectra.

    Attributes
    ----------
    flux, ivar, sky
        (n, n_pixels) float32, 1e-17 erg s-1 cm-2 Angstrom-1 and its inverse square.
    """

    flux: np.ndarray
    ivar: np.ndarray
    sky: np.ndarray


def sky_spectrum(loglam: np.ndarray, fiber_arcsec: float) -> np.ndarray:
    """Return the mean night sky in a fibre, (n_pixels,) [1e-17 erg s-1 cm-2 Angstrom-1]."""
    wl = 10**loglam
    sky = np.interp(wl, _SKY_WAVELENGTH, _SKY)
    for centre, peak in _AIRGLOW:
        vacuum = centre * _AIR
        sigma = 1.05 * vacuum * np.log(10) * STEP
        sky = sky + peak * np.exp(-0.5 * ((wl - vacuum) / sigma) ** 2)
    return sky * (fiber_arcsec / 3.0) ** 2


def expose(
    flux: np.ndarray, loglam: np.ndarray, fiber_arcsec: float, depth: np.ndarray, rng: np.random.Generator
) -> Exposure:
    """Return spectra as the pipeline delivers them: noisy, sky-subtracted, calibrated to some per cent.

    Parameters
    ----------
    flux
        (n, n_pixels) true flux in the fibre [1e-17 erg s-1 cm-2 Angstrom-1].
    depth
        (n,) exposure relative to 45 minutes in good weather.

    Notes
    -----
    The inverse variance knows photons, read noise and sky residuals, and nothing of the flux calibration,
    as in SDSS.
    """
    n = len(flux)
    wl = 10**loglam
    level = sky_spectrum(loglam, fiber_arcsec)
    sky = level * rng.uniform(0.8, 1.4, n)[:, None]
    per_flux = np.interp(wl, _NOISE_WAVELENGTH, _NOISE)
    photons = (per_flux * (np.maximum(flux, 0) + sky) + _READ_VARIANCE) / depth[:, None]
    left_over = _RESIDUAL * (sky - np.minimum(sky, 8.0 * (fiber_arcsec / 3) ** 2))
    noise = rng.standard_normal(flux.shape) * np.sqrt(photons) + _smooth_noise(flux.shape, rng) * left_over
    calibrated = (flux + noise) * _calibration_error(n, wl, rng)
    ivar = 1 / (photons + left_over**2)
    return Exposure(calibrated.astype(np.float32), ivar.astype(np.float32), sky.astype(np.float32))


def _smooth_noise(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Unit noise correlated over two pixels: a sky line is missed as a whole."""
    white = rng.standard_normal((shape[0], shape[1] + 1))
    return (white[:, 1:] + white[:, :-1]) / np.sqrt(2)


def _calibration_error(n: int, wl: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Spectrophotometric scale (4 %) and tilt (3 % over the range)."""
    tilt = (wl - 6200) / 2700
    return 1 + 0.04 * rng.standard_normal((n, 1)) + 0.015 * rng.standard_normal((n, 1)) * tilt
