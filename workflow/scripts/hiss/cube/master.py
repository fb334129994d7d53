"""hiss_cube.h5: the whole tree in one file, made of external links."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import h5py

from hiss.cube.hdf5 import set_root
from hiss.cube.intact import seal
from hiss.cube.layout import DENSE, ZOOMS, check_band_order, ml_image_data
from hiss.files import atomic
from hiss.provenance import provenance


def build_master(
    sparse: Path | str, links: Path | str, dense: Path | str, output: Path | str, code: Iterable[Path] = ()
) -> None:
    """Write the master of external links, relative to its own folder, that shows the whole HiSS-Cube.

    Raises
    ------
    HissError
        The dense cube's band axis is not u g r i z.
    """
    parts = {"sparse": sparse, "links": links, "dense": dense}
    record = provenance(parts, {}, code)
    with (
        atomic(output) as temporary,
        h5py.File(temporary, "w") as file,
        h5py.File(sparse, "r") as sparse_file,
        h5py.File(links, "r") as links_file,
        h5py.File(dense, "r") as dense_file,
    ):
        for zoom in ZOOMS:
            check_band_order(dense_file[ml_image_data(zoom)])
        sources = zip(parts.values(), (sparse_file, links_file, dense_file), strict=True)
        _link(file, {os.path.relpath(path, Path(output).parent): source for path, source in sources})
        for name in ("image_count", "spectrum_count"):
            file.attrs[name] = sparse_file.attrs[name]
        set_root(file, f"/{DENSE}", record)
        seal(file)


def _link(group: h5py.Group, sources: Mapping[str, h5py.Group]) -> None:
    """Show the members of groups of the same name as one: a group that several have is a real one, all else a link."""
    names = dict.fromkeys(name for source in sources.values() for name in source)
    for name in names:
        holders = {path: source for path, source in sources.items() if source.get(name, getlink=True) is not None}
        if len(holders) == 1:
            (path, source), *_ = holders.items()
            group[name] = h5py.ExternalLink(path, f"{source.name.rstrip('/')}/{name}")
            continue
        members = {path: source[name] for path, source in holders.items()}
        shared = group.create_group(name)
        for member in reversed(members.values()):  # those of the first win
            copy_attributes(member, shared)
        _link(shared, members)


def copy_attributes(source: h5py.HLObject, copy: h5py.HLObject) -> None:
    """Copy attributes with their types; object references, which hold in their own file alone, are left out."""
    for name, value in source.attrs.items():
        if not isinstance(value, h5py.Reference):
            kind = source.attrs.get_id(name)
            copy.attrs.create(name, value, kind.shape, kind.dtype)
