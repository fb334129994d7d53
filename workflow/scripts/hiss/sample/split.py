"""The split by object: what belongs together stays together, and every side sees the same range of AVG."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hiss.bands import CUTOUT_SIZE, PIXEL_SCALE
from hiss.errors import HissError
from hiss.progress import say

SIDES: Final = ("train", "validation", "test")
MIN_OBJECTS: Final = 30
STUDY_SAMPLE: Final = "flag0"
"""Name of the study's own sample: FLAG = 0."""
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
    group: np.ndarray,
    stratum: np.ndarray,
    shares: Sequence[float],
    rng: np.random.Generator,
    part: np.ndarray | None = None,
) -> np.ndarray:
    """Return the side (n,) int64 of each object: whole groups, each stratum and each part shared out as asked.

    Large groups are placed first, each where it leaves the strata closest to their shares; the order of
    equal ones is random.

    Parameters
    ----------
    group, stratum
        (n,) int64.
    shares
        Of each side; they add up to 1.
    part
        (n,) int64 of coarser strata, all objects unless given; they count as much as all the strata together, or small
        strata that each round the same way would add up to another share.
    """
    if not len(group):
        return np.empty(0, dtype=np.int64)
    _, member = np.unique(group, return_inverse=True)
    n_groups = int(member.max()) + 1
    part = np.zeros(len(group), dtype=np.int64) if part is None else part
    strata, parts = (np.zeros((n_groups, int(labels.max()) + 1)) for labels in (stratum, part))
    np.add.at(strata, (member, stratum), 1)
    np.add.at(parts, (member, part), 1)
    counts = np.concatenate([strata, parts], axis=1)
    size = parts.sum(axis=1)
    due = np.asarray(shares)[:, None] * counts.sum(axis=0)
    weight = np.repeat([1, strata.shape[1]], [strata.shape[1], parts.shape[1]]) / np.maximum(due, 1e-9)
    held = np.zeros_like(due)
    order = rng.permutation(n_groups)
    order = order[np.argsort(-size[order], kind="stable")]
    side = np.empty(n_groups, dtype=np.int64)
    for index in order:
        new = counts[index]
        cost = (new * (2 * (held - due) + new) * weight).sum(axis=1)
        side[index] = int(np.argmin(cost))
        held[side[index]] += new
    return side[member]


def make_split(
    objects: pd.DataFrame, study_rows: ArrayLike, shares: Mapping[str, float], folds: int, bins: int, seed: int
) -> pd.DataFrame:
    """Return the split of all labelled objects in order of ``row``: ``row target_id group avg split fold``.

    Every sample takes its part of it (`restrict`), so that an object held out of one sample is held out of all. The
    study's objects are strata of their own: its shares stay as asked, whatever else is in the catalogue.

    Parameters
    ----------
    objects
        With ``row target_id avg objid ra dec``; every ``avg`` is finite.
    study_rows
        ``row`` of the objects of the study's own sample.
    shares
        Of train, validation and test.
    folds
        Number of folds in train; ``fold`` is -1 elsewhere.
    bins
        Quantile bins of AVG for the stratification, of the study's objects and of the others each for themselves.
    """
    objects = objects.sort_values("row", ignore_index=True)
    group = overlap_groups(*(objects[name].to_numpy() for name in ("objid", "ra", "dec")))
    outside = (~np.isin(objects["row"], np.asarray(study_rows))).astype(np.int64)
    stratum = _strata(objects["avg"].to_numpy(dtype=float), outside, bins)
    side, fold = _sides_and_folds(group, stratum, outside, shares, folds, seed)
    return objects[["row", "target_id"]].assign(group=group, avg=objects["avg"], split=side, fold=fold)


def _sides_and_folds(
    group: np.ndarray, stratum: np.ndarray, part: np.ndarray, shares: Mapping[str, float], folds: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the name of the side and the fold (n,) of each object."""
    of_sides, of_folds = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    side = assign_groups(group, stratum, [shares[name] for name in SIDES], of_sides, part)
    fold = np.full(len(group), -1, dtype=np.int64)
    train = side == SIDES.index("train")
    fold[train] = assign_groups(group[train], stratum[train], [1 / folds] * folds, of_folds, part[train])
    return np.array(SIDES, dtype=object)[side], fold


def _strata(avg: np.ndarray, part: np.ndarray, bins: int) -> np.ndarray:
    """Return the stratum (n,) int64 of each object: its bin of AVG within its part."""
    stratum = np.zeros(len(avg), dtype=np.int64)
    for one in np.unique(part):
        inside = part == one
        stratum[inside] = bins * one + quantile_bins(avg[inside], bins)
    return stratum


def restrict(
    split: pd.DataFrame, rows: ArrayLike, shares: Mapping[str, float], folds: int, sample: str = STUDY_SAMPLE
) -> pd.DataFrame:
    """Return a sample's part of the split, its columns unchanged.

    Parameters
    ----------
    split
        Of all labelled objects, as `make_split` returns it.
    rows
        ``row`` of the objects of the sample.
    shares, folds
        As asked of `make_split`; shares that are off by much are said.
    sample
        Its name, for messages.

    Raises
    ------
    HissError
        Objects that are not in the split, fewer than `MIN_OBJECTS` of them, or a side or a fold without any.
    """
    rows = np.asarray(rows)
    table = split[split["row"].isin(rows)].reset_index(drop=True)
    if len(table) != len(rows):
        raise HissError(
            f"{len(rows) - len(table)} of the {len(rows)} objects of sample {sample} are not in split.parquet of all "
            "labelled objects; delete the results' sample folder and run the same command again"
        )
    remedy = "take a larger sky, or set 'experiments: null' to stop at the sample"
    if sample != STUDY_SAMPLE:
        remedy = "take a larger sky, or leave its variants out of experiments.variants"
    if len(table) < MIN_OBJECTS:
        raise HissError(f"sample {sample} has {len(table)} objects and a split asks for {MIN_OBJECTS}; {remedy}")
    if set(table["split"]) != set(SIDES) or set(table["fold"]) - {-1} != set(range(folds)):
        raise HissError(
            f"the {len(table)} objects of sample {sample} form {table['group'].nunique()} groups of overlapping "
            f"cutouts, too few for train, validation, test and {folds} folds; {remedy}"
        )
    _say_shares(table, shares)
    return table


def _say_shares(table: pd.DataFrame, shares: Mapping[str, float]) -> None:
    for name in SIDES:
        share = float((table["split"] == name).mean())
        if abs(share - shares[name]) > _TOLERANCE:
            say(f"{name} holds {share:.0%} where {shares[name]:.0%} were asked: large groups stay together")


def split_target(
    objects: pd.DataFrame,
    classes: Sequence[str],
    shares: Mapping[str, float],
    folds: int,
    bins: int,
    seed: int,
    target: str,
) -> pd.DataFrame:
    """Return the split of a further target's objects in order of ``row``: ``row target_id group truth split fold``.

    Parameters
    ----------
    objects
        With ``row target_id truth objid ra dec``.
    classes
        Names of the classes whose codes the truth is, which are the strata; without, quantile bins of the truth are.
    shares
        Of train, validation and test; shares that are off by much are said.
    folds
        Number of folds in train; ``fold`` is -1 elsewhere.
    target
        Its name, for messages.

    Raises
    ------
    HissError
        Fewer than `MIN_OBJECTS` objects, a side or a fold without any, or a side without one of the classes.
    """
    off = f"take a larger sky, or switch the target off by 'side_studies.targets.{target}: null'"
    if len(objects) < MIN_OBJECTS:
        raise HissError(f"target {target} has {len(objects)} objects and a split asks for {MIN_OBJECTS}; {off}")
    objects = objects.sort_values("row", ignore_index=True)
    truth = objects["truth"].to_numpy(dtype=float)
    group = overlap_groups(*(objects[name].to_numpy() for name in ("objid", "ra", "dec")))
    stratum = truth.astype(np.int64) if classes else quantile_bins(truth, bins)
    one_part = np.zeros(len(objects), dtype=np.int64)
    side, fold = _sides_and_folds(group, stratum, one_part, shares, folds, seed)
    table = objects[["row", "target_id"]].assign(group=group, truth=truth, split=side, fold=fold)
    if set(side) != set(SIDES) or set(fold) - {-1} != set(range(folds)):
        raise HissError(
            f"the {len(objects)} objects of target {target} form {len(np.unique(group))} groups of overlapping "
            f"cutouts, too few for train, validation, test and {folds} folds; {off}"
        )
    _demand_classes(table, classes, folds, target, off)
    _say_shares(table, shares)
    return table


def _demand_classes(table: pd.DataFrame, classes: Sequence[str], folds: int, target: str, off: str) -> None:
    """Raise where a side lacks a class, and say where a fold does."""
    for code, name in enumerate(classes):
        own = table[table["truth"] == code]
        for side in SIDES:
            if side not in set(own["split"]):
                raise HissError(
                    f"the {len(own)} objects of class {name} of target {target} form {own['group'].nunique()} groups "
                    f"of overlapping cutouts, and none is in {side}; {off}, or raise its min_class to leave the class "
                    "out"
                )
        lacking = sorted(set(range(folds)) - set(own["fold"]))
        if lacking:
            say(f"no object of class {name} is in fold {', '.join(map(str, lacking))}: it has too few in train")
