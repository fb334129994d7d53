"""Native cutouts out of a sparse cube, by reference."""

import math
import mmap
from collections.abc import Iterator
from typing import Final

import h5py
import numpy as np

from hiss.bands import CUTOUT_SIZE
from hiss.cube.layout import WINDOWS, images_group
from hiss.cube.rows import gather

_STORED: Final = np.dtype("<f4")


class Cutouts:
    """Reads native cutouts of an open sparse cube: out of whole frames, or the windows of mode ``targets``.

    Parameters
    ----------
    source
        The open ``sparse.h5``.
    """

    def __init__(self, source: h5py.File) -> None:
        self._windows = [source[name] for name in (f"{WINDOWS}/data", f"{WINDOWS}/errors") if name in source]
        group = source[images_group(0)]
        self._frames = [_Frames(group[name]) for name in ("data", "errors") if not self._windows]

    def read(self, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return flux and sigma of cutouts, (n, 64, 64) float32 each, in the order of the references.

        Parameters
        ----------
        references
            (n,) records of dtype ``REFERENCE_DTYPE``, none of them empty. Those of a batch of targets are best
            asked for at once: each frame is then visited once.
        """
        if self._windows:
            flux, sigma = (gather(dataset, references["ds_slice_idx"]) for dataset in self._windows)
            return flux, sigma
        cutouts = [np.empty((len(references), CUTOUT_SIZE, CUTOUT_SIZE), np.float32) for _ in self._frames]
        rows, columns = references["x_min"].tolist(), references["y_min"].tolist()
        for frame, places in _by_value(references["ds_slice_idx"]):
            for part, frames in zip(cutouts, self._frames):
                pixels = frames.pixels(frame, [rows[place] for place in places])
                for place in places:
                    row, column = rows[place], columns[place]
                    part[place] = pixels[row : row + CUTOUT_SIZE, column : column + CUTOUT_SIZE]
        return cutouts[0], cutouts[1]


def _by_value(values: np.ndarray) -> Iterator[tuple[int, list[int]]]:
    """Yield each value, increasing, and the places where it is."""
    order = np.argsort(values, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(values[order])) + 1):
        if len(places):
            yield int(values[places[0]]), places.tolist()


class _Frames:
    """Frames of a dataset, one at a time.

    A frame that is stored as it is, a chunk without filters, is mapped into memory: only the pages of its windows
    are read. HDF5's own reading of a window, a row of it at a time, takes three times as long. Of others each chunk
    that a window lies in is unpacked once.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self._shape = dataset.shape[1:]
        self._rows = dataset.chunks[1] if dataset.chunks else CUTOUT_SIZE  # read at a time
        self._mapped = (
            not dataset.is_virtual
            and dataset.chunks == (1, *dataset.shape[1:])
            and dataset.id.get_create_plist().get_nfilters() == 0
            and dataset.dtype == _STORED
        )
        self._handle = dataset.file.id.get_vfd_handle() if self._mapped else -1

    def pixels(self, frame: int, first_rows: list[int]) -> np.ndarray:
        """Return a frame, (ny, nx), that holds at least the windows whose first rows are given."""
        return self._map(frame) if self._mapped else self._read(frame, first_rows)

    def _map(self, frame: int) -> np.ndarray:
        """Map a frame; it is unmapped when nothing looks at it any more."""
        place = self._dataset.id.get_chunk_info_by_coord((frame, *[0] * len(self._shape))).byte_offset
        before = place % mmap.ALLOCATIONGRANULARITY
        size = before + math.prod(self._shape) * _STORED.itemsize
        pages = mmap.mmap(self._handle, size, access=mmap.ACCESS_READ, offset=place - before)
        return np.frombuffer(pages, _STORED, offset=before).reshape(self._shape)

    def _read(self, frame: int, first_rows: list[int]) -> np.ndarray:
        """Read the chunks of windows; the rest of the frame holds nothing."""
        wanted = (np.array(first_rows)[:, None] + np.arange(CUTOUT_SIZE)) // self._rows
        pixels = np.empty(self._shape, np.float32)
        for chunk in np.unique(wanted).tolist():
            rows = slice(chunk * self._rows, (chunk + 1) * self._rows)
            pixels[rows] = self._dataset[frame, rows]
        return pixels
