"""The imaging camera: gain, dark variance, sky, seeing, and what they do to a clean image.

Typed here on its own: the cube's error model is judged by these images and must share nothing with them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from hiss.sky.profiles import Psf, double_gaussian

PIXEL: Final = 0.396
"""Side of a pixel [arcsec]."""

_GAIN: Final = {
    1: (1.62, 3.32, 4.71, 5.165, 4.745),
    2: (1.595, 3.855, 4.6, 6.565, 5.155),
    3: (1.59, 3.845, 4.72, 4.86, 4.885),
    4: (1.6, 3.995, 4.76, 4.885, 4.775),
    5: (1.47, 4.05, 4.725, 4.64, 3.48),
    6: (2.17, 4.035, 4.895, 4.76, 4.69),
}
_DARK: Final = {
    1: (9.61, 15.6025, 1.8225, 7.84, 0.81),
    2: (12.6025, 1.44, 1.00, 5.76, 1.0),
    3: (8.7025, 1.3225, 1.3225, 4.6225, 1.0),
    4: (12.6025, 1.96, 1.3225, 6.25, 9.61),
    5: (9.3025, 1.1025, 0.81, 7.84, 1.8225),
    6: (7.0225, 1.8225, 0.9025, 5.0625, 1.21),
}
# what a later run changes: (camcol, band), first run of the change, gain or None, dark variance or None
_LATER: Final = (
    (2, 0, 1100, 1.825, None),
    (2, 3, 1500, None, 6.25),
    (4, 3, 1500, None, 7.5625),
    (4, 4, 1500, None, 12.6025),
    (5, 4, 1500, None, 2.1025),
)
_SKY_COUNTS: Final = (22.0, 73.0, 137.0, 186.0, 99.0)
_NANOMAGGIES: Final = (0.00945, 0.00377, 0.00496, 0.00636, 0.03640)
_FWHM: Final = (1.42, 1.35, 1.25, 1.18, 1.20)


@dataclass(frozen=True)
class Detector:
    """One CCD on one night.

    Attributes
    ----------
    gain, dark_variance
        Electrons per count; counts squared.
    sky, nanomaggies
        Counts of the sky in a pixel; calibration [nanomaggies per count].
    fwhm
        Of the seeing [arcsec].
    """

    gain: float
    dark_variance: float
    sky: float
    nanomaggies: float
    fwhm: float

    @property
    def psf(self) -> Psf:
        """The PSF in pixels."""
        return double_gaussian(self.fwhm / PIXEL)


def detector(band: int, camcol: int, run: int, seeing: float = 1.0, sky: float = 1.0) -> Detector:
    """Return the CCD of a band (index in u g r i z), with seeing and sky relative to a usual night's."""
    gain, dark = _GAIN[camcol][band], _DARK[camcol][band]
    for later_camcol, later_band, first_run, new_gain, new_dark in _LATER:
        if (camcol, band) == (later_camcol, later_band) and run > first_run:
            gain, dark = new_gain or gain, new_dark or dark
    return Detector(gain, dark, _SKY_COUNTS[band] * sky, _NANOMAGGIES[band], _FWHM[band] * seeing)


def observed_counts(expected: np.ndarray, ccd: Detector, rng: np.random.Generator) -> np.ndarray:
    """Return counts read out: Poisson in electrons, Gaussian dark and read noise.

    Parameters
    ----------
    expected
        Counts of sky and objects, any shape, float32.
    """
    electrons = rng.poisson(np.maximum(expected, 0) * ccd.gain).astype(np.float32)
    dark = rng.standard_normal(expected.shape, dtype=np.float32) * np.float32(np.sqrt(ccd.dark_variance))
    return electrons / np.float32(ccd.gain) + dark


def counts_variance(expected: np.ndarray, ccd: Detector) -> np.ndarray:
    """Return the variance of `observed_counts` [counts squared]."""
    return expected / ccd.gain + ccd.dark_variance
