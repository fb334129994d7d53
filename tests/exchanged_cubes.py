"""Cubes of the real field: built, exported, made public, adopted."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import h5py

from hiss.config.cube import Cube
from hiss.cube.adopt import AdoptedFiles, adopt_cube
from hiss.cube.comm import Alone
from hiss.cube.dense import build_dense
from hiss.cube.layout import (
    ml_image_data,
    ml_spectrum_data,
)
from hiss.cube.links import build_links
from hiss.cube.master import build_master
from hiss.cube.options import Options
from hiss.cube.shard_sources import write_sources
from hiss.cube.single import export_single
from hiss.cube.sparse import SparseInputs, build_sparse

STAR = ("spec-3126-54804-0211", "spec-3127-54835-0622", "spec-7330-56684-0434")
GALAXY = "spec-4238-55455-0037"


@dataclass(frozen=True)
class Built:
    """A folder with a cube of our own and what it was exported as."""

    folder: Path

    def __getattr__(self, name: str) -> Path:
        return self.folder / f"{name}.h5"


def build(raw: Path, folder: Path, **chosen) -> Built:
    options = Options.of(json.loads(Cube(**chosen).for_build()))
    inputs = SparseInputs(
        raw / "manifest.parquet", raw / "sky", raw / "gal_info_dr7_v5_2.fit", raw / "gal_totsfr_dr7_v5_2.fits"
    )
    made = Built(folder)
    build_sparse(Alone(), inputs, options, made.sparse, folder / "sparse_rejects.parquet")
    build_links(made.sparse, made.links, options.link_radius_arcmin)
    build_dense(Alone(), made.sparse, made.links, options, made.dense, folder / "dense_rejects.parquet")
    build_master(made.sparse, made.links, made.dense, made.hiss_cube)
    export_single(made.sparse, made.links, made.dense, made.hiss_cube_single)
    return made


def adopt(existing: Path, folder: Path, fiber_arcsec: float | None = 3.0) -> AdoptedFiles:
    folder.mkdir(exist_ok=True)
    names = ("manifest.parquet", "sparse.h5", "links.h5", "dense.h5", "rejects.parquet")
    files = AdoptedFiles(*(folder / name for name in names))
    adopt_cube(existing, files, fiber_arcsec)
    return files


def virtual_copy(source: Path, folder: Path) -> Path:
    """The same file with its large arrays in another one, as a cube in shards has them."""
    folder.mkdir()
    shutil.copy(source, folder / "shard.h5")
    copy = Path(shutil.copy(source, folder / source.name))
    with h5py.File(copy, "r+") as file:
        for name in (ml_image_data(0), ml_spectrum_data(1)):
            dataset = file[name]
            layout = h5py.VirtualLayout(dataset.shape, dataset.dtype)
            layout[...] = h5py.VirtualSource("shard.h5", name, dataset.shape)
            attributes = {key: value for key, value in dataset.attrs.items() if not isinstance(value, h5py.Reference)}
            reference = file[name].attrs["error_ds"]
            del file[name]
            made = file.create_virtual_dataset(name, layout)
            made.attrs.update(attributes)
            made.attrs["error_ds"] = reference
        write_sources(file, "dense", {"shard": ["only"], "path": ["shard.h5"], "provenance": [""]})
    return copy
