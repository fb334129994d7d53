"""A public cube in place of raw files and build: the sample and all floors above run on it."""

import json
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
from public_cube import make_public

from .conftest import SMALL, Workspace

EXISTING = "results/existing"


@pytest.fixture(scope="module")
def existing(small, tmp_path_factory):
    """The small sky's cube, exported, made a public one, and taken in place of a build."""
    folder = tmp_path_factory.mktemp("existing") / "copy"
    shutil.copytree(small.folder, folder, symlinks=True)
    workspace = Workspace(folder)
    workspace.run("export_single", config="config/small.yaml")
    make_public(folder / "results/small/cube/hiss_cube_single.h5", folder / "public.h5")
    config = {
        "results": EXISTING,
        "cube": {"source": "existing", "existing": "public.h5"},
        "experiments": {**SMALL["experiments"], "lightgbm": None, "vggnet12": None, "baselines": ["halpha"]},
        "side_studies": SMALL["side_studies"],
        "report": SMALL["report"],
    }
    path = workspace.write_config("existing", config)
    planned = workspace.planned(config=path)
    assert planned["adopt_cube"] == 1
    assert not {"make_manifest", "build_sparse", "build_links", "build_dense", "simulate_sky"} & planned.keys()
    workspace.first_output = workspace.run(config=path)
    return workspace


def test_a_public_cube_runs_to_trained_trees_and_the_report(existing):
    results = existing.folder / EXISTING
    metrics = [json.loads(path.read_text()) for path in results.glob("runs/**/metrics.json")]
    assert len([one for one in metrics if one["run"]["model"] == "decision_tree"]) >= 4
    assert all(np.isfinite(one["validation"]["rmse"]) for one in metrics)
    page = (results / "report" / "report.html").read_text()
    assert "The cube is an existing one" in page
    assert json.loads((results / "cube" / "accounts.json").read_text())["spectra"]["in_cube"] > 50
    assert existing.planned(config="config/existing.yaml") == {}


def test_its_sample_is_that_of_the_build_it_came_from(existing):
    ours, theirs = (existing.folder / "results" / name for name in ("small", "existing"))
    one, two = (pd.read_parquet(folder / "sample" / "objects.parquet") for folder in (ours, theirs))
    keys = ["plate", "mjd", "fiber"]
    both = one.merge(two, on=keys, suffixes=("", "_adopted"))
    assert len(both) == len(one) == len(two)
    np.testing.assert_allclose(both["avg"], both["avg_adopted"], rtol=1e-6)
    with h5py.File(ours / "sample" / "zoom0.h5") as first, h5py.File(theirs / "sample" / "zoom0.h5") as second:
        mine, its = first["images"][:][both["row"]], second["images"][:][both["row_adopted"]]
        sigma, its_sigma = first["image_sigma"][:][both["row"]], second["image_sigma"][:][both["row_adopted"]]
        assert np.abs((its - mine) / sigma).max() < 0.5
        np.testing.assert_allclose(np.median(its_sigma / sigma), 1, atol=1e-3)
        missing = np.isnan(first["spectra"][:][both["row"]])
        assert np.array_equal(missing, np.isnan(second["spectra"][:][both["row_adopted"]]))
