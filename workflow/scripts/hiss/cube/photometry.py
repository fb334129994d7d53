"""From nanomaggies to flux densities, with the noise of SDSS's camera.

Gain, dark variance and the error model are those of the SDSS data model, ``frame``.
"""

import math
from typing import Final

import numpy as np

from hiss.bands import BAND_INDEX, BAND_WAVELENGTH, PIXEL_SCALE
from hiss.errors import BadInput
from hiss.sdss.frame import Frame

NANOMAGGY: Final = 3.631e-29
"""Flux density of one nanomaggy [erg s-1 cm-2 Hz-1]."""

LIGHT_SPEED: Final = 2.99792458e18
"""Speed of light [Angstrom s-1]."""

STORED_UNIT: Final = 1e-17
"""Stored fluxes are in units of this many erg s-1 cm-2 Angstrom-1."""

_GAIN: Final = (  # electrons per count, a row a camcol, u g r i z
    (1.62, 3.32, 4.71, 5.165, 4.745),
    (1.595, 3.855, 4.6, 6.565, 5.155),
    (1.59, 3.845, 4.72, 4.86, 4.885),
    (1.6, 3.995, 4.76, 4.885, 4.775),
    (1.47, 4.05, 4.725, 4.64, 3.48),
    (2.17, 4.035, 4.895, 4.76, 4.69),
)
_GAIN_FROM: Final = {(2, "u"): (1100, 1.825)}  # from this run on

_DARK_VARIANCE: Final = (  # counts squared
    (9.61, 15.6025, 1.8225, 7.84, 0.81),
    (12.6025, 1.44, 1.00, 5.76, 1.0),
    (8.7025, 1.3225, 1.3225, 4.6225, 1.0),
    (12.6025, 1.96, 1.3225, 6.25, 9.61),
    (9.3025, 1.1025, 0.81, 7.84, 1.8225),
    (7.0225, 1.8225, 0.9025, 5.0625, 1.21),
)
_DARK_VARIANCE_FROM: Final = {
    (2, "i"): (1500, 6.25),
    (4, "i"): (1500, 7.5625),
    (4, "z"): (1500, 12.6025),
    (5, "z"): (1500, 2.1025),
}


def gain(camcol: int, run: int, band: str) -> float:
    """Return the camera's gain [electrons per count]."""
    first, later = _GAIN_FROM.get((camcol, band), (run + 1, 0.0))
    return later if run >= first else _GAIN[camcol - 1][BAND_INDEX[band]]


def dark_variance(camcol: int, run: int, band: str) -> float:
    """Return the variance of read-out noise and dark current [counts^2]."""
    first, later = _DARK_VARIANCE_FROM.get((camcol, band), (run + 1, 0.0))
    return later if run >= first else _DARK_VARIANCE[camcol - 1][BAND_INDEX[band]]


def flux_per_nanomaggy(band: str, fiber_arcsec: float | None) -> float:
    """Return the factor from nanomaggies a pixel to 1e-17 erg s-1 cm-2 Angstrom-1 in a fibre's aperture.

    The band's midpoint turns f_nu into f_lambda; a pixel stands for the whole aperture, pi (d/2)^2, or, where no
    diameter is given, for itself.
    """
    f_lambda = NANOMAGGY * LIGHT_SPEED / BAND_WAVELENGTH[BAND_INDEX[band]] ** 2 / STORED_UNIT
    pixels = 1.0 if fiber_arcsec is None else math.pi * (fiber_arcsec / 2) ** 2 / PIXEL_SCALE**2
    return float(f_lambda * pixels)


def _linear_weights(positions: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the two neighbours of each position on a grid and the second's weight; outside, the edge's value."""
    inside = np.clip(positions, 0, size - 1)
    low = np.minimum(inside.astype(np.intp), size - 2)
    return low, low + 1, (inside - low).astype(np.float32)


def interpolate_sky(sky: np.ndarray, x_interp: np.ndarray, y_interp: np.ndarray) -> np.ndarray:
    """Return the sky at every pixel, bilinear between the coarse samples.

    Parameters
    ----------
    sky
        (192, 256) float32 [counts].
    x_interp, y_interp
        (nx,) and (ny,) positions of columns and rows in ``sky``.

    Returns
    -------
    (ny, nx) float32 [counts].
    """
    low, high, weight = _linear_weights(y_interp, sky.shape[0])
    rows = sky[low] + (sky[high] - sky[low]) * weight[:, None]
    low, high, weight = _linear_weights(x_interp, sky.shape[1])
    # Columns are taken once for both neighbours: high is low + 1, so its values are one difference away.
    slope = np.diff(rows, axis=1)
    return np.take(rows, low, axis=1) + np.take(slope, low, axis=1) * weight


def image_sigma(
    image: np.ndarray, calibration: np.ndarray, sky: np.ndarray, gain: float, dark_variance: float
) -> np.ndarray:
    """Return sigma of calibrated pixels: calibration sqrt((image / calibration + sky) / gain + dark).

    Parameters
    ----------
    image
        (ny, nx) float32 [nanomaggies], sky subtracted.
    calibration
        (nx,) [nanomaggies per count].
    sky
        (ny, nx) [counts].

    Returns
    -------
    (ny, nx) float32 [nanomaggies]. Where noise makes the counts negative, that of the dark variance alone.
    """
    counts = image * (1 / calibration).astype(np.float32)
    counts += sky
    np.maximum(counts, 0, out=counts)
    counts *= np.float32(1 / gain)
    counts += np.float32(dark_variance)
    np.sqrt(counts, out=counts)
    counts *= calibration
    return counts


def background_sigma(
    calibration: np.ndarray,
    sky: np.ndarray,
    x_interp: np.ndarray,
    y_interp: np.ndarray,
    gain: float,
    dark_variance: float,
) -> float:
    """Return sigma of one native pixel from sky and dark alone, root mean square over the frame [nanomaggies].

    It does not know the pixel's own counts, so that a weight made of it does not bias a stack.
    """
    low, high, weight = _linear_weights(y_interp, sky.shape[0])
    mean_row = (sky[low] + (sky[high] - sky[low]) * weight[:, None]).mean(axis=0, dtype=np.float64)
    level = np.interp(x_interp, np.arange(sky.shape[1]), np.maximum(mean_row, 0))
    variance = np.square(calibration, dtype=np.float64) * (level / gain + dark_variance)
    return float(np.sqrt(variance.mean()))


class Calibration:
    """From a frame's nanomaggies to flux and sigma in 1e-17 erg s-1 cm-2 Angstrom-1, of any block of its pixels.

    A block is made of the same operations as the whole: the same pixel gets the same bits.

    Parameters
    ----------
    fiber_arcsec
        Diameter of the aperture that a pixel's flux is scaled to; None: not scaled.

    Attributes
    ----------
    background
        Sigma of the background.

    Raises
    ------
    BadInput
        The background's sigma is not a positive number: a stack could not weigh the frame.
    """

    def __init__(self, frame: Frame, fiber_arcsec: float | None) -> None:
        self._frame = frame
        self._factor = np.float32(flux_per_nanomaggy(frame.band, fiber_arcsec))
        self._noise = gain(frame.camcol, frame.run, frame.band), dark_variance(frame.camcol, frame.run, frame.band)
        with np.errstate(invalid="ignore", over="ignore"):
            background = background_sigma(frame.calibration, frame.sky, frame.x_interp, frame.y_interp, *self._noise)
        if not 0 < background < math.inf:
            raise BadInput(
                f"{frame.path}: the background's sigma is {background:g}, not positive; fetch the file again"
            )
        self.background = background * float(self._factor)

    def block(self, rows: slice, columns: slice, flux: np.ndarray, sigma: np.ndarray) -> None:
        """Write flux and sigma of a block of pixels, NaN in both where nothing was measured.

        Parameters
        ----------
        flux, sigma
            Where to, float32 of the block's shape.
        """
        frame = self._frame
        image = np.asarray(frame.image[rows, columns], np.float32)
        sky = interpolate_sky(frame.sky, frame.x_interp[columns], frame.y_interp[rows])
        with np.errstate(invalid="ignore", over="ignore"):  # a pixel that is not finite is set to NaN
            np.multiply(image_sigma(image, frame.calibration[columns], sky, *self._noise), self._factor, out=sigma)
            np.multiply(image, self._factor, out=flux)
            measured = all(np.isfinite(part.sum()) for part in (flux, sigma))  # an overflow only costs a closer look
        if not measured:
            missing = ~(np.isfinite(flux) & np.isfinite(sigma))
            flux[missing] = sigma[missing] = np.nan
