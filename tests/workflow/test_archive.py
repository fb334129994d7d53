"""From a region of the sky to a cube through a server: the plan, its acceptance, the fetch, and nothing twice."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from archive_server import ArchiveServer
from simulated_archive import lay_out

from hiss.sky.sky import simulate_sky

from .conftest import SMALL, Workspace, make_workspace

FIELDS = 2


@pytest.fixture(scope="module")
def sky(tmp_path_factory) -> Path:
    """Two fields of the simulated sky; the fields beyond them the archive does not have."""
    folder = tmp_path_factory.mktemp("archive")
    simulate_sky(folder / "sky", seed=7, fields=FIELDS, n_galaxies=40, n_stars=3, n_quasars=3, processes=2)
    lay_out(folder / "sky", folder / "tree", FIELDS)
    return folder


@pytest.fixture(scope="module")
def server(sky):
    with ArchiveServer(sky / "tree") as running:
        yield running


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("work") / "work")


def config_of(workspace: Workspace, server: ArchiveServer, **archive) -> str:
    content = {
        "region": "stripe82",
        "base_url": f"{server.url}/sas",
        "catalogue_url": f"{server.url}/mpa",
        "catalogue_rows": 0,
        "batch_files": 20,
        "retries": 0,
        "timeout_s": 20,
        "accept_gb": 0.01,
    }
    content = SMALL | {"results": "results/region", "sky": {"source": "archive", "archive": content | archive}}
    return workspace.write_config("region", content)


def files_of(workspace: Workspace) -> pd.DataFrame:
    return pd.read_parquet(workspace.folder / "results/region/sky/plan/files.parquet")


def asked_for_files(server: ArchiveServer) -> list[str]:
    return [r.path for r in server.asked() if Path(r.path).name.startswith(("frame-", "spec-"))]


def test_the_whole_way_from_a_region_to_a_cube(workspace, server, sky):
    config = config_of(workspace, server)
    before = workspace.planned(config=config)
    assert {"fetch_catalogue", "plan_archive", "build_sparse", "train_tree", "write_report"} <= set(before)
    assert "fetch_batch" not in before, "known after the plan"

    said = workspace.run("plan", config=config)
    assert "rows of the catalogue" in said
    assert "in Stripe 82" in said
    assert "frames to fetch, about" in said
    assert "sky.archive.accept_gb: 1 in the config" in said
    assert asked_for_files(server) == []
    files = files_of(workspace)
    planned_spectra = set(files.query("kind == 'spectrum'")["path"])
    catalogue = pd.read_parquet(workspace.folder / "results/region/sky/plan/objects.parquet")
    assert len(planned_spectra) == len(catalogue)

    after = workspace.planned(config=config)
    assert after["fetch_batch"] == files["batch"].nunique()
    assert {"accept_plan", "make_manifest", "train_tree", "write_report"} <= set(after)

    refused = workspace.run("cube", config=config, fails=True)
    assert "nothing is fetched before you set sky.archive.accept_gb: 1 in the config" in refused
    assert "Traceback" not in refused
    assert asked_for_files(server) == []

    lost = sky / "tree" / "sas" / sorted(planned_spectra)[4]
    lost.unlink()
    config = config_of(workspace, server, accept_gb=1)
    workspace.run("cube", "results/region/sample/flag0/ledger.csv", config=config)
    check_accounts(workspace, files, lost)
    check_ledger(workspace)

    asked = asked_for_files(server)
    assert sorted(asked) == sorted(f"sas/{path}" for path in files["path"]), "each file once"
    assert workspace.planned("cube", config=config) == {}
    quieter = config_of(workspace, server, accept_gb=5, connections=1, jobs=1, retries=3)
    assert set(workspace.planned("cube", config=quieter)) <= {"accept_plan", "cube", "total"}
    assert asked_for_files(server) == asked


def check_accounts(workspace: Workspace, files: pd.DataFrame, lost: Path) -> None:
    results = workspace.folder / "results/region"
    accounts = json.loads((results / "cube/accounts.json").read_text())
    rejects = pd.read_parquet(results / "cube/rejects.parquet")
    fetch = rejects[rejects["stage"] == "fetch"]
    assert lost.name in " ".join(fetch["path"])
    assert fetch["reason"].str.contains("404").all()
    assert accounts["spectra"]["planned"] == (files["kind"] == "spectrum").sum()
    assert accounts["spectra"]["not_to_be_had"] == 1
    assert accounts["spectra"]["in_cube"] > 30
    manifest = pd.read_parquet(results / "sky/manifest.parquet")
    for kind in ("frame", "spectrum"):
        assert (manifest["kind"] == kind).sum() + (fetch["kind"] == kind).sum() == (files["kind"] == kind).sum()
    spectra = manifest[manifest["kind"] == "spectrum"]
    assert spectra["ra"].notna().all()
    raw = results / "sky/raw"
    assert [(raw / path).stat().st_size for path in spectra["path"]] == spectra["size"].tolist()


def check_ledger(workspace: Workspace) -> None:
    results = workspace.folder / "results/region"
    ledger = pd.read_csv(results / "sample/flag0/ledger.csv").set_index("key")
    assert list(ledger.index[:3]) == ["catalogue", "region_name", "on_disk"]
    assert ledger.loc["catalogue", "thesis"] == 4_851_200
    assert "927,552 rows" in ledger.loc["catalogue", "note"]
    assert ledger.loc["region_name", "removed"] > 0
    assert ledger.loc["on_disk", "removed"] == 1, "the lost spectrum"
    assert ledger.loc["final", "count"] > 0


def test_the_second_epoch_is_fetched_where_all_are_asked_for(workspace, server, sky):
    one = config_of(workspace, server, max_objects=10)
    workspace.run("plan", config=one)
    assert set(files_of(workspace).query("kind == 'frame'")["run"]) <= {4203}
    every = config_of(workspace, server, epochs="all")
    workspace.run("plan", config=every)
    frames = files_of(workspace).query("kind == 'frame'")
    assert 5823 in set(frames["run"])
    there = [(sky / "tree" / "sas" / path).is_file() for path in frames["path"]]
    assert np.sum(there) == 5 * (FIELDS + 1), "every frame of the sky"


def test_a_mirror_without_the_survey_s_lists_says_what_to_set(workspace, server, sky):
    (sky / "tree/sas/dr17/eboss/resolve").rename(sky / "resolve")
    config = config_of(workspace, server, folder="results/elsewhere", max_objects=5)
    said = workspace.run("plan", config=config, fails=True)
    assert "window_flist.fits" in said
    assert "set sky.archive.field_list: false" in said
    config = config_of(workspace, server, folder="results/elsewhere", max_objects=5, field_list=False)
    workspace.run("plan", config=config)
    frames = files_of(workspace).query("kind == 'frame'")
    assert {121, 122} & set(frames["field"])
    assert frames["ra"].isna().all()


def test_a_catalogue_of_another_length_is_refused(workspace, server):
    config = config_of(workspace, server, catalogue_rows=None, folder="results/third", field_list=False)
    said = workspace.run("plan", config=config, fails=True)
    assert "rows in place of 927,552" in said
    assert "sky.archive.catalogue_rows:" in said
