"""Positions within a circle on the sky: by true separation, helped by a cube's HEALPix index."""

from typing import Any, Final

import numpy as np
from astropy import units as u
from astropy.coordinates import Angle, SkyCoord
from astropy_healpix import HEALPix

from hiss.errors import HissError

_CENTER_TO_CORNER: Final = 1.2
"""Upper bound of the distance from a HEALPix cell's centre to its corner, in sides of a square of its area."""


def degrees_of(position: Any) -> tuple[float, float]:
    """Return RA and Dec [deg] of a `SkyCoord`, or of a pair: numbers in degrees, or angles with a unit.

    Raises
    ------
    HissError
        It is not one position on the sky.
    """
    if isinstance(position, SkyCoord):
        position = (position.icrs.ra, position.icrs.dec)
    try:
        ra, dec = (float(Angle(angle, u.deg).deg) for angle in position)
    except (TypeError, ValueError, u.UnitsError):
        raise HissError(f"{position!r} is not one position; give a SkyCoord or (ra, dec), in degrees") from None
    if not (np.isfinite(ra) and abs(dec) <= 90):
        raise HissError(f"RA {ra} and Dec {dec} are not on the sky; give (ra, dec) in degrees")
    return ra % 360, dec


def radius_of(radius: Any) -> float:
    """Return a radius [deg] from a number in degrees or an angle with a unit.

    Raises
    ------
    HissError
        It is not an angle from 0 to 180 degrees.
    """
    try:
        value = float(Angle(radius, u.deg).deg)
    except (TypeError, ValueError, u.UnitsError):
        value = np.nan
    if not 0 <= value <= 180:
        raise HissError(f"the radius {radius!r} is not an angle from 0 to 180 degrees; give degrees, or a unit with it")
    return value


def separation(ra: np.ndarray, dec: np.ndarray, ra0: float, dec0: float) -> np.ndarray:
    """Return the angle [deg] between positions [deg] and one of them, exact also where it is small."""
    across, along = np.radians(ra - ra0), np.radians(dec - dec0)
    cosines = np.cos(np.radians(dec)) * np.cos(np.radians(dec0))
    haversine = np.sin(along / 2) ** 2 + cosines * np.sin(across / 2) ** 2
    return np.asarray(np.degrees(2 * np.arcsin(np.sqrt(np.clip(haversine, 0, 1)))))


def rows_near(index: np.ndarray, order: int, ra: float, dec: float, radius: float) -> np.ndarray:
    """Return the rows whose HEALPix cell meets a circle, or lies a little beyond, increasing.

    Parameters
    ----------
    index
        Records with ``spatial``, the NESTED cell, increasing, and ``ds_slice_idx``, the row.
    order
        Of those cells. Coarser ones cover the circle: a NESTED cell is a range of finer ones, so a few binary
        searches find all rows.
    ra, dec, radius
        The circle [deg].

    Returns
    -------
    (n,) int64.
    """
    side = np.degrees(np.sqrt(np.pi / 3))
    coarse = int(np.clip(np.floor(np.log2(side / max(radius, 1e-9))), 0, order))
    reach = radius + _CENTER_TO_CORNER * side / 2**coarse
    if reach >= 180:
        return np.sort(index["ds_slice_idx"])
    healpix = HEALPix(nside=2**coarse, order="nested")
    cells = np.asarray(healpix.cone_search_lonlat(ra * u.deg, dec * u.deg, reach * u.deg), np.int64)
    first = np.searchsorted(index["spatial"], cells << 2 * (order - coarse))
    last = np.searchsorted(index["spatial"], (cells + 1) << 2 * (order - coarse))
    parts = [index["ds_slice_idx"][start:stop] for start, stop in zip(first, last, strict=True) if stop > start]
    return np.sort(np.concatenate([*parts, np.empty(0, np.int64)]).astype(np.int64))
