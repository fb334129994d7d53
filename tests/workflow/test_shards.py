"""The cube in shards: one as a reader sees it; a new field or a failure concerns the shards it touches alone."""

import bz2
import re
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest

from hiss.cube.intact import verify
from hiss.files import read_json
from hiss.sdss.manifest import make_manifest
from hiss.sky.sky import simulate_sky

from .conftest import make_workspace

RESULTS = "results/shards"
ORDER = 8  # cells of 14 arcmin: a field and its neighbour lie in two
EAST = 36.45  # right ascension between the two fields


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A simulated sky of two fields, frames unpacked; the files of the eastern one by themselves."""
    folder = tmp_path_factory.mktemp("sky")
    simulate_sky(folder / "west", seed=5, fields=2, n_galaxies=36, n_stars=3, n_quasars=3)
    for path in (folder / "west").rglob("*.bz2"):
        path.with_suffix("").write_bytes(bz2.decompress(path.read_bytes()))
        path.unlink()
    files = make_manifest(folder / "west")
    frames = files[files["kind"] == "frame"].sort_values(["run", "field"])
    west = files["path"].isin(frames["path"][:5]) | (files["ra"] < EAST) | files["kind"].str.startswith("gal_")
    for path in files["path"][~west]:
        (folder / "east" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "west" / path).rename(folder / "east" / path)
    return folder


@pytest.fixture(scope="module")
def west(raw, tmp_path_factory):
    """A workspace in which the western field is built."""
    workspace = make_workspace(tmp_path_factory.mktemp("shards"))
    shutil.copytree(raw / "west", workspace.folder / "raw")
    workspace.first_output = workspace.run("cube", config=config_of(workspace, ORDER))
    return workspace


def config_of(workspace, order, name="shards"):
    return workspace.write_config(
        name,
        {
            "results": f"results/{name}",
            "sky": {"source": "local", "local": {"path": "raw"}},
            "cube": {"shard_order": order},
            "experiments": None,
        },
    )


def built(text, rule="build_sparse"):
    """Names of the shards that a rule was run for."""
    return set(re.findall(rf"^(?:local)?rule {rule}:.*?wildcards: shard=(\S+)", text, re.MULTILINE | re.DOTALL))


def shards(workspace):
    return pd.read_csv(workspace.folder / RESULTS / "cube" / "shards" / "shards.csv").set_index("shard")


def test_a_sky_in_shards_is_built_and_nothing_is_done_twice(west):
    table = shards(west)
    assert built(west.first_output) == set(table.index)
    assert len(table) > 2
    assert table["frames"].sum() == 5
    assert west.planned("cube", config=config_of(west, ORDER)) == {}
    cube = west.folder / RESULTS / "cube"
    with h5py.File(cube / "hiss_cube.h5") as file:
        assert file.attrs["image_count"] == 5
        assert file.attrs["spectrum_count"] == table["spectra"].sum()
        assert np.isfinite(file["dense_cube/0/ml_image/cutout_3d_cube_zoom_0"][:]).any()
    for name in ("sparse", "links", "dense"):
        assert verify(cube / f"{name}.h5")["bytes"] > 0
    accounts = read_json(cube / "accounts.json")
    assert accounts["frames"]["in_cube"] == 5


def test_a_shard_asks_a_cluster_for_fewer_ranks_than_the_whole(west):
    again = ("cube", "--dry-run", "--forcerun", "build_sparse")
    for order, asked in ((ORDER, ("4", "1")), (None, ("16", "2"))):
        config = config_of(west, order, "shards" if order else "whole")
        text = west.run(*again, config=config, profile="profiles/slurm")
        for rule in ("build_sparse", "build_dense"):
            found = re.findall(rf"^ *rule {rule}:.*?, tasks=(\d+),.*? nodes=(\d+)", text, re.MULTILINE | re.DOTALL)
            assert set(found) == {asked}


def test_a_new_field_rebuilds_only_the_shards_it_touches(west, raw, copy_of):
    workspace = copy_of(west)
    before = shards(workspace)
    shutil.copytree(raw / "east", workspace.folder / "raw", dirs_exist_ok=True)
    text = workspace.run("cube", config=config_of(workspace, ORDER))
    after = shards(workspace)
    same = {name for name in before.index.intersection(after.index) if before.loc[name].equals(after.loc[name])}
    assert same
    assert built(text) == built(text, "build_dense") == set(after.index) - same
    assert workspace.planned("cube", config=config_of(workspace, ORDER)) == {}
    assert read_json(workspace.folder / RESULTS / "cube" / "accounts.json")["frames"]["in_cube"] == 15


def test_a_shard_that_fails_leaves_the_others(west, copy_of):
    workspace = copy_of(west)
    config = config_of(workspace, ORDER)
    folder = workspace.folder / RESULTS / "cube" / "shards"
    broken, other = sorted(shards(workspace).index)[:2]
    for name in (broken, other):
        (folder / name / "sparse.h5").unlink()
    (folder / broken / "gal_info.fits").write_bytes(b"no table")
    text = workspace.run("cube", config=config, fails=True)
    assert f"{broken}/gal_info.fits" in text
    assert (folder / other / "dense.h5").exists()
    assert not (folder / broken / "sparse.h5").exists()
    workspace.run("cube", "--forcerun", "plan_shards", config=config)
    assert workspace.planned("cube", config=config) == {}


def test_a_shard_whose_list_of_files_is_lost_says_how_to_write_it_again(west, copy_of):
    workspace = copy_of(west)
    config = config_of(workspace, ORDER)
    name = shards(workspace).index[0]
    (workspace.folder / RESULTS / "cube" / "shards" / name / "manifest.parquet").unlink()
    assert "--forcerun plan_shards" in workspace.run("cube", config=config, fails=True)


def test_without_shards_no_plan_of_them_is_made(west):
    config = config_of(west, None, "whole")
    plan = west.planned("cube", config=config)
    assert plan["build_sparse"] == plan["build_dense"] == 1
    assert not [rule for rule in plan if "shards" in rule or "stitch" in rule]
