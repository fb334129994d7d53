"""Files and datasets that all ranks fill together."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import h5py
import numpy as np

from hiss.cube.comm import Comm
from hiss.errors import HissError
from hiss.files import temporary_beside, unwritable

Compression = Literal["gzip", "lzf"] | None

TABLE_ROWS: Final = 256
"""Rows of a table a chunk."""

_GZIP_LEVEL: Final = 1  # noisy floats do not get smaller at higher ones

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WRITING: Final = ("create", "write", "extend", "flush", "truncat")


@contextmanager
def shared_temporary(output: Path | str, comm: Comm) -> Iterator[Path]:
    """Give every rank one temporary path beside ``output``; rank 0 renames it when all ranks are through.

    What killed runs left behind is removed first. A failure leaves the temporary to the next run when its
    rank is killed, else it is removed.

    Raises
    ------
    HissError
        What was written did not reach the disk, which is full more often than not. Other errors pass: a file that
        cannot be read is not for want of room.
    """
    output = Path(output)
    temporary = comm.bcast(temporary_beside(output) if comm.rank == 0 else output)
    try:
        yield temporary
        comm.barrier()
        if comm.rank == 0:
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            temporary.replace(output)
        comm.barrier()
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and _befell_writing(error, temporary):
            raise unwritable(output, error) from error
        raise


def _befell_writing(error: OSError, temporary: Path) -> bool:
    """Tell an output that could not be written from an input that could not be read.

    HDF5's errors name no file but say what was tried: to create, write, extend or flush.
    """
    if error.filename is not None:
        return Path(os.fsdecode(error.filename)) == temporary
    return error.errno in _NO_ROOM or any(word in str(error) for word in _WRITING)


def demand_room(path: Path, needed: int) -> None:
    """Raise `HissError` unless a file of so many bytes fits on its disk: better now than after hours."""
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise HissError(
            f"{path.parent}: {needed / 1e9:.1f} GB are needed there and {free / 1e9:.1f} are free; make room, or name "
            "a folder on another disk as the config's results, and run the same command again"
        )


def create_shared(
    file: h5py.File,
    name: str,
    shape: tuple[int, ...],
    dtype: Any,
    chunks: tuple[int, ...] | None = None,
    compression: Compression = None,
) -> h5py.Dataset:
    """Create a dataset that every rank may write to, with room on disk from the start; collective.

    Space that is allocated late, by one rank without the others' knowledge, is silently lost. Nothing is filled
    in: every row is written, or cut off. A chunked one can be resized along its first axis; without chunks it
    is contiguous.

    Parameters
    ----------
    compression
        With shuffle; needs chunks, and writes that are collective (`Rows`).
    """
    group, _, leaf = name.rpartition("/")
    parent = file.require_group(group) if group else file
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    plist.set_obj_track_times(False)
    limit: tuple[int, ...] = shape
    if chunks is not None:
        plist.set_chunk(chunks)
        limit = (h5py.h5s.UNLIMITED, *shape[1:])
    if compression is not None:
        plist.set_shuffle()
    if compression == "gzip":
        plist.set_deflate(_GZIP_LEVEL)
    elif compression == "lzf":
        plist.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple(shape, limit)
    kind = h5py.h5t.py_create(np.dtype(dtype), logical=True)
    return h5py.Dataset(h5py.h5d.create(parent.id, leaf.encode(), kind, space, plist))


class Rows:
    """Writes whole rows of a shared dataset.

    Parameters
    ----------
    collective
        Every rank must then call `write` equally often, also one that has nothing to write; else each writes as
        it likes. Compressed datasets need it.
    """

    def __init__(self, dataset: h5py.Dataset, collective: bool) -> None:
        self._id = dataset.id
        self._there = dataset.id.get_space()
        self._dtype = dataset.dtype
        self._transfer = h5py.h5p.create(h5py.h5p.DATASET_XFER)
        if collective and dataset.file.driver == "mpio":
            self._transfer.set_dxpl_mpio(h5py.h5fd.MPIO_COLLECTIVE)

    def write(self, first: int | np.ndarray | None, rows: np.ndarray | None) -> None:
        """Write rows from ``first`` on, or those of the increasing numbers, or take part in the others' write.

        A selection of nothing is not one of zero length: that hangs the ranks that do write.
        """
        if first is None or rows is None or len(rows) == 0:
            rows = np.empty(1, self._dtype)
            here = h5py.h5s.create_simple(rows.shape)
            here.select_none()
            self._there.select_none()
        else:
            rows = np.ascontiguousarray(rows, self._dtype)
            here = h5py.h5s.create_simple(rows.shape)
            self._select(np.array([first]) if isinstance(first, int) else first, rows.shape)
        self._id.write(here, self._there, rows, dxpl=self._transfer)

    def _select(self, first: np.ndarray, shape: tuple[int, ...]) -> None:
        """Select rows from a number on, or one row a number."""
        starts, ends = first[:1], first[:1] + shape[0]
        if len(first) > 1:
            breaks = np.flatnonzero(np.diff(first) != 1) + 1
            starts, ends = first[[0, *breaks]], first[[*(breaks - 1), -1]] + 1
        self._there.select_none()
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            origin = (start, *[0] * (len(shape) - 1))
            self._there.select_hyperslab(origin, (end - start, *shape[1:]), op=h5py.h5s.SELECT_OR)
