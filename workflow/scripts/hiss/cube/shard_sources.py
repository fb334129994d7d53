"""The shards behind a stitched file: HDF5 itself reads one that is missing, or one file too many, as NaN."""

import resource
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from hiss.cube.hdf5 import set_attributes
from hiss.errors import HissError

SHARDS: Final = "shards"
"""The group at the root of a stitched file with its table of shards, ``sparse``, ``links`` or ``dense``."""

_SPARE: Final = 64  # files that a process has open beside the shards


def write_sources(file: h5py.File, part: str, columns: dict[str, Sequence[str]]) -> None:
    """Write the table of the shards behind a file.

    Parameters
    ----------
    part
        ``sparse``, ``links`` or ``dense``.
    columns
        ``shard`` (its name), ``path`` (relative to the file) and ``provenance`` (digest of its record).
    """
    encoded = {name: np.array([value.encode() for value in values]) for name, values in columns.items()}
    table = np.zeros(len(encoded["path"]), [(name, values.dtype) for name, values in encoded.items()])
    for name, values in encoded.items():
        table[name] = values
    meaning = "files whose arrays are shown here; path: relative to this one"
    set_attributes(file.create_dataset(f"{SHARDS}/{part}", data=table), {"long_name": meaning})


def demand_sources(file: h5py.File) -> None:
    """Make sure that every shard behind an open file, or a master of such, can be read; others have none.

    The process is allowed as many open files as it needs: HDF5 keeps every shard open that it has read.

    Raises
    ------
    HissError
        A shard is missing, or there are more than the system lets be open at once.
    """
    for part in file.get(SHARDS, ()):
        table = file[f"{SHARDS}/{part}"]
        _demand(Path(table.file.filename).resolve(), tuple(table["path"].tolist()))


@cache
def _demand(stitched: Path, shards: tuple[bytes, ...]) -> None:
    for shard in shards:
        path = stitched.parent / shard.decode()
        if not path.is_file():
            raise HissError(f"{path}: this shard of {stitched} is missing; run the workflow again to build it")
    allow_open_files(len(shards))


def allow_open_files(n: int) -> None:
    """Let this process have so many files open beside its own.

    Raises
    ------
    HissError
        The system does not allow it.
    """
    needed = n + _SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = float("inf") if hard == resource.RLIM_INFINITY else hard
    if most < needed:
        raise HissError(
            f"{n} shards must be open at once but this system allows {hard} open files; have the limit raised "
            "(ulimit -Hn), or set cube.shard_order lower"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
