"""Rows of files that could not be read: the last good rows move into them, so that no row is empty."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import h5py
import numpy as np


def closed_holes(n: int, holes: Collection[int]) -> list[tuple[int, int]]:
    """Return the moves ``(from, to)`` that close holes among n rows: the last good row goes to the first hole."""
    kept = n - len(holes)
    free = sorted(row for row in holes if row < kept)
    movers = [row for row in range(n - 1, kept - 1, -1) if row not in holes]
    return list(zip(movers, free, strict=True))


@dataclass(frozen=True)
class Holes:
    """The rows among n that are to be closed.

    Attributes
    ----------
    listed
        Rows before.
    rows
        Those that are holes.
    """

    listed: int
    rows: Collection[int]

    @property
    def left(self) -> int:
        """Rows that are left."""
        return self.listed - len(self.rows)

    def new_rows(self) -> np.ndarray:
        """Return where each listed row is afterwards, (listed,) int64; -1 for a hole."""
        new = np.arange(self.listed)
        new[list(self.rows)] = -1
        for source, hole in closed_holes(self.listed, self.rows):
            new[source] = hole
        return new

    def close(self, array: np.ndarray) -> np.ndarray:
        """Return the rows of an array that are left, in their new order."""
        new = self.new_rows()
        closed = np.empty((self.left, *array.shape[1:]), array.dtype)
        closed[new[new >= 0]] = array[new >= 0]
        return closed

    def close_in(self, datasets: Iterable[h5py.Dataset]) -> None:
        """Close the holes of resizable datasets where they are."""
        moves = closed_holes(self.listed, self.rows)
        for dataset in datasets:
            for source, hole in moves:
                dataset[hole] = dataset[source]
            if len(dataset) > self.left:
                dataset.resize(self.left, axis=0)
