"""The split by object: what belongs together stays together, and every side sees the same range of AVG."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hiss.bands import CUTOUT_SIZE, PIXEL_SCALE
from hiss.errors import HissError
from hiss.progress import say

SIDES: Final = ("train", "validation", "test")
MIN_OBJECTS: Final = 30
OVERLAP_ARCSEC: Final = CUTOUT_SIZE * PIXEL_SCALE * 2**0.5
"""Farther apart than this, two cutouts share no pixel, however they are turned."""

_TOLERANCE: Final = 0.05


def overlap_groups(objid: np.ndarray, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return the group (n,) int64 of each object: the same objID (not 0) or overlapping cutouts, through others too.

    Parameters
    ----------
    objid
        (n,) int64.
    ra, dec
        (n,) [deg].
    """
    n = len(objid)
    if n == 0:
        return np.empty(0, dtype=np.int64)
    _, first, inverse = np.unique(objid, return_index=True, return_inverse=True)
    named = np.flatnonzero(objid != 0)
    same = np.stack([named, first[inverse[named]]], axis=1)
    pairs = np.concatenate([same, _close_pairs(ra, dec)])
    graph = coo_matrix((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    return group.astype(np.int64)


def _close_pairs(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    lon, lat = np.radians(ra), np.radians(dec)
    points = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    chord = 2 * np.sin(np.radians(OVERLAP_ARCSEC / 3600) / 2)
    return cKDTree(points).query_pairs(chord, output_type="ndarray").astype(np.int64).reshape(-1, 2)


def quantile_bins(values: np.ndarray, bins: int) -> np.ndarray:
    """Return the quantile bin (n,) int64 of each value; equal values share a bin."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def assign_groups(
    group: np.ndarray, stratum: np.ndarray, shares: Sequence[float], rng: np.random.Generator
) -> np.ndarray:
    """Return the side (n,) int64 of each object: whole groups, each stratum shared out as asked.

    Large groups are placed first, each where it leaves the strata closest to their shares; the order of
    equal ones is random.

    Parameters
    ----------
    group, stratum
        (n,) int64.
    shares
        Of each side; they add up to 1.
    """
    _, member = np.unique(group, return_inverse=True)
    n_groups = int(member.max()) + 1
    counts = np.zeros((n_groups, int(stratum.max()) + 2))
    np.add.at(counts, (member, stratum), 1)
    counts[:, -1] = counts[:, :-1].sum(axis=1)
    due = np.asarray(shares)[:, None] * counts.sum(axis=0)
    weight = 1 / np.maximum(due, 1e-9)
    held = np.zeros_like(due)
    order = rng.permutation(n_groups)
    order = order[np.argsort(-counts[order, -1], kind="stable")]
    side = np.empty(n_groups, dtype=np.int64)
    for index in order:
        new = counts[index]
        cost = (new * (2 * (held - due) + new) * weight).sum(axis=1)
        side[index] = int(np.argmin(cost))
        held[side[index]] += new
    return side[member]


def make_split(clean: pd.DataFrame, shares: Mapping[str, float], folds: int, bins: int, seed: int) -> pd.DataFrame:
    """Return the split of the cleaned sample in order of ``row``: ``row target_id group avg split fold``.

    Parameters
    ----------
    clean
        With ``row target_id avg objid ra dec``.
    shares
        Of train, validation and test.
    folds
        Number of folds in train; ``fold`` is -1 elsewhere.
    bins
        Quantile bins of AVG for the stratification.

    Raises
    ------
    HissError
        Fewer than `MIN_OBJECTS` objects, or too few groups for a side or a fold to have one.
    """
    if len(clean) < MIN_OBJECTS:
        raise HissError(
            f"the cleaned sample has {len(clean)} objects and a split asks for {MIN_OBJECTS}; take a larger "
            "sky, or set 'experiments: null' to stop at the sample"
        )
    clean = clean.sort_values("row", ignore_index=True)
    group = overlap_groups(*(clean[name].to_numpy() for name in ("objid", "ra", "dec")))
    stratum = quantile_bins(clean["avg"].to_numpy(dtype=float), bins)
    of_sides, of_folds = (np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(2))
    side = assign_groups(group, stratum, [shares[name] for name in SIDES], of_sides)
    fold = np.full(len(clean), -1, dtype=np.int64)
    train = side == SIDES.index("train")
    if train.any():
        fold[train] = assign_groups(group[train], stratum[train], [1 / folds] * folds, of_folds)
    table = clean[["row", "target_id"]].assign(
        group=group, avg=clean["avg"], split=np.array(SIDES, dtype=object)[side], fold=fold
    )
    _check(table, shares, folds)
    return table


def _check(table: pd.DataFrame, shares: Mapping[str, float], folds: int) -> None:
    if set(table["split"]) != set(SIDES) or set(table["fold"]) - {-1} != set(range(folds)):
        raise HissError(
            f"the {len(table)} objects of the cleaned sample form {table['group'].nunique()} groups of overlapping "
            f"cutouts, too few for train, validation, test and {folds} folds; take a larger sky"
        )
    for name in SIDES:
        share = float((table["split"] == name).mean())
        if abs(share - shares[name]) > _TOLERANCE:
            say(f"{name} holds {share:.0%} where {shares[name]:.0%} were asked: large groups stay together")
