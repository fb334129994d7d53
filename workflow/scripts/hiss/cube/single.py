"""hiss_cube_single.h5: the whole tree in one file, in which all references of the public format resolve."""

from collections.abc import Iterable, Iterator
from itertools import islice, product
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from hiss.cube.hdf5 import read_provenance, set_root
from hiss.cube.intact import seal
from hiss.cube.layout import (
    DENSE,
    SPARSE,
    SPECTRA_STAR_FORMATION_RATES,
    STAR_FORMATION_RATES,
    ZOOMS,
    check_band_order,
    ml_image_data,
    ml_image_group,
)
from hiss.cube.master import copy_attributes
from hiss.cube.rows import BLOCK_BYTES, blocks_of, row_size
from hiss.cube.shard_sources import SHARDS, demand_sources
from hiss.errors import HissError
from hiss.files import atomic
from hiss.progress import progress, say
from hiss.provenance import provenance

_PUBLIC_NAMES: Final = {"plate": "PLATEID", "fiber": "FIBERID"}
"""Columns of the SFR tables whose public name is not ours in capitals."""


def export_single(
    sparse: Path | str, links: Path | str, dense: Path | str, output: Path | str, code: Iterable[Path] = ()
) -> None:
    """Write the cube as one file in the public format: the same tree, and references that resolve in it.

    Arrays are copied in blocks or, where they are compressed, chunk by chunk as they are; memory does not grow with
    the cube. A cube that lies in shards is read through its virtual datasets.

    Raises
    ------
    HissError
        The cube was adopted from an existing file, a shard is missing, or the band axis is not u g r i z.
    """
    parts = {"sparse": sparse, "links": links, "dense": dense}
    with h5py.File(sparse, "r") as sparse_file, h5py.File(links, "r") as links_file, h5py.File(dense, "r") as cubes:
        source = read_provenance(sparse_file)
        if "existing" in source["inputs"]:
            raise HissError(f"{sparse}: was adopted from an existing cube, which is one file already; use that one")
        for zoom in ZOOMS:
            check_band_order(cubes[ml_image_data(zoom)])
        record = provenance(parts, source["settings"], code)
        with atomic(output) as temporary, h5py.File(temporary, "w", track_order=False) as file:
            copier = _Copier(file)
            for part in (sparse_file, links_file, cubes):
                demand_sources(part)
                copier.plan(part)
            copier.run()
            for name in ("image_count", "spectrum_count"):
                file.attrs[name] = sparse_file.attrs[name]
            _describe(file)
            set_root(file, f"/{DENSE}", record)
            seal(file)
    say(f"{output}: {Path(output).stat().st_size / 1e6:,.1f} MB in the public format")


def _describe(file: h5py.File) -> None:
    """Set the attributes that the public format has where ours leads to the same picture without them."""
    for zoom in ZOOMS:
        file[ml_image_group(zoom)].attrs["default"] = f"/{ml_image_data(zoom)}"
    file[SPARSE].attrs["NX_class"] = "NXentry"


class _Copier:
    """Copies files into one: first the tree, then what is in it, then attributes."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._at: dict[tuple[int, int], str] = {}
        self._datasets: list[tuple[h5py.Dataset, h5py.Dataset]] = []
        self._groups: list[tuple[h5py.Group, h5py.Group]] = []

    def plan(self, source: h5py.Group) -> None:
        """Make the groups and empty datasets of a source; what several names lead to is one thing here too."""
        for name in source:
            path = f"{source.name.rstrip('/')}/{name}"
            if path == f"/{SHARDS}":  # there are none behind the copy
                continue
            link = source.get(name, getlink=True)
            if isinstance(link, h5py.SoftLink):
                self._file[path] = link
                continue
            item = source[name]
            info = h5py.h5o.get_info(item.id)
            known = self._at.get((info.fileno, info.addr))
            if known is not None:
                self._file[path] = self._file[known]
                continue
            self._at[info.fileno, info.addr] = path
            if isinstance(item, h5py.Group):
                self._groups.append((item, self._file.require_group(path)))
                self.plan(item)
            else:
                self._datasets.append((item, _empty_copy(item, self._file, path)))

    def run(self) -> None:
        """Fill the datasets and set all attributes."""
        total = sum(_count(source) for source, _ in self._datasets)
        for _ in progress(self._filled(), total, "blocks copied"):
            pass
        for source, copy in (*self._groups, *self._datasets):
            copy_attributes(source, copy)
            for name, value in source.attrs.items():
                if isinstance(value, h5py.Reference):
                    target = self._file[source.file[value].name]
                    copy.attrs.create(name, target.ref, dtype=h5py.ref_dtype)

    def _filled(self) -> Iterator[None]:
        for source, copy in self._datasets:
            yield from _fill(source, copy)


def _empty_copy(source: h5py.Dataset, file: h5py.File, path: str) -> h5py.Dataset:
    """Create a dataset of the same shape, type, chunks and filters; a virtual one becomes a plain one."""
    layout = source.id.get_create_plist().copy()
    if source.is_virtual:
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        layout.set_obj_track_times(False)
    kind = source.id.get_type()
    if path.lstrip("/") in (STAR_FORMATION_RATES, SPECTRA_STAR_FORMATION_RATES):
        kind = h5py.h5t.py_create(_public_columns(source.dtype), logical=True)
    parent = file.require_group(path.rpartition("/")[0] or "/")
    leaf = path.rpartition("/")[2].encode()
    space = h5py.h5s.create_simple(source.shape) if source.is_virtual else source.id.get_space().copy()
    return h5py.Dataset(h5py.h5d.create(parent.id, leaf, kind, space, layout))


def _public_columns(dtype: np.dtype) -> np.dtype:
    """Give the catalogue's columns the names of its FITS tables, as the public cube does."""
    names = [_PUBLIC_NAMES.get(name, name.upper()) for name in dtype.names or ()]
    return np.dtype([(name, dtype[place]) for place, name in enumerate(names)])


def _step(source: h5py.Dataset) -> int:
    """Give how many chunks of a compressed dataset are copied at a time."""
    return max(1, BLOCK_BYTES // max(1, int(np.prod(source.chunks)) * source.dtype.itemsize))


def _offsets(source: h5py.Dataset) -> Iterator[tuple[int, ...]]:
    """Give where each chunk begins."""
    return product(*(range(0, length, chunk) for length, chunk in zip(source.shape, source.chunks, strict=True)))


def _count(source: h5py.Dataset) -> int:
    if source.chunks and not source.is_virtual:
        return -(-sum(1 for _ in _offsets(source)) // _step(source))
    return len(list(blocks_of(len(source), row_size(source)))) if source.ndim else 1


def _fill(source: h5py.Dataset, copy: h5py.Dataset) -> Iterator[None]:
    """Copy what is in a dataset, and yield after each block."""
    if source.chunks and not source.is_virtual:
        offsets = _offsets(source)
        while chunks := list(islice(offsets, _step(source))):
            for offset in chunks:
                if source.id.get_chunk_info_by_coord(offset).byte_offset is not None:
                    mask, raw = source.id.read_direct_chunk(offset)
                    copy.id.write_direct_chunk(offset, raw, mask)
            yield
    elif source.ndim == 0:
        copy[()] = source[()]
        yield
    else:
        for start, stop in blocks_of(len(source), row_size(source)):
            copy[start:stop] = source[start:stop].astype(copy.dtype, copy=False)
            yield
