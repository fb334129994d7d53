"""The tree of a shard's file, written once for all shards: arrays by reference, tables by value."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import h5py
import numpy as np

from hiss.cube.hdf5 import set_attributes
from hiss.cube.layout import (
    COVERAGE,
    DENSE,
    IMAGES_METADATA,
    REFERENCE_DTYPE,
    SPARSE,
    SPECTRA_METADATA,
    TARGET_SPECTRA,
    TARGETS,
    WINDOW_TABLE,
)
from hiss.cube.rows import gather
from hiss.cube.stitch_rows import Family
from hiss.errors import HissError
from hiss.progress import progress

_BLOCK: Final = 32 * 2**20  # bytes of a table in memory at once

_FAMILY: Final = {
    IMAGES_METADATA: "frames",
    SPECTRA_METADATA: "spectra",
    COVERAGE: "spectra",
    TARGETS: "targets",
    TARGET_SPECTRA: "members",
}

_ROW_NUMBERS: Final[dict[str, dict[str, str]]] = {
    TARGETS: {"target_id": "targets"},
    TARGET_SPECTRA: {"target_id": "targets", "spectrum": "spectra"},
    WINDOW_TABLE: {"spectrum": "spectra", "frame": "frames"},
}
"""Fields of tables that are rows of a family."""

_COUNTS: Final = {"image_count": "frames", "spectrum_count": "spectra", "target_count": "targets"}
"""Attributes that are lengths of a family."""


def family_of(path: str) -> str | None:
    """Return what a dataset has one row of each for; None where it is the same in every shard.

    Raises
    ------
    HissError
        No rule knows it.
    """
    path = path.strip("/")
    first, *rest = path.split("/")
    if rest and rest[-1] == "wl":
        return None
    if path in _FAMILY:
        return _FAMILY[path]
    if first == DENSE and len(rest) == 3:
        return "targets"
    if first == SPARSE and rest[0] == "windows":
        return "windows"
    if first == SPARSE and len(rest) == 3:
        return {"images": "frames", "spectra": "spectra"}[rest[1]]
    raise HissError(
        f"/{path}: nothing says what its rows are, so it cannot be stitched; name it in hiss.cube.stitch_tree"
    )


class Stitching:
    """Fills a file with the tree of many, whose rows belong to families.

    Parameters
    ----------
    file
        Open for writing.
    pieces
        The shards' files, open.
    paths
        Where they lie, relative to the file's folder.
    families
        By the names that `family_of` gives.
    """

    def __init__(
        self, file: h5py.File, pieces: Sequence[h5py.File], paths: Sequence[str], families: Mapping[str, Family]
    ) -> None:
        self.file = file
        self._pieces, self._paths, self._families = pieces, paths, families
        self._copied: list[str] = []
        self._at: dict[int, str] = {}  # address in the first piece: name

    def copy(self, without: Collection[str] = ()) -> None:
        """Write everything but some datasets; attributes come last, for they refer to datasets."""
        total: list[str] = []
        self._pieces[0].visititems(lambda name, item: total.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in progress(self._datasets(self._pieces[0], without), len(total) - len(without), "datasets stitched"):
            self._write(name, self._pieces[0][name])
        for name in ["/", *self._copied]:
            self._describe(self._pieces[0][name], self.file[name])

    def _datasets(self, group: h5py.Group, without: Collection[str]) -> Iterator[str]:
        """Make the groups and hard links, and give the name of each dataset once."""
        for leaf in group:
            item = group[leaf]
            name = f"{group.name}/{leaf}".strip("/")
            address = h5py.h5o.get_info(item.id).addr
            if name in without:
                continue
            if address in self._at:
                self.file[name] = self.file[self._at[address]]
                continue
            self._at[address] = name
            self._copied.append(name)
            if isinstance(item, h5py.Group):
                self.file.require_group(name)
                yield from self._datasets(item, without)
            else:
                yield name

    def _write(self, name: str, model: h5py.Dataset) -> None:
        kind = family_of(name)
        if kind is None:
            self.file.create_dataset(name, data=model[()])
        elif name.endswith("/db_index"):
            self.file.create_dataset(name, data=self._index(name, self._families[kind]))
        elif model.dtype.kind == "f" and model.ndim > 1:
            self._arrays(name, model, self._families[kind])
        else:
            self._tables(name, self._families[kind])

    def _arrays(self, name: str, model: h5py.Dataset, family: Family) -> None:
        """Show arrays where they are: one mapping a stretch of rows that follow each other."""
        shape = (len(family), *model.shape[1:])
        if not len(family):
            self.file.create_dataset(name, shape, model.dtype)
            return
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_fill_value(np.array(np.nan, model.dtype))
        here = h5py.h5s.create_simple(shape)
        there = [h5py.h5s.create_simple((len(new), *shape[1:])) for new in family.new]
        corner = (0,) * (len(shape) - 1)
        for first, piece, row, length in family.stretches():
            here.select_hyperslab((first, *corner), (length, *shape[1:]))
            there[piece].select_hyperslab((row, *corner), (length, *shape[1:]))
            plist.set_virtual(here, self._paths[piece].encode(), f"/{name}".encode(), there[piece])
        group, _, leaf = name.rpartition("/")
        kind = h5py.h5t.py_create(model.dtype, logical=True)
        h5py.h5d.create(self.file.require_group(group).id, leaf.encode(), kind, here, plist)

    def _tables(self, name: str, family: Family) -> None:
        """Write a table's rows, some at a time, in their new order and with new row numbers."""
        parts = [piece[name] for piece, new in zip(self._pieces, family.new, strict=True) if len(new)]
        parts = parts or [self._pieces[0][name]]
        shape = (len(family), *(max(lengths) for lengths in zip(*(part.shape[1:] for part in parts), strict=True)))
        dtype = _widest([part.dtype for part in parts])
        table = self.file.create_dataset(name, shape, dtype, **_packing(parts, shape))
        step = max(_BLOCK // max(dtype.itemsize * int(np.prod(shape[1:])), 1), 1)
        step = -(-step // table.chunks[0]) * table.chunks[0] if table.chunks else step
        for first in range(0, len(family), step):
            rows = slice(first, first + step)
            block = np.zeros((len(family.piece[rows]), *shape[1:]), dtype)
            for number in np.unique(family.piece[rows]):
                mine = family.piece[rows] == number
                values = self._renumbered(name, gather(self._pieces[number][name], family.row[rows][mine]), int(number))
                block[(mine, *map(slice, values.shape[1:]))] = values
            table[rows] = block

    def _renumbered(self, name: str, values: np.ndarray, number: int) -> np.ndarray:
        """Return a shard's rows of a table with the stitched cube's row numbers in place of its own."""
        for field, kind in _ROW_NUMBERS.get(name, {}).items():
            values[field] = self._families[kind].new[number][values[field]]
        if values.dtype == REFERENCE_DTYPE:
            for path in np.unique(values["ds_path"]):
                family = family_of(path.decode()) if path else None
                if family is not None:
                    mine = values["ds_path"] == path
                    values["ds_slice_idx"][mine] = self._families[family].new[number][values["ds_slice_idx"][mine]]
        return values

    def _index(self, name: str, family: Family) -> np.ndarray:
        """Return an index over all shards, sorted by its fields: each row once."""
        parts = [self._pieces[0][name][:0]]
        for number, (piece, new) in enumerate(zip(self._pieces, family.new, strict=True)):
            if len(new):
                entries = piece[name][:]
                own = family.piece[new[entries["ds_slice_idx"]]] == number
                entries["ds_slice_idx"] = new[entries["ds_slice_idx"]]
                parts.append(entries[own])
        index = np.concatenate(parts)
        return index[np.lexsort([index[field] for field in reversed(index.dtype.names or ())])]

    def _describe(self, source: h5py.HLObject, target: h5py.HLObject) -> None:
        """Copy attributes; references lead to the same names here, counts are those of all shards."""
        attributes: dict[str, Any] = {}
        for key, value in source.attrs.items():
            if isinstance(value, h5py.Reference):
                value = self.file[source.file[value].name].ref
            elif key in _COUNTS:
                value = np.int64(len(self._families[_COUNTS[key]]))
            elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
                value = value.tolist()
            attributes[key] = value
        set_attributes(target, attributes)


def _widest(dtypes: Sequence[np.dtype]) -> np.dtype:
    """Return the dtype of one table that holds all of some: text as wide as the widest."""
    if len(set(dtypes)) == 1 or dtypes[0].names is None:
        return dtypes[0]
    fields = []
    for name in dtypes[0].names:
        kinds = [dtype[name] for dtype in dtypes]
        fields.append((name, max(kinds, key=_width) if kinds[0].kind == "S" else kinds[0]))
    return np.dtype(fields)


def _width(dtype: np.dtype) -> int:
    return dtype.itemsize


def _packing(parts: Sequence[h5py.Dataset], shape: tuple[int, ...]) -> dict[str, Any]:
    """Return how a table is stored: as the longest of the shards' is."""
    model = max(parts, key=len)
    if model.chunks is None or not all(shape):
        return {}
    packing = {"compression": model.compression, "compression_opts": model.compression_opts, "shuffle": model.shuffle}
    return {"chunks": (min(shape[0], model.chunks[0]), *shape[1:]), **packing}
