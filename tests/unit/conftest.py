"""What several unit tests share: a small simulated sky and its cube, whose code is imported only where asked for."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

CATALOGUE = ("gal_info_dr7_v5_2.fit", "gal_totsfr_dr7_v5_2.fits")
SKY = {"seed": 5, "fields": 1, "n_galaxies": 14, "n_stars": 2, "n_quasars": 2}


@pytest.fixture(scope="session")
def small_sky(tmp_path_factory) -> Path:
    """A folder with ``raw``, a simulated sky of one field seen twice, and its ``manifest.parquet``."""
    from hiss.files import write_table
    from hiss.sdss.manifest import make_manifest
    from hiss.sky.sky import simulate_sky

    folder = tmp_path_factory.mktemp("small_sky")
    simulate_sky(folder / "raw", **SKY)
    write_table(folder / "manifest.parquet", make_manifest(folder / "raw"))
    return folder


@pytest.fixture(scope="session")
def small_cube(small_sky) -> Callable[[str], Path]:
    """Gives the folder of the small sky's cube in a mode, built once; tests only read it."""

    @cache
    def folder(mode: str) -> Path:
        return build_cube(small_sky, small_sky / mode, mode)

    return folder


@pytest.fixture(scope="session")
def real_cube(sdss_files, tmp_path_factory) -> Path:
    """The folder of the real files' cube; tests only read it."""
    from hiss.files import write_table
    from hiss.sdss.catalogue import catalogue_from_csv, write_sfr_catalogue
    from hiss.sdss.manifest import make_manifest

    folder = tmp_path_factory.mktemp("real")
    (folder / "raw" / "catalogue").mkdir(parents=True)
    for name in ("images", "spectra"):
        (folder / "raw" / name).symlink_to(sdss_files / name)
    rates = catalogue_from_csv(sdss_files / "labels" / "mpajhu_dr7_sfr_107rows.csv")
    write_sfr_catalogue(rates, *(folder / "raw" / "catalogue" / name for name in CATALOGUE))
    write_table(folder / "manifest.parquet", make_manifest(folder / "raw"))
    return build_cube(folder, folder / "cube", "full")


def build_cube(sky: Path, out: Path, mode: str) -> Path:
    """Build the cube of a folder with ``raw`` and ``manifest.parquet`` in this process."""
    from hiss.config.cube import Cube
    from hiss.cube.comm import Alone
    from hiss.cube.dense import build_dense
    from hiss.cube.links import build_links
    from hiss.cube.master import build_master
    from hiss.cube.options import Options
    from hiss.cube.sparse import SparseInputs, build_sparse

    options = Options.of(json.loads(Cube(mode=mode).for_build()))
    tables = (sky / "raw" / "catalogue" / name for name in CATALOGUE)
    inputs = SparseInputs(sky / "manifest.parquet", sky / "raw", *tables)
    sparse, links, dense = (out / f"{name}.h5" for name in ("sparse", "links", "dense"))
    build_sparse(Alone(), inputs, options, sparse, out / "sparse_rejects.parquet")
    build_links(sparse, links, options.link_radius_arcmin)
    build_dense(Alone(), sparse, links, options, dense, out / "dense_rejects.parquet")
    build_master(sparse, links, dense, out / "hiss_cube.h5")
    return out
