"""hiss_cube.h5: the whole tree in one file, made of external links."""

import os
from collections.abc import Iterable
from pathlib import Path

import h5py

from hiss.cube.hdf5 import set_attributes, set_root
from hiss.cube.layout import (
    DENSE,
    IMAGES_METADATA,
    SPARSE,
    SPECTRA_METADATA,
    SPECTRA_STAR_FORMATION_RATES,
    STAR_FORMATION_RATES,
    ZOOMS,
    check_band_order,
    images_group,
    ml_image_data,
    spectra_group,
)
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
    names = {name: os.path.relpath(path, Path(output).parent) for name, path in parts.items()}
    record = provenance(parts, {}, code)
    with atomic(output) as temporary, h5py.File(temporary, "w") as file:
        with h5py.File(sparse, "r") as source:
            for name in (IMAGES_METADATA, SPECTRA_METADATA, STAR_FORMATION_RATES, SPECTRA_STAR_FORMATION_RATES):
                file[name] = h5py.ExternalLink(names["sparse"], f"/{name}")
            _link_sparse(file, source, names)
            for name in ("image_count", "spectrum_count"):
                file.attrs[name] = source.attrs[name]
        with h5py.File(dense, "r") as source:
            for zoom in ZOOMS:
                check_band_order(source[ml_image_data(zoom)])
        file[DENSE] = h5py.ExternalLink(names["dense"], f"/{DENSE}")
        set_root(file, f"/{DENSE}", record)


def _link_sparse(file: h5py.File, source: h5py.File, names: dict[str, str]) -> None:
    """Groups whose members are in two files are real ones; all else is linked whole."""
    file.create_group(SPARSE)
    _copy_attributes(source[SPARSE], file[SPARSE])
    for zoom in ZOOMS:
        images, spectra = images_group(zoom), spectra_group(zoom)
        file[images] = h5py.ExternalLink(names["sparse"], f"/{images}")
        group = file.create_group(spectra)
        for name in source[spectra]:
            group[name] = h5py.ExternalLink(names["sparse"], f"/{spectra}/{name}")
        for name in ("data", "errors", "metadata"):
            path = f"{spectra}/image_cutouts_{name}"
            file[path] = h5py.ExternalLink(names["links"], f"/{path}")
        _copy_attributes(source[spectra], group)
        _copy_attributes(source[f"{SPARSE}/{zoom}"], file[f"{SPARSE}/{zoom}"])


def _copy_attributes(source: h5py.Group, group: h5py.Group) -> None:
    set_attributes(
        group,
        {name: list(value) if hasattr(value, "tolist") else value for name, value in source.attrs.items()},
    )
