"""The fields of the survey: where each lies on the sky, and which of them hold an object's cutout whole."""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from hiss.bands import CUTOUT_SIZE, FRAME_SHAPE, PIXEL_SCALE
from hiss.errors import HissError
from hiss.sdss.archive import RERUN
from hiss.sdss.fits import corrupt_is_bad, first_hdus, open_fits, read_rows

ROWS_A_FIELD: Final = 1361
"""Rows by which one field follows another; the remaining 128 of a frame are in both."""

SLACK: Final = 64
"""Pixels by which the list's limits of a field may differ from the frame's: half the overlap."""

_HALF: Final = CUTOUT_SIZE // 2
_PIXEL: Final = PIXEL_SCALE / 3600  # degree
_READ: Final = ["RUN", "CAMCOL", "FIELD", "RA", "DEC", "NODE", "INCL", "MU_START", "NU_START", "SCORE", "IMAGE_STATUS"]
_ROWS_AT_ONCE: Final = 50_000
_OBJECTS_AT_ONCE: Final = 20_000

_UNUSABLE: Final = 0b111_1000
"""IMAGE_STATUS: bad rotator, astrometry or focus, or shutters in the light."""


def read_field_list(path: Path | str) -> pd.DataFrame:
    """Return the fields of the survey's list (``window_flist.fits``) that are in the archive and of use.

    Returns
    -------
    DataFrame
        ``run camcol field`` (int64), ``ra dec`` of the centre, ``node incl mu_start nu_start`` [deg] of the great
        circle along which it was scanned, ``score`` (0 to 1), sorted by run, camcol and field.

    Raises
    ------
    HissError
        The table lacks a column, or has no field of the archive's reduction.
    """
    path = Path(path)
    with open_fits(path, memmap=True) as file:
        rows = read_rows(first_hdus(file, 2, path)[-1], path)
        missing = [name for name in [*_READ, "RERUN"] if name not in (rows.dtype.names or ())]
        if missing:
            raise HissError(f"{path}: lacks the column {', '.join(missing)}; fetch window_flist.fits again")
        with corrupt_is_bad(path):
            parts = [_usable(rows[start : start + _ROWS_AT_ONCE]) for start in range(0, len(rows), _ROWS_AT_ONCE)]
    fields = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if fields.empty:
        raise HissError(f"{path}: has no field of rerun {RERUN}; fetch window_flist.fits again")
    return fields.drop_duplicates(["run", "camcol", "field"]).sort_values(["run", "camcol", "field"], ignore_index=True)


def _usable(rows: np.ndarray) -> pd.DataFrame:
    """Fields of this reduction whose telescope was in order, with native columns."""
    keep = (np.char.strip(rows["RERUN"]) == str(RERUN).encode()) & (rows["IMAGE_STATUS"] & _UNUSABLE == 0)
    integers = ("RUN", "CAMCOL", "FIELD")
    columns = {
        name.lower(): rows[name][keep].astype(np.int64 if name in integers else np.float64)
        for name in _READ
        if name != "IMAGE_STATUS"
    }
    return pd.DataFrame(columns)


def field_key(run: np.ndarray, camcol: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Return one int64 a field, in the order of run, camcol and field; -1 where the run is not known."""
    run, camcol, field = (np.asarray(part, np.int64) for part in (run, camcol, field))
    return np.where(run < 0, -1, (run << 20) | (camcol << 16) | field)


def great_circle(
    ra: np.ndarray, dec: np.ndarray, node: np.ndarray | float, incl: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Return mu and nu [deg]: longitude and latitude on a great circle of given node and inclination [deg].

    Notes
    -----
    SDSS, "survey coordinates": the circle meets the equator at RA = node, and mu = RA there.
    """
    along, up, tilt = np.radians(ra - node), np.radians(dec), np.radians(incl)
    x, y, z = np.cos(along) * np.cos(up), np.sin(along) * np.cos(up), np.sin(up)
    mu = node + np.degrees(np.arctan2(y * np.cos(tilt) + z * np.sin(tilt), x))
    nu = np.degrees(np.arcsin(np.clip(z * np.cos(tilt) - y * np.sin(tilt), -1, 1)))
    return mu % 360, nu


def place_in_field(fields: pd.DataFrame, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column [pixel] of positions [deg] in fields, one field a position."""
    mu, nu = great_circle(ra, dec, fields["node"].to_numpy(), fields["incl"].to_numpy())
    along = (mu - fields["mu_start"].to_numpy() + 180) % 360 - 180
    return along / _PIXEL, (nu - fields["nu_start"].to_numpy()) / _PIXEL


def holds_cutout(row: np.ndarray, column: np.ndarray, slack: float) -> np.ndarray:
    """Return whether a cutout around a place lies in a frame, give or take ``slack`` rows.

    With a negative slack it surely does, with a positive one it may.
    """
    rows, columns = FRAME_SHAPE
    sideways = np.sign(slack) * min(abs(slack), 8)  # the columns' limits are sharp: only the bands' offsets blur them
    along = (row >= _HALF - slack) & (row <= rows - _HALF + slack)
    across = (column >= _HALF - sideways) & (column <= columns - _HALF + sideways)
    return np.asarray(along & across)


def fields_that_cover(fields: pd.DataFrame, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of position and field (row numbers) where the field may hold the position's cutout whole.

    Parameters
    ----------
    fields
        As `read_field_list` gives them.
    ra, dec
        (n,) positions [deg].

    Returns
    -------
    Two int64 arrays, sorted by position, then field.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(_unit_vectors(fields["ra"].to_numpy(), fields["dec"].to_numpy()))
    reach = np.radians(np.hypot(FRAME_SHAPE[0] / 2 + 2 * SLACK, FRAME_SHAPE[1] / 2 + 2 * SLACK) * _PIXEL)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for start in range(0, len(ra), _OBJECTS_AT_ONCE):
        part = slice(start, start + _OBJECTS_AT_ONCE)
        near = tree.query_ball_point(_unit_vectors(ra[part], dec[part]), 2 * np.sin(reach / 2), return_sorted=True)
        counts = np.fromiter(map(len, near), np.int64, len(near))
        which = np.repeat(np.arange(start, start + len(near)), counts)
        field = np.fromiter((number for numbers in near for number in numbers), np.int64, int(counts.sum()))
        row, column = place_in_field(fields.iloc[field], ra[which], dec[which])
        inside = holds_cutout(row, column, SLACK)
        found.append((which[inside], field[inside]))
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return np.concatenate([pair[0] for pair in found]), np.concatenate([pair[1] for pair in found])


def _unit_vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    along, up = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(along) * np.cos(up), np.sin(along) * np.cos(up), np.sin(up)], axis=1)
