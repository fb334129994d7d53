"""Files and datasets that all ranks fill together."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hiss.cube.comm import Comm
from hiss.files import unwritable


@contextmanager
def shared_temporary(output: Path | str, comm: Comm) -> Iterator[Path]:
    """Give every rank one temporary path beside ``output``; rank 0 renames it when all ranks are through.

    What killed runs left behind is removed first. A failure leaves the temporary to the next run when its
    rank is killed, else it is removed.

    Raises
    ------
    HissError
        What was written did not reach the disk, which is full more often than not.
    """
    output = Path(output)
    temporary = output
    if comm.rank == 0:
        output.parent.mkdir(parents=True, exist_ok=True)
        for stale in output.parent.glob(f".{output.name}.*.part"):
            stale.unlink(missing_ok=True)
        temporary = output.with_name(f".{output.name}.{os.getpid()}.part")
    temporary = comm.bcast(temporary)
    try:
        yield temporary
        comm.barrier()
        if comm.rank == 0:
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            temporary.replace(output)
        comm.barrier()
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unwritable(output, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def create_shared(
    file: h5py.File, name: str, shape: tuple[int, ...], dtype: Any, chunks: tuple[int, ...] | None = None
) -> h5py.Dataset:
    """Create a dataset that every rank may write to independently, with room on disk from the start.

    Space that is allocated late, by one rank without the others' knowledge, is silently lost. Nothing is filled
    in: every row is written, or cut off. A chunked one can be resized along its first axis; without chunks it
    is contiguous.
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
    space = h5py.h5s.create_simple(shape, limit)
    kind = h5py.h5t.py_create(np.dtype(dtype), logical=True)
    return h5py.Dataset(h5py.h5d.create(parent.id, leaf.encode(), kind, space, plist))
