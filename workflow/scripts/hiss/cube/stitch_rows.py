"""Which row of which shard each row of a stitched cube is, and where each row of a shard has gone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from hiss.cube.hdf5 import to_table
from hiss.cube.layout import IMAGE_TABLE, SPECTRUM_TABLE, TARGET_SPECTRA, WINDOW_TABLE
from hiss.cube.order import in_frame_order, in_spectrum_order
from hiss.errors import HissError

_FRAME: list[str] = ["run", "camcol", "field", "band"]
_SPECTRUM: list[str] = ["plate", "mjd", "fiber"]


@dataclass(frozen=True)
class Family:
    """Rows of one kind (frames, spectra, ...) over all shards.

    Attributes
    ----------
    piece, row
        (n,) int64: number of the shard and its row from which each stitched row is taken.
    new
        For each shard, the stitched row of each of its rows.
    """

    piece: np.ndarray
    row: np.ndarray
    new: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.piece)

    def stretches(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield (first stitched row, shard, its first row, length) of runs of rows that follow each other in both."""
        breaks = np.flatnonzero((np.diff(self.piece) != 0) | (np.diff(self.row) != 1)) + 1
        edges = np.concatenate([[0], breaks, [len(self)]]) if len(self) else np.zeros(1, np.int64)
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            yield first, int(self.piece[first]), int(self.row[first]), last - first


def _family(entries: pd.DataFrame, number: np.ndarray, sizes: Sequence[int]) -> Family:
    """Make a family of the ``piece`` and ``row`` of all shards' rows and the number each gets; the first one stands."""
    piece, row = (entries[name].to_numpy(np.int64) for name in ("piece", "row"))
    start = _starts(sizes)
    flat = np.full(start[-1], -1, np.int64)
    flat[start[piece] + row] = number
    _, first = np.unique(number, return_index=True)
    return Family(piece[first], row[first], np.split(flat, start[1:-1]))


def _starts(sizes: Sequence[int]) -> np.ndarray:
    """Give where each shard's rows begin when all are laid end to end, and where the last ends."""
    return np.concatenate([[0], np.cumsum(np.asarray(sizes, np.int64))]).astype(np.int64)


def _gathered(files: Sequence[Path], table: str, fields: list[str]) -> tuple[pd.DataFrame, list[int]]:
    """Read fields of a table of every shard, with the ``piece`` and ``row`` of each row, and the tables' lengths."""
    parts = []
    for place, path in enumerate(files):
        with h5py.File(path, "r") as file:
            part = to_table(file[table].fields(fields)[:]) if table in file else pd.DataFrame(columns=fields)
        parts.append(part.assign(piece=place, row=np.arange(len(part))))
    sizes = [len(part) for part in parts]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True), sizes


def sparse_families(files: Sequence[Path]) -> dict[str, Family]:
    """Return ``frames`` and ``spectra``, and ``windows`` where there are any, in the order of an unsharded cube.

    A frame that several shards hold is taken from the first.

    Raises
    ------
    HissError
        A spectrum is in two shards.
    """
    entries, sizes = _gathered(files, IMAGE_TABLE, [*_FRAME, "path"])
    entries = in_frame_order(entries)
    frames = _family(entries, np.cumsum(~entries.duplicated(_FRAME).to_numpy()) - 1, sizes)
    entries, sizes = _gathered(files, SPECTRUM_TABLE, [*_SPECTRUM, "ra", "dec", "path"])
    twice = entries["path"][entries.duplicated(_SPECTRUM)]
    if len(twice):
        raise HissError(f"{twice.iloc[0]}: is in two shards; plan the shards again: snakemake --forcerun plan_shards")
    spectra = _family(in_spectrum_order(entries), np.arange(len(entries)), sizes)
    families = {"frames": frames, "spectra": spectra}
    entries, sizes = _gathered(files, WINDOW_TABLE, ["spectrum", "frame"])
    if sum(sizes):
        entries["spectrum"] = _renumbered(entries, "spectrum", spectra)
        entries["frame"] = _renumbered(entries, "frame", frames)
        entries = entries.sort_values(["spectrum", "frame"], ignore_index=True)
    return families | {"windows": _family(entries, np.arange(len(entries)), sizes)}


def dense_families(files: Sequence[Path], spectra: Family) -> dict[str, Family]:
    """Return ``targets``, in order of their first spectrum, and ``members``, the spectra of each in their order.

    Parameters
    ----------
    files
        The shards' ``dense.h5``.
    """
    entries, sizes = _gathered(files, TARGET_SPECTRA, ["target_id", "spectrum"])
    entries["spectrum"] = _renumbered(entries, "spectrum", spectra)
    earliest = entries.sort_values("spectrum").drop_duplicates(["piece", "target_id"])
    n_targets = np.bincount(earliest["piece"].to_numpy(np.int64), minlength=len(files)).tolist()
    earliest = earliest[["piece", "target_id"]].set_axis(["piece", "row"], axis=1)
    targets = _family(earliest, np.arange(len(earliest)), n_targets)
    entries["target_id"] = _renumbered(entries, "target_id", targets)
    entries = entries.sort_values(["target_id", "spectrum"], ignore_index=True)
    return {"targets": targets, "members": _family(entries, np.arange(len(entries)), sizes)}


def _renumbered(entries: pd.DataFrame, column: str, family: Family) -> np.ndarray:
    """Return the stitched rows that a column of the shards' own row numbers means."""
    start = _starts([len(new) for new in family.new])[entries["piece"].to_numpy(np.int64)]
    return np.concatenate(family.new)[start + entries[column].to_numpy(np.int64)]
