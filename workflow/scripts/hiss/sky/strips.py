"""Where the simulated runs look: strips of sky that are cut into overlapping fields."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from astropy.wcs import WCS

from hiss.bands import FRAME_SHAPE

ROWS_A_FIELD: Final = 1361
"""Rows by which one field follows another; the remaining 128 are in both."""

ROW_SECONDS: Final = 0.026322
"""Time in which the sky drifts by one row."""

CENTRE: Final = (36.45, -0.21)
"""Right ascension and declination of the middle of the first run [degree], in Stripe 82."""

_DEGREE_A_PIXEL: Final = 0.396 / 3600
_DRIFT: Final = {"r": 0, "i": 2, "u": 4, "z": 6, "g": 8}
"""Frames of time by which each band's CCD row lags r: the camera drifts r i u z g."""

# offset [pixel: x, y] and turn [radian] of each band's CCD against r
_BAND_OFFSET: Final = {"u": (2.3, -4.1), "g": (-1.7, 3.6), "r": (0.0, 0.0), "i": (1.2, -1.4), "z": (-2.6, 2.2)}
_BAND_TURN: Final = {"u": -1.2e-4, "g": 0.9e-4, "r": 0.0, "i": 0.4e-4, "z": 1.1e-4}


@dataclass(frozen=True)
class Strip:
    """Consecutive fields of one camera column of one run.

    Attributes
    ----------
    run, camcol, first_field, n_fields
        Which it is.
    middle
        x and y, in its own pixels, of the sky's `CENTRE`.
    tai
        Of the first row in r [s].
    seeing, sky
        Relative to a usual night.
    date
        DATE-OBS.
    """

    run: int
    camcol: int
    first_field: int
    n_fields: int
    middle: tuple[float, float]
    tai: float
    seeing: float
    sky: float
    date: str

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return ROWS_A_FIELD * (self.n_fields - 1) + FRAME_SHAPE[0], FRAME_SHAPE[1]

    def wcs(self, band: str) -> WCS:
        """Return the strip's world coordinates in a band: columns run north, rows east."""
        dx, dy = _BAND_OFFSET[band]
        turn = _BAND_TURN[band]
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.crval = CENTRE
        wcs.wcs.crpix = [self.middle[0] + dx + 1, self.middle[1] + dy + 1]
        wcs.wcs.cd = _DEGREE_A_PIXEL * np.array([[-np.sin(turn), np.cos(turn)], [np.cos(turn), np.sin(turn)]])
        return wcs

    def field_tai(self, field_index: int, band: str) -> float:
        """Return TAI [s] of the first row of a field in a band."""
        return self.tai + (field_index + _DRIFT[band]) * ROWS_A_FIELD * ROW_SECONDS

    def frame_number(self, field_index: int, band: str) -> int:
        """Return FRAME of the header, which counts in time and so differs from the field by band."""
        return self.first_field + field_index + _DRIFT[band]


def plan_strips(fields: int) -> list[Strip]:
    """Return the first run with so many fields, and a second that covers one of them a year later.

    The second run is shifted by 40.71 rows and 3.37 columns: no pixel of one lies on a pixel of the other.
    """
    first_rows = ROWS_A_FIELD * (fields - 1) + FRAME_SHAPE[0]
    middle = (FRAME_SHAPE[1] / 2, first_rows / 2)
    again = fields // 2
    shifted = (middle[0] + 3.37, middle[1] - ROWS_A_FIELD * again + 40.71)
    return [
        Strip(4203, 3, 121, fields, middle, 4573164210.40, 1.0, 1.0, "2003-10-20"),
        Strip(5823, 3, 88, 1, shifted, 4638027315.72, 1.12, 1.15, "2005-11-08"),
    ]
