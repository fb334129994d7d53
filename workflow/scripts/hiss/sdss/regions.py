"""Regions of the sky as a user names them, and which objects of the catalogue lie in each."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from hiss.errors import HissError
from hiss.sdss.catalogue import KEY
from hiss.sdss.fields import field_key

STRIPE_82: Final = {"ra_min": 310.0, "ra_max": 60.0, "dec_min": -1.27, "dec_max": 1.27}
"""The equatorial stripe that was imaged again and again [deg]; RA runs through 0."""

FIELD: Final = ["run", "camcol", "field"]


def in_box(objects: pd.DataFrame, box: Mapping[str, float]) -> np.ndarray:
    """Return which objects lie in a box ``ra_min ra_max dec_min dec_max`` [deg], through RA 0 where min > max."""
    ra, dec = objects["ra"].to_numpy() % 360, objects["dec"].to_numpy()
    after, before = ra >= box["ra_min"], ra <= box["ra_max"]
    along = after & before if box["ra_min"] <= box["ra_max"] else after | before
    return np.asarray(along & (dec >= box["dec_min"]) & (dec <= box["dec_max"]))


def in_cone(objects: pd.DataFrame, cone: Mapping[str, float]) -> np.ndarray:
    """Return which objects lie within ``radius`` of ``ra dec`` [deg]."""
    along = np.radians(objects["ra"].to_numpy() - cone["ra"])
    up, centre = np.radians(objects["dec"].to_numpy()), np.radians(cone["dec"])
    # haversine: exact for small angles too
    square = np.sin((up - centre) / 2) ** 2 + np.cos(up) * np.cos(centre) * np.sin(along / 2) ** 2
    return np.asarray(2 * np.degrees(np.arcsin(np.sqrt(np.clip(square, 0, 1)))) <= cone["radius"])


def cells_of(ra: np.ndarray, dec: np.ndarray, order: int) -> np.ndarray:
    """Return the NESTED HEALPix cell of positions [deg], int64; -1 where a position is not known."""
    from astropy import units as u
    from astropy_healpix import HEALPix

    known = np.isfinite(ra) & np.isfinite(dec)
    cells = np.full(len(ra), -1, np.int64)
    healpix = HEALPix(nside=2**order, order="nested")
    cells[known] = healpix.lonlat_to_healpix(ra[known] * u.deg, dec[known] * u.deg)
    return cells


def in_cells(objects: pd.DataFrame, healpix: Mapping[str, Any]) -> np.ndarray:
    """Return which objects lie in the NESTED ``cells`` of a HEALPix ``order``."""
    cells = cells_of(objects["ra"].to_numpy(), objects["dec"].to_numpy(), healpix["order"])
    return np.isin(cells, healpix["cells"])


def read_ids(path: Path | str, names: list[str]) -> pd.DataFrame:
    """Return a CSV of ids (int64), each row once, and its other columns as text.

    Column names may be in any case, ``plateid`` and ``fiberid`` stand for plate and fiber.

    Raises
    ------
    HissError
        The file is missing, is no CSV, lacks a column, has no row, or holds what is not a whole number.
    """
    try:
        table = pd.read_csv(path, comment="#", skipinitialspace=True, dtype=str)  # a run2d of 26 is a name
    except FileNotFoundError:
        raise HissError(f"{path}: the CSV is missing; correct its path in sky.archive.region") from None
    except (OSError, ValueError) as error:
        raise HissError(f"{path}: is no CSV ({error}); write {','.join(names)} as its first line") from None
    short = {"plateid": "plate", "fiberid": "fiber"}
    lower = [str(column).strip().lower() for column in table.columns]
    table.columns = pd.Index([short.get(column, column) for column in lower])
    missing = [name for name in names if name not in table]
    if missing:
        raise HissError(f"{path}: lacks the column {', '.join(missing)}; write {','.join(names)} as its first line")
    for name in names:
        values = pd.to_numeric(table[name], errors="coerce")
        wrong = np.flatnonzero(values.isna() | (values % 1 != 0) | (values < 0))
        if len(wrong):
            first = table[name].iloc[wrong[0]]
            raise HissError(f"{path}: {name} {first!r} in row {wrong[0] + 1} is not a whole number; correct it")
        table[name] = values.astype(np.int64)
    if table.empty:
        raise HissError(f"{path}: has no rows; list at least one {','.join(names)}")
    return table.drop_duplicates(names).reset_index(drop=True)


def is_listed(objects: pd.DataFrame, ids: pd.DataFrame, names: list[str]) -> np.ndarray:
    """Return which objects have the ids of a row of a list."""
    if names == FIELD:
        keys, listed = (field_key(*(table[name].to_numpy() for name in names)) for table in (objects, ids))
        return np.isin(keys, listed)
    index = pd.MultiIndex.from_frame(objects[names])
    return np.asarray(index.isin(pd.MultiIndex.from_frame(ids[names])))


def masks_of(region: Mapping[str, Any], objects: pd.DataFrame) -> list[tuple[str, str, np.ndarray]]:
    """Return key, words and mask of each part of a region, in the order in which they cut.

    Parameters
    ----------
    region
        Of ``name box cone healpix plates fields spectra``, as in the config; None where it does not count.
    objects
        ``ra dec plate mjd fiber run camcol field``.
    """
    parts: dict[str, tuple[Callable[[Any], str], Callable[[Any], np.ndarray]]] = {
        "name": (
            lambda name: "in Stripe 82" if name == "stripe82" else "in the spectroscopic sample",
            lambda name: in_box(objects, STRIPE_82) if name == "stripe82" else np.ones(len(objects), dtype=bool),
        ),
        "box": (
            lambda box: "in the box RA {ra_min:g} to {ra_max:g}, Dec {dec_min:g} to {dec_max:g} deg".format(**box),
            lambda box: in_box(objects, box),
        ),
        "cone": (
            lambda cone: "within {radius:g} deg of RA {ra:g}, Dec {dec:g} deg".format(**cone),
            lambda cone: in_cone(objects, cone),
        ),
        "healpix": (
            lambda healpix: f"in {len(healpix['cells'])} HEALPix cells of order {healpix['order']}",
            lambda healpix: in_cells(objects, healpix),
        ),
        "plates": (
            lambda plates: f"on {len(plates)} plates",
            lambda plates: np.isin(objects["plate"].to_numpy(), plates),
        ),
        "fields": (
            lambda path: f"in the fields of {path}",
            lambda path: is_listed(objects, read_ids(path, FIELD), FIELD),
        ),
        "spectra": (
            lambda path: f"with a spectrum of {path}",
            lambda path: is_listed(objects, read_ids(path, KEY), KEY),
        ),
    }
    return [
        (f"region_{key}", words(region[key]), mask(region[key]))
        for key, (words, mask) in parts.items()
        if region.get(key) is not None
    ]
