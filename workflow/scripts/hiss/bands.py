"""The five SDSS bands and the constants of the survey's pixels and fibres."""

from typing import Final

import numpy as np

BANDS: Final = ("u", "g", "r", "i", "z")
"""Order of every band axis in this project."""

BAND_INDEX: Final = {band: index for index, band in enumerate(BANDS)}

BAND_WAVELENGTH: Final = np.array([3551.0, 4686.0, 6166.0, 7480.0, 8932.0])
"""Band midpoints [Angstrom], u g r i z."""

PIXEL_SCALE: Final = 0.396
"""Side of a frame's native pixel [arcsec]."""

FRAME_SHAPE: Final = (1489, 2048)
"""Rows and columns of a native frame."""

FLUX_UNIT: Final = "1e-17 erg s-1 cm-2 Angstrom-1"
"""Unit of every flux and sigma this project stores."""

N_ZOOMS: Final = 4
CUTOUT_SIZE: Final = 64
"""Side of a cutout at zoom 0 [pixel]; each further zoom halves it."""

SPECTRUM_SIZE: Final = 4620
"""Samples of a spectrum at zoom 0; each further zoom halves it, rounded down."""
