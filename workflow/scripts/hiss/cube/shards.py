"""Shards: the sky cut into HEALPix cells, each with every file that its own cube needs."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from hiss.cube.index import healpix_cell
from hiss.cube.layout import WCS_DTYPE
from hiss.cube.neighbours import Neighbours
from hiss.cube.order import NOWHERE, ORDER, fine_cells, in_frame_order
from hiss.cube.targets import FRIENDS_ARCSEC, match_targets
from hiss.cube.wcs import frame_center, wcs_of
from hiss.errors import BadInput
from hiss.progress import progress
from hiss.sdss.header import read_cards
from hiss.sdss.manifest import files_of

FIELD: Final = ["run", "camcol", "field"]
REACH_ARCMIN: Final = 8.6
"""Farthest a frame's corner is from the centre of its field, 8.36, and some seconds between its bands."""

_FIELDS_AT_ONCE: Final = 20_000
_CARDS: Final = WCS_DTYPE.names or ()


@dataclass(frozen=True)
class Shards:
    """Which files are in which shard.

    Attributes
    ----------
    order
        HEALPix order of the cells.
    table
        One row a shard, sorted by cell: ``shard`` (its name), ``cell``, ``frames`` and ``spectra`` of its own,
        ``borrowed`` (frames of its neighbours that cover its spectra), ``bytes`` of all of them.
    manifests
        Rows of the sky's manifest by shard, sorted by path.
    """

    order: int
    table: pd.DataFrame
    manifests: Mapping[str, pd.DataFrame]


def shard_name(order: int, cell: int) -> str:
    """Return the name of a shard, by which its folder goes."""
    return f"{order}-{cell}"


def plan_shards(manifest: pd.DataFrame, fields: pd.DataFrame, order: int, match_radius_arcsec: float) -> Shards:
    """Cut a sky into the HEALPix cells of an order.

    All spectra within `FRIENDS_ARCSEC` of each other, and their friends, are in the cell of the first of them in
    the order of the cube's rows. A frame is owned by the cell its field's centre lies in, and borrowed by each
    other one with a spectrum within `REACH_ARCMIN`. A file whose position is not known is in the first shard.

    Parameters
    ----------
    manifest
        The sky's.
    fields
        ``run camcol field ra dec`` of the centres, as `field_centers` gives them.
    order
        0 to 29, of NESTED cells.
    match_radius_arcsec
        Separation at which spectra are of one target.
    """
    frames, spectra = files_of(manifest, "frame"), files_of(manifest, "spectrum")
    cell_of_spectrum = _spectrum_cells(spectra, order, max(FRIENDS_ARCSEC, 2 * match_radius_arcsec))
    own, borrowed = _field_cells(fields, spectra, cell_of_spectrum, order)
    number = _field_numbers(frames, fields)
    known = np.concatenate([cell_of_spectrum, own])
    first = int(known[known != NOWHERE].min(initial=NOWHERE))
    first = 0 if first == NOWHERE else first
    cell_of_frame = np.append(own, NOWHERE)[number]
    parts = [_part(frames, np.arange(len(frames)), cell_of_frame, first, owned=True)]
    parts.append(_part(spectra, np.arange(len(spectra)), cell_of_spectrum, first, owned=True))
    rows, place = _frames_of_fields(number, borrowed[:, 0])
    parts.append(_part(frames, rows, borrowed[place, 1], first, owned=False))
    return _shards(pd.concat(parts, ignore_index=True), order)


def _spectrum_cells(spectra: pd.DataFrame, order: int, radius_arcsec: float) -> np.ndarray:
    """Give the cell of each spectrum's group, `NOWHERE` where its position is not known."""
    fine = fine_cells(spectra["ra"].to_numpy(), spectra["dec"].to_numpy())
    known = np.flatnonzero(fine != NOWHERE)
    group = match_targets(spectra[["ra", "dec"]].take(known).assign(objid=0), radius_arcsec)
    first = np.full(group.max(initial=-1) + 1, NOWHERE)
    np.minimum.at(first, group, fine[known])
    cells = np.full(len(spectra), NOWHERE)
    cells[known] = first[group] >> 2 * (ORDER - order)
    return cells


def _field_cells(
    fields: pd.DataFrame, spectra: pd.DataFrame, cell_of_spectrum: np.ndarray, order: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give each field's own cell, (n,), and the (field, cell) pairs of those that borrow it, (m, 2), sorted."""
    ra, dec = fields["ra"].to_numpy(np.float64), fields["dec"].to_numpy(np.float64)
    known = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    own = np.full(len(fields), NOWHERE)
    own[known] = healpix_cell(ra[known], dec[known], order)
    placed = np.flatnonzero(cell_of_spectrum != NOWHERE)
    there = Neighbours(*(spectra[name].to_numpy(np.float64)[placed] for name in ("ra", "dec")))
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(known), _FIELDS_AT_ONCE):
        some = known[start : start + _FIELDS_AT_ONCE]
        near, spectrum = there.within(ra[some], dec[some], REACH_ARCMIN / 60)
        pairs = np.stack([some[near], cell_of_spectrum[placed[spectrum]]], axis=1)
        found.append(np.unique(pairs[own[pairs[:, 0]] != pairs[:, 1]], axis=0))
    return own, np.concatenate(found)


def _field_numbers(frames: pd.DataFrame, fields: pd.DataFrame) -> np.ndarray:
    """Give the row of each frame's field; -1 where it is not listed."""
    listed = pd.MultiIndex.from_frame(fields[FIELD].astype("int64"))
    return np.asarray(listed.get_indexer(pd.MultiIndex.from_frame(frames[FIELD].astype("int64"))), np.int64)


def _frames_of_fields(number: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the frames of wanted fields, and for each its place among the wanted."""
    order = np.argsort(number, kind="stable")
    first, last = (np.searchsorted(number[order], wanted, side) for side in ("left", "right"))
    count = last - first
    place = np.repeat(np.arange(len(wanted)), count)
    within = np.arange(len(place)) - np.repeat(np.cumsum(count) - count, count)
    return order[first[place] + within], place


def _part(files: pd.DataFrame, rows: np.ndarray, cells: np.ndarray, first: int, owned: bool) -> pd.DataFrame:
    return files.take(rows).assign(owned=owned, cell=np.where(cells == NOWHERE, first, cells))


def _shards(files: pd.DataFrame, order: int) -> Shards:
    files = files.sort_values(["cell", "path"], kind="stable", ignore_index=True)
    files["shard"] = [shard_name(order, cell) for cell in files["cell"]]
    is_frame = files["kind"] == "frame"
    counts = files.assign(
        frames=is_frame & files["owned"], spectra=~is_frame, borrowed=is_frame & ~files["owned"], bytes=files["size"]
    )
    by_shard = counts.groupby(["cell", "shard"], as_index=False)
    table = by_shard[["frames", "spectra", "borrowed", "bytes"]].sum()
    plain = files.drop(columns=["cell", "shard", "owned"])
    edges = np.append(np.flatnonzero(~files["cell"].duplicated().to_numpy()), len(files))
    manifests = {
        str(name): plain.iloc[start:stop].reset_index(drop=True)
        for name, start, stop in zip(table["shard"], edges[:-1], edges[1:], strict=True)
    }
    columns = ["shard", "cell", "frames", "spectra", "borrowed", "bytes"]
    return Shards(order, table[columns], manifests)


def field_centers(manifest: pd.DataFrame, root: Path, threads: int = 1) -> pd.DataFrame:
    """Return where each field of a manifest's frames lies, one header a field being read.

    Its five frames show the same sky to some seconds of arc. What the manifest itself knows is not read.

    Returns
    -------
    DataFrame
        ``run camcol field`` (Int64), ``ra dec`` [deg] of the centre, NaN where no header of the field is whole.
    """
    frames = in_frame_order(files_of(manifest, "frame"))
    centers = frames.groupby(FIELD, as_index=False, sort=True)[["ra", "dec"]].first()
    blank = pd.MultiIndex.from_frame(centers[FIELD][centers["ra"].isna()])
    wanted = frames[pd.MultiIndex.from_frame(frames[FIELD]).isin(blank)]
    paths = [[root / path for path in group] for _, group in wanted.groupby(FIELD, sort=True)["path"]]
    with ThreadPoolExecutor(threads) as pool:
        found = list(progress(pool.map(_center, paths), len(paths), "fields placed", show=bool(paths)))
    if found:
        centers.loc[centers["ra"].isna(), ["ra", "dec"]] = np.array(found)
    return centers


def _center(paths: list[Path]) -> tuple[float, float]:
    """Give the centre of the first of a field's frames whose header is whole."""
    for path in paths:
        try:
            return frame_center(wcs_of(read_cards(path, _CARDS), path))
        except BadInput:
            continue
    return float("nan"), float("nan")
