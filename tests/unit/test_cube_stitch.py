"""Stitched shards: the same cube as one piece, and never one read with holes in it."""

import bz2
import json
import os
import resource
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from hiss.config.cube import Cube
from hiss.cube.comm import Alone
from hiss.cube.dense import build_dense
from hiss.cube.intact import verify
from hiss.cube.layout import IMAGE_TABLE, SPECTRUM_TABLE, TARGET_SPECTRA, TARGETS
from hiss.cube.links import build_links
from hiss.cube.options import Options
from hiss.cube.order import in_spectrum_order
from hiss.cube.rejects import merge_rejects
from hiss.cube.shard_files import write_shards
from hiss.cube.shard_sources import allow_open_files, demand_sources
from hiss.cube.shards import field_centers, plan_shards
from hiss.cube.sparse import SparseInputs, build_sparse
from hiss.cube.stitch import shards_of, stitch_dense, stitch_links, stitch_sparse
from hiss.cube.stitch_rows import Family
from hiss.errors import HissError
from hiss.files import read_table, write_table
from hiss.sdss.catalogue import read_sfr_catalogue
from hiss.sdss.manifest import files_of, make_manifest

PARTS = ("sparse", "links", "dense")
SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"


def rates_of(folder):
    return folder / "gal_info.fits", folder / "gal_totsfr.fits"


def build(manifest, root, rates, out, mode):
    sparse, links, dense = (out / f"{part}.h5" for part in PARTS)
    options = Options.of(json.loads(Cube(mode=mode).for_build()))
    build_sparse(Alone(), SparseInputs(manifest, root, *rates), options, sparse, out / "sparse_rejects.parquet")
    build_links(sparse, links, options.link_radius_arcmin)
    build_dense(Alone(), sparse, links, options, dense, out / "dense_rejects.parquet")


def in_shards(manifest, root, order, out, mode="full"):
    """Build a sky in shards and stitch it; returns the shards' names."""
    rates = rates_in(root)
    files = read_table(manifest)
    shards = plan_shards(files, field_centers(files, root), order, 1.5)
    write_shards(out / "shards", shards, read_sfr_catalogue(*rates))
    names = shards.table["shard"].tolist()
    for folder in (out / "shards" / name for name in names):
        build(folder / "manifest.parquet", root, rates_of(folder), folder, mode)
    pieces = shards_of(out / "shards" / name / "sparse.h5" for name in names)
    stitch_sparse(pieces, *rates, out / "sparse.h5")
    stitch_links(pieces, out / "sparse.h5", out / "links.h5")
    stitch_dense(pieces, out / "sparse.h5", out / "links.h5", out / "dense.h5")
    return names


def rates_in(root):
    return root / "catalogue" / "gal_info_dr7_v5_2.fit", root / "catalogue" / "gal_totsfr_dr7_v5_2.fits"


@pytest.fixture(scope="module")
def plain_sky(small_sky, tmp_path_factory):
    """The small sky with its frames unpacked, so that builds are quick."""
    folder = tmp_path_factory.mktemp("plain")
    shutil.copytree(small_sky / "raw", folder / "raw")
    for path in (folder / "raw").rglob("*.bz2"):
        path.with_suffix("").write_bytes(bz2.decompress(path.read_bytes()))
        path.unlink()
    write_table(folder / "manifest.parquet", make_manifest(folder / "raw"))
    return folder


@pytest.fixture(scope="module")
def whole(plain_sky):
    """Gives the folder of the sky's cube in one piece, built once a mode."""

    @cache
    def folder(mode):
        out = plain_sky / f"whole_{mode}"
        build(plain_sky / "manifest.parquet", plain_sky / "raw", rates_in(plain_sky / "raw"), out, mode)
        return out

    return folder


@pytest.fixture(scope="module")
def stitched(plain_sky):
    """Gives the folder of the sky's cube in shards, built once a mode and order; tests only read it."""

    @cache
    def folder(mode, order):
        out = plain_sky / f"{mode}_{order}"
        in_shards(plain_sky / "manifest.parquet", plain_sky / "raw", order, out, mode)
        return out

    return folder


@pytest.fixture
def copy(stitched, tmp_path):
    """A copy of the stitched cube to damage."""
    return Path(shutil.copytree(stitched("full", 9), tmp_path / "copy"))


def items(file):
    found = {}
    file.visititems(lambda name, item: found.__setitem__(name, item))
    return found


def described(item):
    """Attributes by name, but for the checksum of what is compared itself."""
    names = {}
    for key in set(item.attrs) - {"xxh3_64"}:
        value = item.attrs[key]
        names[key] = item.file[value].name if isinstance(value, h5py.Reference) else np.asarray(value).tolist()
    return names


@pytest.mark.parametrize(("mode", "order"), [("full", 3), ("full", 9), ("targets", 9)])
def test_stitched_shards_are_the_cube_in_one_piece(whole, stitched, mode, order):
    one, many = whole(mode), stitched(mode, order)
    names = sorted((path.name for path in (many / "shards").iterdir()), key=lambda name: int(name.split("-")[1]))
    assert len(names) > (3 if order == 9 else 0)
    for part in PARTS:
        with h5py.File(one / f"{part}.h5") as first, h5py.File(many / f"{part}.h5") as second:
            demand_sources(second)
            expected, found = items(first), items(second)
            assert set(found) - set(expected) == {"shards", f"shards/{part}"}
            for name, item in expected.items():
                assert described(item) == described(found[name]), name
                if isinstance(item, h5py.Dataset):
                    assert (item.shape, item.dtype) == (found[name].shape, found[name].dtype), name
                    assert item[()].tobytes() == found[name][()].tobytes(), name
            assert second[f"shards/{part}"]["shard"].astype(str).tolist() == names
            big = [item for item in found.values() if getattr(item, "is_virtual", False)]
            assert bool(big) == (part != "links")
        assert verify(many / f"{part}.h5")["datasets"] > 0
    rejects = rejects_in(one)
    apart = rejects_in(*(many / "shards" / name for name in names))
    pd.testing.assert_frame_equal(rejects, apart, check_dtype=False)
    assert len(rejects) > 0


def rejects_in(*folders):
    return merge_rejects(folder / f"{stage}_rejects.parquet" for folder in folders for stage in ("sparse", "dense"))


def by_id(file, table, key):
    """Bytes of the rows of the arrays beside a table, by the id in the table's row."""
    beside = [item for name, item in items(file).items() if name.startswith(f"{table.rpartition('/')[0]}/")]
    arrays = [item for item in beside if isinstance(item, h5py.Dataset) and item.dtype == "f4" and item.ndim > 1]
    keys = [tuple(record[list(key)].tolist()) for record in file[table][:]]
    return {key: [item[row].tobytes() for item in arrays] for row, key in enumerate(keys)}


def test_with_files_that_cannot_be_read_the_rest_is_the_same(plain_sky, tmp_path):
    """What is set aside leaves holes, which each shard closes in its own way: the order of rows may differ."""
    raw = tmp_path / "raw"
    shutil.copytree(plain_sky / "raw", raw)
    frames, spectra = sorted(raw.rglob("frame-*")), sorted(raw.rglob("spec-*"))
    frames[3].write_bytes(frames[3].read_bytes()[:2_000_000])
    for path in (spectra[1], spectra[5]):
        path.write_bytes(b"nothing")
    manifest = tmp_path / "manifest.parquet"
    write_table(manifest, make_manifest(raw))
    build(manifest, raw, rates_in(raw), tmp_path / "one", "full")
    names = in_shards(manifest, raw, 8, tmp_path / "many")
    apart = rejects_in(*(tmp_path / "many" / "shards" / name for name in names))
    pd.testing.assert_frame_equal(rejects_in(tmp_path / "one"), apart, check_dtype=False)
    spectrum_id = ("plate", "mjd", "fiber")
    for part, table, key in (
        ("sparse", IMAGE_TABLE, ("run", "field", "band")),
        ("sparse", SPECTRUM_TABLE, spectrum_id),
        ("dense", TARGETS, spectrum_id),
    ):
        with h5py.File(tmp_path / "one" / f"{part}.h5") as first, h5py.File(tmp_path / "many" / f"{part}.h5") as second:
            expected, found = by_id(first, table, key), by_id(second, table, key)
            assert expected == found
            assert len(found) > 8
            assert all(found.values())
    with h5py.File(tmp_path / "many" / "sparse.h5") as file:
        order = file[SPECTRUM_TABLE][:][["plate", "mjd", "fiber"]].tolist()
        expected = in_spectrum_order(files_of(read_table(manifest), "spectrum"))[["plate", "mjd", "fiber"]]
        expected = [tuple(ids) for ids in expected.astype(int).to_numpy().tolist() if tuple(ids) in order]
        assert order == expected, "the stitched cube is in order of the sky all the same"


def test_a_shard_that_is_gone_is_named_where_hdf5_would_read_nan(copy):
    lengths = {}
    for path in (copy / "shards").glob("*/dense.h5"):
        with h5py.File(path) as file:
            lengths[path] = len(file[TARGETS])
    gone = max(lengths, key=lengths.get)
    gone.unlink()
    with h5py.File(copy / "dense.h5") as file:
        flux = file["dense_cube/3/ml_spectrum/spectral_1d_cube_zoom_3"][:]
        assert np.isnan(flux).all(axis=1).sum() >= lengths[gone] > 0, "HDF5 itself says nothing"
        with pytest.raises(HissError, match=f"{gone.parent.name}/dense.h5: this shard of .* is missing"):
            demand_sources(file)
    with pytest.raises(HissError, match="is missing"):
        verify(copy / "dense.h5")


def test_more_shards_than_files_may_be_open_are_read_whole_or_not_at_all(stitched):
    cube = stitched("full", 9)
    n = len(list((cube / "shards").glob("*/dense.h5")))
    read = (
        "import sys, resource, h5py, numpy as np\n"
        "from hiss.cube.shard_sources import demand_sources\n"
        "soft, hard = map(int, sys.argv[2:])\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))\n"
        "file = h5py.File(sys.argv[1])\n"
        "demand_sources(file)\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
    )
    line = [sys.executable, "-c", read, str(cube / "dense.h5")]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    enough = subprocess.run([*line, "30", "4000"], env=environment, capture_output=True, text=True, check=True)
    assert int(enough.stdout) >= n + 30
    too_few = subprocess.run([*line, "30", str(n + 40)], env=environment, capture_output=True, text=True, check=False)
    assert too_few.returncode != 0
    assert f"{n} shards must be open at once" in too_few.stderr


def test_links_of_another_build_are_refused(copy):
    folders = sorted((copy / "shards").iterdir())
    shutil.copy(folders[0] / "links.h5", folders[-1] / "links.h5")
    with pytest.raises(HissError, match=r"links.h5: was not made from the sparse.h5 beside it"):
        stitch_links(shards_of(folder / "links.h5" for folder in folders), copy / "sparse.h5", copy / "links.h5")
    assert "shards" in h5py.File(copy / "links.h5"), "the old file is still whole"


def test_one_id_in_two_far_shards_is_two_targets_as_in_one_piece(plain_sky, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(plain_sky / "raw", raw)
    paths = sorted(raw.rglob("spec-*"))
    ra = [fits.getheader(path)["PLUG_RA"] for path in paths]
    for path in (paths[int(np.argmin(ra))], paths[int(np.argmax(ra))]):
        with fits.open(path, mode="update") as hdus:
            hdus[2].data["BESTOBJID"] = "1237648720142401611"
    manifest = tmp_path / "manifest.parquet"
    write_table(manifest, make_manifest(raw))
    build(manifest, raw, rates_in(raw), tmp_path / "one", "targets")
    in_shards(manifest, raw, 9, tmp_path / "many", "targets")
    found = {}
    for cube in ("one", "many"):
        with h5py.File(tmp_path / cube / "sparse.h5") as file:
            assert (file[SPECTRUM_TABLE]["objid"] == 1237648720142401611).sum() == 2
        with h5py.File(tmp_path / cube / "dense.h5") as file:
            found[cube] = file[TARGETS][:].tobytes(), file[TARGET_SPECTRA][:].tobytes()
    assert found["one"] == found["many"]


def test_rows_that_follow_each_other_are_one_stretch():
    family = Family(np.array([0, 0, 1, 1, 0, 0]), np.array([3, 4, 0, 1, 5, 7]), [])
    assert list(family.stretches()) == [(0, 0, 3, 2), (2, 1, 0, 2), (4, 0, 5, 1), (5, 0, 7, 1)]
    assert list(Family(np.zeros(0, int), np.zeros(0, int), []).stretches()) == []


def test_the_limit_of_open_files_is_only_ever_raised():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_open_files(1)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
