"""Which fields a study asks for: each object's own, those its cutout crosses into, and other epochs."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from hiss.sdss.field_rows import estimate_rows, neighbours_needed
from hiss.sdss.fields import SLACK, field_key, fields_that_cover, holds_cutout, place_in_field
from hiss.sdss.regions import FIELD

Why = Literal["own", "named", "neighbour", "epoch"]
_ORDER: Final[dict[Why, int]] = {"own": 0, "named": 1, "neighbour": 2, "epoch": 3}


@dataclass(frozen=True)
class WantedFields:
    """Fields to fetch.

    Attributes
    ----------
    fields
        ``run camcol field``, ``ra dec`` of the centre (NaN where unknown) and ``why`` (own, named, neighbour,
        epoch: the first that holds), in the order of the ids.
    without
        Objects for which no field is known.
    elsewhere
        Objects whose own field the survey's list does not have.
    covers
        Pairs of an object and a field that may hold its cutout.
    """

    fields: pd.DataFrame
    without: int
    elsewhere: int
    covers: int


def fields_by_catalogue(objects: pd.DataFrame, catalogue: pd.DataFrame, named: pd.DataFrame) -> WantedFields:
    """Return the fields of objects out of their ids, and the one before or after where a cutout may cross into it.

    Parameters
    ----------
    objects
        ``ra dec run camcol field``; ids -1 where unknown.
    catalogue
        The same columns of the whole catalogue, by which a run's astrometry is estimated.
    named
        ``run camcol field`` that the user asks for by name.
    """
    known = objects[objects["run"] >= 0]
    columns = ["ra", "dec", *FIELD]
    before = after = known.iloc[:0]
    if len(known):
        runs = catalogue["run"].isin(known["run"].unique())
        whole = pd.concat([known[columns], catalogue.loc[runs, columns]], ignore_index=True)
        row, error = (values[: len(known)] for values in estimate_rows(whole))
        first, last = neighbours_needed(row, error)
        before, after = known[first], known[last]
    parts: list[tuple[Why, pd.DataFrame]] = [
        ("own", known[FIELD]),
        ("named", named[FIELD]),
        ("neighbour", before.assign(field=before["field"] - 1)[FIELD]),
        ("neighbour", after.assign(field=after["field"] + 1)[FIELD]),
    ]
    fields = _once(parts)
    fields = fields[fields["field"] >= 0].assign(ra=np.nan, dec=np.nan)
    return WantedFields(
        fields.reset_index(drop=True), len(objects) - len(known), 0, len(known) + len(before) + len(after)
    )


def fields_by_list(
    objects: pd.DataFrame, fields: pd.DataFrame, named: pd.DataFrame, epochs: Literal["one", "all"]
) -> WantedFields:
    """Return the fields of objects by their place in the survey's fields.

    An object's own field comes always. Where it may not hold the cutout whole, or the survey's list does not have
    it, the neighbours in its run that may hold it come too, and where none does the best other field.

    Parameters
    ----------
    objects, named
        As for `fields_by_catalogue`.
    fields
        Of `hiss.sdss.fields.read_field_list`.
    epochs
        ``all``: every field that may hold an object's cutout.
    """
    keys = field_key(*(fields[name].to_numpy() for name in FIELD))
    own_key = field_key(*(objects[name].to_numpy() for name in FIELD))
    own = np.minimum(np.searchsorted(keys, own_key), len(keys) - 1)
    there = (keys[own] == own_key) & (own_key >= 0)
    whole = np.zeros(len(objects), dtype=bool)
    ra, dec = objects["ra"].to_numpy(), objects["dec"].to_numpy()
    row, column = place_in_field(fields.iloc[own[there]], ra[there], dec[there])
    whole[there] = holds_cutout(row, column, -SLACK)
    search = np.flatnonzero((epochs == "all") | ~whole)
    search = search[np.isfinite(ra[search]) & np.isfinite(dec[search])]
    position, field = fields_that_cover(fields, ra[search], dec[search])
    position = search[position]
    near, other = _beside(fields, position, field, np.where(there, own, -1))
    far = other if epochs == "all" else other[_best(fields, objects, position, field, near, other)]
    covered = np.zeros(len(objects), dtype=bool)
    covered[position] = True
    lost = (own_key >= 0) & ~there & ~covered  # nothing better is known: the archive will say
    parts: list[tuple[Why, pd.DataFrame]] = [
        ("own", fields.iloc[own[there]][FIELD]),
        ("own", objects[lost][FIELD]),
        ("named", named[FIELD]),
        ("neighbour", fields.iloc[field[near]][FIELD]),
        ("epoch" if epochs == "all" else "neighbour", fields.iloc[field[far]][FIELD]),
    ]
    centres = fields[[*FIELD, "ra", "dec"]]
    wanted = _once(parts).merge(centres, on=FIELD, how="left")
    without, elsewhere = (own_key < 0) & ~covered, (own_key >= 0) & ~there
    return WantedFields(wanted, int(without.sum()), int(elsewhere.sum()), int(there.sum()) + len(near) + len(far))


def _beside(
    fields: pd.DataFrame, position: np.ndarray, field: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Split pairs that are not an object's own field into those beside it in its run, and others."""
    strip = fields["run"].to_numpy() * 8 + fields["camcol"].to_numpy()
    home = own[position]
    foreign = field != home
    beside = (home >= 0) & (strip[field] == strip[home])
    return np.flatnonzero(foreign & beside), np.flatnonzero(foreign & ~beside)


def _best(
    fields: pd.DataFrame,
    objects: pd.DataFrame,
    position: np.ndarray,
    field: np.ndarray,
    near: np.ndarray,
    other: np.ndarray,
) -> np.ndarray:
    """Of the pairs in ``other``, the best for each object whom neither its own field nor one beside it surely holds."""

    def surely(pairs: np.ndarray) -> np.ndarray:
        at = objects.iloc[position[pairs]]
        return holds_cutout(
            *place_in_field(fields.iloc[field[pairs]], at["ra"].to_numpy(), at["dec"].to_numpy()), -SLACK
        )

    held = np.zeros(len(objects), dtype=bool)
    held[position[near][surely(near)]] = True
    table = pd.DataFrame(
        {
            "pair": np.arange(len(other)),
            "object": position[other],
            "sure": surely(other),
            "score": fields["score"].to_numpy()[field[other]],
        }
    )
    table = table[~held[table["object"].to_numpy()]]
    table = table.sort_values(["object", "sure", "score"], ascending=[True, False, False], kind="stable")
    return table.drop_duplicates("object")["pair"].to_numpy()


def _once(parts: list[tuple[Why, pd.DataFrame]]) -> pd.DataFrame:
    """Return each field once, with the first reason for it."""
    table = pd.concat([part.assign(why=why) for why, part in parts], ignore_index=True)
    table["order"] = table["why"].map(_ORDER)
    table = table.sort_values([*FIELD, "order"], kind="stable").drop_duplicates(FIELD)
    return table.drop(columns="order").reset_index(drop=True)
