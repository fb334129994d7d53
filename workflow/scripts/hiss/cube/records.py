"""What a cube keeps of each file beside its pixels: a row of a table, a WCS, a header."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

from hiss.cube.layout import IMAGE_TABLE_DTYPE, METADATA_DTYPE, SPECTRUM_TABLE_DTYPE
from hiss.cube.wcs import frame_center
from hiss.errors import BadInput
from hiss.sdss.frame import Frame
from hiss.sdss.spectrum import SECONDS_PER_DAY, Spectrum

_MJD_0 = date(1858, 11, 17)


def observation_time(frame: Frame) -> float:
    """Return when a frame was taken [s since MJD 0]: TAI, else the day of DATE-OBS.

    Raises
    ------
    BadInput
        The header has neither.
    """
    if np.isfinite(frame.tai):
        return frame.tai
    try:
        day = date.fromisoformat(str(frame.header.get("DATE-OBS", ""))[:10])
    except ValueError:
        raise BadInput(f"{frame.path}: the header has neither TAI nor DATE-OBS; fetch the file again") from None
    return (day - _MJD_0).days * SECONDS_PER_DAY


def image_row(frame: Frame, path: str, wcs: np.ndarray, background_sigma: float) -> np.ndarray:
    """Return a frame's row of ``image_table``, one record."""
    row = np.zeros((), IMAGE_TABLE_DTYPE)
    row["path"], row["band"] = _path(path), frame.band.encode()
    row["run"], row["camcol"], row["field"] = frame.run, frame.camcol, frame.field
    row["tai"] = observation_time(frame)
    row["ra"], row["dec"] = frame_center(wcs)
    row["background_sigma"] = background_sigma
    return row


def spectrum_row(spectrum: Spectrum, path: str) -> np.ndarray:
    """Return a spectrum's row of ``spectrum_table``, one record."""
    row = np.zeros((), SPECTRUM_TABLE_DTYPE)
    row["path"] = _path(path)
    for name, value in (("class", spectrum.class_), ("subclass", spectrum.subclass)):
        room = SPECTRUM_TABLE_DTYPE[name].itemsize
        row[name] = value.encode()[:room].decode(errors="ignore").encode()  # whole characters
    row["ra"], row["dec"] = spectrum.ra % 360, spectrum.dec
    for name in ("plate", "mjd", "fiber", "z", "zwarning", "tai", "fiber_arcsec", "sn_median", "objid"):
        row[name] = getattr(spectrum, name)
    return row


def metadata_row(kind: str, path: str, header: Mapping[str, Any]) -> np.ndarray:
    """Return a file's path and its primary header as JSON, one record.

    Cards that no longer fit are left out, and the header says so under ``TRUNCATED``.

    Parameters
    ----------
    kind
        ``images`` or ``spectra``.

    Raises
    ------
    BadInput
        The path is longer than what is kept of it.
    """
    dtype = METADATA_DTYPE[kind]
    room = dtype["header"].itemsize
    text = json.dumps(header)
    if len(text) > room:
        cards: dict[str, Any] = {}
        size = len(json.dumps({"TRUNCATED": True}))
        for name, value in header.items():
            size += len(json.dumps({name: value}))  # its braces are as long as the comma between two cards
            if size > room:
                break
            cards[name] = value
        text = json.dumps({**cards, "TRUNCATED": True})
    return np.array((_path(path), text.encode()), dtype)


def _path(path: str) -> bytes:
    """Give a path as it is stored; a longer one would be cut, and lead to another file or to none."""
    stored, room = path.encode(), IMAGE_TABLE_DTYPE["path"].itemsize
    if len(stored) > room:
        raise BadInput(
            f"{path}: its path below the raw folder has {len(stored)} bytes and {room} are kept; "
            "shorten its folders' names"
        )
    return stored
