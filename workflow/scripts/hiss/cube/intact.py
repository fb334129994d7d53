"""A cube that can be proved intact: checksums of rows, tables and the tree, kept in the file itself."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from xxhash import xxh3_64, xxh3_64_intdigest

from hiss.cube.comm import Comm
from hiss.cube.holes import Holes
from hiss.cube.shard_sources import demand_sources
from hiss.errors import HissError
from hiss.progress import progress

SUFFIX: Final = "_checksums"
"""What the name of a dataset of row checksums ends with, after that of the data beside it."""

_TABLE: Final = "xxh3_64"  # attribute of a dataset that has no row checksums
_SEAL: Final = "tree_sha256"  # attribute of the root
_REMEDY: Final = "delete it and run the same command again, which makes it anew"
_MB: Final = 10**6
_BLOCK: Final = 32 * 2**20  # bytes read at once


def row_checksums(rows: np.ndarray) -> np.ndarray:
    """Return the XXH3 checksum of the bytes of each row, (n,) uint64."""
    rows = np.ascontiguousarray(rows)
    return np.array([xxh3_64_intdigest(row) for row in rows], np.uint64)


def write_checksums(file: h5py.File, name: str, checksums: np.ndarray) -> None:
    """Write the row checksums of a dataset beside it, under its name and ``_checksums``."""
    dataset = file.create_dataset(f"{name}{SUFFIX}", data=np.asarray(checksums, np.uint64))
    dataset.attrs["long_name"] = f"xxh3_64 of the bytes of each row of {name.rpartition('/')[2]}"


class Checksums:
    """Row checksums of datasets that ranks fill together: each adds its rows, rank 0 writes them.

    Parameters
    ----------
    names
        The datasets, all with the same rows.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._rows: list[np.ndarray] = [np.empty(0, np.int64)]
        self._found: list[np.ndarray] = [np.empty((0, len(names)), np.uint64)]

    def add(self, first: int | np.ndarray, blocks: Sequence[np.ndarray]) -> None:
        """Note the rows that this rank writes, from ``first`` on or of those numbers, one block a dataset."""
        self._rows.append(np.arange(first, first + len(blocks[0])) if isinstance(first, int) else first)
        self._found.append(np.stack([row_checksums(block) for block in blocks], axis=1))

    def gather(self, comm: Comm) -> None:
        """Bring all ranks' checksums to rank 0; collective."""
        parts = comm.gather((np.concatenate(self._rows), np.concatenate(self._found))) or []
        self._rows, self._found = [rows for rows, _ in parts], [found for _, found in parts]

    def write(self, file: h5py.File, holes: Holes | None = None) -> None:
        """Write them beside the datasets, whose holes are closed; rank 0 alone, after `gather`."""
        rows, found = np.concatenate(self._rows), np.concatenate(self._found)
        table = np.zeros((holes.listed if holes else len(rows), len(self._names)), np.uint64)
        table[rows] = found
        table = holes.close(table) if holes else table
        for name, column in zip(self._names, table.T, strict=True):
            write_checksums(file, name, column)


def seal(file: h5py.File, known: Mapping[str, str] | None = None) -> None:
    """Set the checksum of every dataset that has none by row, and of the tree: the last thing a writer does.

    The tree is every group, link, shape, dtype and attribute; files behind external links have a seal of their own.

    Parameters
    ----------
    known
        XXH3 of datasets, hexadecimal, by name: what their writer has summed is not read again.
    """
    known = {} if known is None else known
    for dataset in _datasets(file):
        if f"{dataset.name}{SUFFIX}" not in file:
            dataset.attrs[_TABLE] = known.get(dataset.name.lstrip("/")) or _checksum(dataset)
    file.attrs[_SEAL] = _tree(file)


def verify(path: Path | str) -> dict[str, int]:
    """Read a sealed file again and compare it with its checksums; memory does not grow with the file.

    What lies behind external links has to be there, and is verified in its own file.

    Returns
    -------
    Numbers of ``datasets``, ``rows`` and ``bytes`` that were compared.

    Raises
    ------
    HissError
        The file is damaged or has no checksums; names the dataset and the row.
    """
    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            if _SEAL not in file.attrs:
                raise HissError(f"{path}: holds no checksums, so it cannot be proved intact; {_REMEDY}")
            if file.attrs[_SEAL] != _tree(file):
                raise HissError(f"{path}: its groups or attributes are not those that were written; {_REMEDY}")
            _demand_linked(file, path)
            demand_sources(file)
            datasets = list(_datasets(file))
            total = sum(dataset.nbytes for dataset in datasets)
            for _ in progress(_compared(datasets, path), total // _MB, f"MB of {path.name}", place=int):
                pass
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise HissError(f"{path}: cannot be read throughout ({error}); {_REMEDY}") from error
    return {"datasets": len(datasets), "rows": sum(map(len, datasets)), "bytes": total}


def _datasets(file: h5py.File) -> Iterator[h5py.Dataset]:
    """Give each dataset once; those behind external links are left out."""
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return (file[name] for name in found)


def _blocks(dataset: h5py.Dataset) -> Iterator[tuple[int, np.ndarray]]:
    """Give the number of the first row and the rows, a few whole chunks at a time."""
    row = max(dataset.nbytes // max(len(dataset), 1), 1)
    chunk = dataset.chunks[0] if dataset.chunks else 1
    step = max(_BLOCK // row // chunk, 1) * chunk
    for first in range(0, len(dataset), step):
        yield first, dataset[first : first + step]


def _checksum(dataset: h5py.Dataset) -> str:
    running = xxh3_64()
    for _, rows in _blocks(dataset):
        running.update(rows.tobytes())
    return running.hexdigest()


def _compared(datasets: Sequence[h5py.Dataset], path: Path) -> Iterator[int]:
    """Compare dataset after dataset with its checksums; give how many MB are done, block after block."""
    done = 0
    for dataset in datasets:
        for nbytes in _compare(dataset, path):
            done += nbytes
            yield done // _MB


def _demand_linked(file: h5py.File, path: Path) -> None:
    links: list[tuple[str, h5py.ExternalLink]] = []
    file.visititems_links(lambda name, link: links.append((name, link)) if _is_external(link) else None)
    for name, link in links:
        if file.get(name) is None:
            raise HissError(
                f"{path}: {name} leads to {link.path} in {link.filename}, which is not there; keep the cube's files in "
                f"one folder, or {_REMEDY}"
            )


def _is_external(link: Any) -> bool:
    return isinstance(link, h5py.ExternalLink)


def _compare(dataset: h5py.Dataset, path: Path) -> Iterator[int]:
    """Compare the rows of a dataset, or all of it; give the size of each block."""
    name = f"{dataset.name}{SUFFIX}"
    expected = dataset.file[name][:] if name in dataset.file else None
    running = xxh3_64()
    for first, rows in _blocks(dataset):
        if expected is None:
            running.update(rows.tobytes())
        else:
            wrong = row_checksums(rows) != expected[first : first + len(rows)]
            if wrong.any():
                row = first + int(wrong.argmax())
                raise HissError(f"{path}: row {row} of {dataset.name} is not what was written; {_REMEDY}")
        yield rows.nbytes
    if expected is None and dataset.attrs.get(_TABLE) != running.hexdigest():
        raise HissError(f"{path}: {dataset.name} is not what was written; {_REMEDY}")


def _tree(file: h5py.File) -> str:
    """Return the SHA-256 of everything in a file but the datasets' content."""
    lines = [("/", _attributes(file))]

    def note(name: str, link: Any) -> None:
        if isinstance(link, h5py.ExternalLink):
            lines.append((name, f"{link.filename}:{link.path}"))
        elif isinstance(link, h5py.SoftLink):
            lines.append((name, link.path))
        else:
            item = file[name]
            shape = f"{item.shape} {item.dtype}" if isinstance(item, h5py.Dataset) else ""
            lines.append((name, shape + _attributes(item)))

    file.visititems_links(note)
    return hashlib.sha256(json.dumps(sorted(lines)).encode()).hexdigest()


def _attributes(item: h5py.HLObject) -> str:
    values: Mapping[str, Any] = item.attrs
    return json.dumps({name: _plain(item, value) for name, value in values.items() if name != _SEAL}, sort_keys=True)


def _plain(item: h5py.HLObject, value: Any) -> str:
    if isinstance(value, h5py.Reference):
        return str(item.file[value].name)
    return repr(value.tolist() if isinstance(value, np.ndarray | np.generic) else value)
