"""Rows of large datasets: any of them in any order, or all of them block by block."""

from collections.abc import Iterator
from typing import Final

import h5py
import numpy as np

BLOCK_BYTES: Final = 32 * 2**20
"""Most that one read brings in."""


def gather(dataset: h5py.Dataset, wanted: np.ndarray) -> np.ndarray:
    """Return rows of a dataset in the order asked for.

    The file is read forward in stretches that hold wanted rows, through the gaps that cost less than a new read.

    Parameters
    ----------
    wanted
        (n,) row numbers, int64, in any order, also more than once.

    Returns
    -------
    (n, ...) of the dataset's dtype.
    """
    row_bytes = row_size(dataset)
    order = np.argsort(wanted, kind="stable")
    ordered = wanted[order]
    out = np.empty((len(wanted), *dataset.shape[1:]), dataset.dtype)
    if _is_range(wanted):
        for start, stop in blocks_of(len(wanted), row_bytes):
            dataset.read_direct(out, np.s_[wanted[start] : wanted[stop - 1] + 1], np.s_[start:stop])
        return out
    for start, stop in stretches(ordered, row_bytes):
        first = int(ordered[start])
        block = dataset[first : int(ordered[stop - 1]) + 1]
        out[order[start:stop]] = block[ordered[start:stop] - first]
    return out


def _is_range(rows: np.ndarray) -> bool:
    return len(rows) > 0 and bool((np.diff(rows) == 1).all())


def row_size(dataset: h5py.Dataset) -> int:
    """Return the bytes of one row."""
    return int(dataset.dtype.itemsize * np.prod(dataset.shape[1:]))


def stretches(ordered: np.ndarray, row_bytes: int, gap_bytes: int = 2**20) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) in the sorted rows: no gap above ``gap_bytes``, no stretch above a block."""
    start = 0
    reach = max(1, BLOCK_BYTES // max(1, row_bytes))
    breaks = np.flatnonzero(np.diff(ordered) * row_bytes > gap_bytes) + 1
    for stop in (*breaks.tolist(), len(ordered)):
        while start < stop:
            end = start + int(np.searchsorted(ordered[start:stop], ordered[start] + reach))
            yield start, end
            start = end


def blocks_of(n: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of blocks of some 32 MB that cover n rows."""
    step = max(1, BLOCK_BYTES // max(1, row_bytes))
    return ((start, min(start + step, n)) for start in range(0, n, step))
