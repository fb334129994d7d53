"""Between sky and pixels: gnomonic projections of many frames at once (Calabretta & Greisen 2002, section 5.1.3)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from hiss.cube.layout import WCS_DTYPE
from hiss.errors import BadInput

_NUMBERS: Final = [name for name in WCS_DTYPE.names or () if not name.startswith("CTYPE")]


def wcs_of(header: Mapping[str, Any], path: Path | str) -> np.ndarray:
    """Return a frame's WCS as one record of dtype ``WCS_DTYPE``, axes in the header's own order.

    Raises
    ------
    BadInput
        A key is missing, the projection is not TAN in RA and Dec, or the CD matrix is singular.
    """
    record = np.zeros((), WCS_DTYPE)
    try:
        for key in WCS_DTYPE.names or ():
            value = header[key]
            record[key] = value.encode() if isinstance(value, str) else value
    except (KeyError, AttributeError, ValueError, TypeError, OverflowError) as error:
        raise BadInput(f"{path}: no usable {error} in the header's WCS; fetch the file again") from None
    if not all(np.isfinite(record[key]) for key in _NUMBERS):
        raise BadInput(f"{path}: a number of the header's WCS is missing; fetch the file again")
    if {bytes(record["CTYPE1"]), bytes(record["CTYPE2"])} != {b"RA---TAN", b"DEC--TAN"}:
        raise BadInput(f"{path}: the WCS is not a TAN projection in RA and Dec; fetch the file again")
    if record["CD1_1"] * record["CD2_2"] == record["CD1_2"] * record["CD2_1"]:
        raise BadInput(f"{path}: the CD matrix of the WCS is singular; fetch the file again")
    return record


def _celestial(wcs: np.ndarray) -> tuple[np.ndarray, ...]:
    """Give CRVAL and the CD rows of RA and Dec, whichever axis each is on: ra0, dec0, (ra, x y), (dec, x y)."""
    swapped = wcs["CTYPE1"] == b"DEC--TAN"
    pairs = [("CRVAL1", "CRVAL2"), ("CD1_1", "CD2_1"), ("CD1_2", "CD2_2")]
    (ra0, dec0), (ra_x, dec_x), (ra_y, dec_y) = (
        (np.where(swapped, wcs[second], wcs[first]), np.where(swapped, wcs[first], wcs[second]))
        for first, second in pairs
    )
    return np.radians(ra0), np.radians(dec0), ra_x, ra_y, dec_x, dec_y


def sky_to_pixel(wcs: np.ndarray, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the column and row of sky positions, counted from 0 at the centre of the first pixel.

    Parameters
    ----------
    wcs
        Records of dtype ``WCS_DTYPE``, of one shape with the positions (or broadcast to it).
    ra, dec
        Positions [deg].

    Returns
    -------
    Columns and rows, float64; NaN for positions more than 90 degrees from the frame.
    """
    ra0, dec0, ra_x, ra_y, dec_x, dec_y = _celestial(wcs)
    alpha, delta = np.radians(ra) - ra0, np.radians(dec)
    cosine = np.sin(dec0) * np.sin(delta) + np.cos(dec0) * np.cos(delta) * np.cos(alpha)
    cosine = np.where(cosine > 0, cosine, np.nan)
    xi = np.degrees(np.cos(delta) * np.sin(alpha) / cosine)
    eta = np.degrees((np.cos(dec0) * np.sin(delta) - np.sin(dec0) * np.cos(delta) * np.cos(alpha)) / cosine)
    determinant = ra_x * dec_y - ra_y * dec_x
    x = (dec_y * xi - ra_y * eta) / determinant
    y = (ra_x * eta - dec_x * xi) / determinant
    return x + wcs["CRPIX1"] - 1, y + wcs["CRPIX2"] - 1


def north_angle(wcs: np.ndarray, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return the direction of north at sky positions [deg], from the frame's rows towards its columns.

    It is the CD matrix's direction, and holds also where meridians converge between two frames' centres.
    """
    step = np.where(np.asarray(dec) > 0, -1, 1) / 3600  # away from the near pole
    (column, row), (next_column, next_row) = (sky_to_pixel(wcs, ra, dec + offset) for offset in (0, step))
    return np.asarray(np.degrees(np.arctan2((next_column - column) * step, (next_row - row) * step)))


def handedness(wcs: np.ndarray) -> np.ndarray:
    """Return 1 where east is counterclockwise from north in a frame's pixels, as in SDSS, and -1 where clockwise.

    Frames of unlike handedness cannot be turned into each other. The shape is that of the records.
    """
    _, _, ra_x, ra_y, dec_x, dec_y = _celestial(wcs)
    return np.asarray(np.where(ra_x * dec_y < ra_y * dec_x, 1, -1))


def pixel_to_sky(wcs: np.ndarray, column: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return RA in [0, 360) and Dec [deg] of pixels counted from 0; the inverse of `sky_to_pixel`."""
    ra0, dec0, ra_x, ra_y, dec_x, dec_y = _celestial(wcs)
    x, y = column + 1 - wcs["CRPIX1"], row + 1 - wcs["CRPIX2"]
    xi, eta = np.radians(ra_x * x + ra_y * y), np.radians(dec_x * x + dec_y * y)
    beside = np.cos(dec0) - eta * np.sin(dec0)
    alpha = np.arctan2(xi, beside)
    delta = np.arctan2(np.sin(dec0) + eta * np.cos(dec0), np.hypot(xi, beside))
    return np.degrees(ra0 + alpha) % 360, np.degrees(delta)


def frame_center(wcs: np.ndarray) -> tuple[float, float]:
    """Return RA and Dec [deg] of a frame's centre: CRVAL where CRPIX is there, as in SDSS, else projected."""
    x, y = (wcs["NAXIS1"] + 1) / 2, (wcs["NAXIS2"] + 1) / 2
    if abs(wcs["CRPIX1"] - x) <= 1 and abs(wcs["CRPIX2"] - y) <= 1:
        x, y = wcs["CRPIX1"], wcs["CRPIX2"]
    ra, dec = pixel_to_sky(wcs, x - 1, y - 1)
    return float(ra), float(dec)
