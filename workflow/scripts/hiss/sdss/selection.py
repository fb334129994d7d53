"""From the catalogue to the objects of a study: what each condition removes, and what is left."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from hiss.errors import HissError
from hiss.sdss.catalogue import KEY
from hiss.sdss.fields import field_key
from hiss.sdss.regions import FIELD, cells_of, is_listed, masks_of, read_ids

COLUMNS: Final = [*KEY, "ra", "dec", "z", "spectrotype", "flag", *FIELD]
_PILOT_ORDER: Final = 8  # HEALPix cells of about a field, for objects whose field is not known


@dataclass(frozen=True)
class Selection:
    """The objects of a study.

    Attributes
    ----------
    objects
        `COLUMNS` (field ids -1 where unknown), ``listed``, whether the catalogue has it, and ``run2d``, empty
        unless a CSV says it; one row a spectrum.
    catalogue
        Rows of the catalogue.
    steps
        ``key step removed`` of each condition, in turn.
    unlisted
        Spectra a CSV names that the catalogue does not have.
    """

    objects: pd.DataFrame
    catalogue: int
    steps: list[dict[str, Any]]
    unlisted: int


def select(catalogue: pd.DataFrame, wanted: Mapping[str, Any]) -> Selection:
    """Return the objects that meet every condition.

    Parameters
    ----------
    catalogue
        `COLUMNS`, one row a spectrum.
    wanted
        ``region z_min z_max classes flags max_objects`` of the config, None where a condition does not count.

    Raises
    ------
    HissError
        Nothing is left; the sentence says which condition removed the last.
    """
    named = _named(wanted["region"].get("spectra"), catalogue)
    extra = named[~is_listed(named, catalogue, KEY)].reset_index(drop=True)
    objects, steps = catalogue, []
    for key, words, mask in masks_of(wanted["region"], catalogue) + _limits(wanted, catalogue):
        kept = mask[objects.index.to_numpy()]
        steps.append({"key": key, "step": words, "removed": int((~kept).sum())})
        objects = objects[kept]
        if objects.empty and extra.empty:
            raise HissError(f"no object of the catalogue is left {words}; widen sky.archive in the config")
    if wanted["max_objects"] is not None:
        kept = _pilot(objects, wanted["max_objects"])
        words = f"in a pilot of {wanted['max_objects']:,}, whole fields spread evenly"
        steps.append({"key": "pilot", "step": words, "removed": int((~kept).sum())})
        objects = objects[kept]
    said = named[[*KEY, "run2d"]]
    chosen = objects.assign(listed=True).merge(said, on=KEY, how="left").fillna({"run2d": ""})[list(extra.columns)]
    chosen = pd.concat([chosen, extra], ignore_index=True) if len(extra) else chosen
    return Selection(chosen.sort_values(KEY, ignore_index=True), len(catalogue), steps, len(extra))


def _limits(wanted: Mapping[str, Any], objects: pd.DataFrame) -> list[tuple[str, str, np.ndarray]]:
    z = objects["z"].to_numpy()
    low, high = wanted["z_min"], wanted["z_max"]
    parts = []
    if low is not None or high is not None:
        ends = [f"at least {low:g}"] if low is not None else []
        ends += [f"at most {high:g}"] if high is not None else []
        words = f"with a redshift of {' and '.join(ends)}"
        inside = (z >= (-np.inf if low is None else low)) & (z <= (np.inf if high is None else high))
        parts.append(("redshift", words, inside))
    if wanted["classes"] is not None:
        classes = [name.strip().upper() for name in wanted["classes"]]
        found = objects["spectrotype"].astype(str).str.strip().str.upper()
        parts.append(("class", f"of class {', '.join(classes)}", found.isin(classes).to_numpy(dtype=bool)))
    if wanted["flags"] is not None:
        words = f"with FLAG {', '.join(map(str, wanted['flags']))}"
        parts.append(("flag", words, np.isin(objects["flag"].to_numpy(), wanted["flags"])))
    return parts


def _pilot(objects: pd.DataFrame, n: int) -> np.ndarray:
    """Choose n objects: whole fields in an order that knows nothing of the sky, the last of them cut.

    The first rows of the catalogue would be one plate. Objects drawn singly would each ask for five frames; those
    of a field share them. A larger pilot holds a smaller one, so that nothing is fetched twice.
    """
    field = field_key(*(objects[name].to_numpy() for name in FIELD))
    cell = cells_of(objects["ra"].to_numpy(), objects["dec"].to_numpy(), _PILOT_ORDER)
    group = np.where(field < 0, -1 - cell, field)
    ids = (objects["plate"].to_numpy() * 100_000 + objects["mjd"].to_numpy()) * 10_000 + objects["fiber"].to_numpy()
    order = np.lexsort((_shuffled(ids), group, _shuffled(group)))
    kept = np.zeros(len(objects), dtype=bool)
    kept[order[:n]] = True
    return kept


def _shuffled(numbers: np.ndarray) -> np.ndarray:
    """Return an even, always equal hash of integers, uint64.

    Notes
    -----
    The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
    """
    x = np.asarray(numbers, np.int64).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def _named(path: str | None, catalogue: pd.DataFrame) -> pd.DataFrame:
    """The spectra of a user's CSV, with what it says of those that the catalogue does not have: repeats, BOSS."""
    named = read_ids(path, KEY) if path else catalogue[KEY].iloc[:0]
    columns: dict[str, Any] = {name: named[name] for name in KEY}
    for name in ("ra", "dec", "z", "flag"):
        columns[name] = pd.to_numeric(named[name], errors="coerce") if name in named else np.nan
    run2d = named["run2d"].fillna("").astype(str).str.strip() if "run2d" in named else ""
    fixed = {"spectrotype": "", **dict.fromkeys(FIELD, -1), "listed": False, "run2d": run2d}
    return pd.DataFrame({**columns, **fixed})[[*COLUMNS, "listed", "run2d"]]
