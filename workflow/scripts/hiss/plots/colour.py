"""A cutout in colour."""

from typing import Final

import numpy as np
from astropy.visualization import ManualInterval, make_lupton_rgb
from numpy.typing import NDArray

from hiss.bands import BAND_INDEX, BAND_WAVELENGTH

_BANDS: Final = ("i", "r", "g")  # shown as red, green and blue
_SOFTENING: Final = 8.0  # Q of Lupton et al.
_NOISE: Final = 4.0  # sigmas of the sky that the linear part of the stretch spans at least
_BLACK: Final = 1.5  # sigmas below the sky that are black: its noise is seen, not its colours
_PEAK: Final = 60.0  # how much the brightest pixel may exceed the linear part
_RANGE: Final = (1.0, 99.8)  # percentiles taken for sky and peak


def colour_composite(images: NDArray[np.floating], sigma: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return a cutout in colour: i, r and g as red, green and blue, after Lupton et al. 2004, PASP 116, 133.

    Each band is weighted by the root of its wavelength, between flux per wavelength, as in the cube, and photons: a
    galaxy that forms stars comes out blue and one that does not yellow.

    Parameters
    ----------
    images, sigma
        (5, side, side) flux and sigma, u g r i z; NaN where nothing was measured.

    Returns
    -------
    (side, side, 4) red, green, blue and opacity: transparent where one of the three bands was not measured.
    """
    chosen = [BAND_INDEX[band] for band in _BANDS]
    weights = np.sqrt(BAND_WAVELENGTH[chosen] / BAND_WAVELENGTH[chosen].max())[:, None, None]
    flux = np.asarray(images[chosen], np.float64) * weights
    known = np.isfinite(flux).all(axis=0)
    rgba = np.zeros((*known.shape, 4), np.uint8)
    if not known.any():
        return rgba
    flux = flux - np.median(flux[:, known], axis=1)[:, None, None]  # of the sky, most of a cutout
    noise = (np.asarray(sigma[chosen], np.float64) * weights)[:, known]
    noise = noise[np.isfinite(noise)]
    sky = float(np.median(noise)) if noise.size else 0.0  # sigmas of an adopted cube may not be known
    low, peak = np.percentile(flux[:, known].mean(axis=0), _RANGE)
    stretch = max(_NOISE * sky, float(peak - low) / _PEAK) or 1.0
    filled = np.where(known, flux, 0.0)
    black = ManualInterval(vmin=-_BLACK * sky)
    with np.errstate(invalid="ignore"):  # astropy divides by an intensity of zero before it says that it is black
        rgba[..., :3] = make_lupton_rgb(*filled, interval=black, stretch=stretch, Q=_SOFTENING)
    rgba[..., 3] = np.where(known, 255, 0)
    return rgba
