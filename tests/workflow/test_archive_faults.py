"""The line and the server fail while Snakemake fetches: a rerun goes on, and no byte that came is asked for twice."""

import os
import signal
import subprocess
import threading
from pathlib import Path

import pandas as pd
import pytest
from archive_server import ArchiveServer, Fault
from simulated_archive import lay_out

from hiss.sky.sky import simulate_sky

from .conftest import Workspace, make_workspace, wait_for

MANIFEST = "results/archive/sky/manifest.parquet"
BATCH_FILES = 12
TABLES = 2  # MPA-JHU's, in the manifest beside frames and spectra


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """The simulated sky in the archive's own tree."""
    folder = tmp_path_factory.mktemp("archive")
    simulate_sky(folder / "sky", seed=5, fields=1, n_galaxies=16, n_stars=2, n_quasars=2, processes=2)
    lay_out(folder / "sky", folder / "tree", n_fields=1)
    return folder / "tree"


@pytest.fixture
def server(tree):
    with ArchiveServer(tree) as running:
        yield running


def config_of(workspace: Workspace, server: ArchiveServer, **archive) -> str:
    content = {
        "region": {"cone": {"ra": 36.45, "dec": -0.21, "radius": 5.0}},
        "base_url": f"{server.url}/sas",
        "catalogue_url": f"{server.url}/mpa",
        "catalogue_rows": 0,
        "batch_files": BATCH_FILES,
        "connections": 2,
        "retries": 1,
        "timeout_s": 5,
    }
    sky = {"source": "archive", "archive": content | archive}
    return workspace.write_config("archive", {"results": "results/archive", "sky": sky, "experiments": None})


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return make_workspace(tmp_path / "work")


def manifest_of(workspace: Workspace) -> pd.DataFrame:
    return pd.read_parquet(workspace.folder / MANIFEST)


def planned_files(workspace: Workspace) -> pd.DataFrame:
    return pd.read_parquet(workspace.folder / "results/archive/sky/plan/files.parquet")


def sent_of_files(server: ArchiveServer) -> int:
    """Bytes sent of frames and spectra."""
    sent = [r for r in server.asked() if r.status in (200, 206)]
    return sum(r.sent for r in sent if Path(r.path).name.startswith(("frame-", "spec-")))


def files_there(workspace: Workspace, tree: Path) -> pd.DataFrame:
    """The planned files that the archive has: the sky's edge is planned too."""
    files = planned_files(workspace)
    sizes = [path.stat().st_size if path.is_file() else 0 for path in (tree / "sas" / path for path in files["path"])]
    return files.assign(size=sizes)[[size > 0 for size in sizes]]


def size_of_files(workspace: Workspace, tree: Path) -> int:
    return int(files_there(workspace, tree)["size"].sum())


def test_a_server_that_is_down_stops_the_run_in_one_sentence_and_the_next_run_goes_on(workspace, server, tree):
    config = config_of(workspace, server, jobs=1, connections=1)
    workspace.run("plan", config=config)
    files = files_there(workspace, tree)
    for path in files.groupby("batch")["path"].nth(3):  # whichever batch comes first
        server.faults[f"sas/{path}"] = [Fault(after=server.stop)]
    said = workspace.run(MANIFEST, config=config, fails=True)
    assert "the server cannot be reached" in said
    assert "run the same command again when the server answers" in said
    assert "Traceback" not in said
    assert not (workspace.folder / MANIFEST).exists()
    server.faults.clear()
    server.start()
    workspace.run(MANIFEST, config=config)
    assert len(manifest_of(workspace)) == len(files) + TABLES
    assert sent_of_files(server) == size_of_files(workspace, tree)


def test_a_file_the_archive_has_lost_is_set_aside_with_its_address_and_the_run_goes_on(workspace, server, tree):
    config = config_of(workspace, server)
    workspace.run("plan", config=config)
    files = files_there(workspace, tree)
    lost = len(planned_files(workspace)) - len(files)
    spectrum = files.query("kind == 'spectrum'")["path"].iloc[3]
    server.faults[f"sas/{spectrum}"] = [Fault(status=404)] * 99
    frame = files.query("kind == 'frame'")["path"].iloc[1]
    server.faults[f"sas/{frame}"] = [Fault(body=b"BZh9 but nothing more")] * 99
    workspace.run(MANIFEST, config=config)
    set_aside = pd.read_parquet(workspace.folder / "results/archive/sky/set_aside.parquet").set_index("path")
    assert len(set_aside) == lost + 2
    assert set(set_aside["stage"]) == {"fetch"}
    assert set_aside.loc[spectrum, "kind"] == "spectrum"
    assert f"{server.url}/sas/{spectrum}: the server answered 404" in set_aside.loc[spectrum, "reason"]
    assert "truncated or corrupt" in set_aside.loc[frame, "reason"]
    manifest = manifest_of(workspace)
    assert len(manifest) == len(files) - 2 + TABLES
    assert not set(manifest["path"]) & set(set_aside.index)
    assert workspace.planned(MANIFEST, config=config) == {}
    # Asked again when the user wishes it, and then for what is missing alone.
    server.faults.clear()
    server.requests.clear()
    workspace.run(MANIFEST, "--forcerun", "fetch_batch", config=config)
    assert {r.path for r in server.asked()} == {f"sas/{path}" for path in set_aside.index}
    assert len(manifest_of(workspace)) == len(files) + TABLES


def test_snakemake_killed_in_mid_fetch_goes_on_where_it_was(workspace, server, tree):
    config = config_of(workspace, server, jobs=1)
    workspace.run("plan", config=config)
    server.every = Fault(rate=2_000_000)
    process = workspace.start(MANIFEST, config=config)
    wait_for(lambda: sent_of_files(server) > 8_000_000, "a few megabytes")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    server.every = None
    workspace.run("--unlock", config=config)
    workspace.run(MANIFEST, config=config)
    assert len(manifest_of(workspace)) == len(files_there(workspace, tree)) + TABLES
    # What the server had sent and the killed process had not yet read is all that comes twice.
    assert sent_of_files(server) <= size_of_files(workspace, tree) + 2_000_000


def test_two_workflows_at_once_share_one_folder_of_raw_files(tmp_path, server, tree):
    both = [make_workspace(tmp_path / name) for name in ("one", "other")]
    raw = str(tmp_path / "raw")
    configs = [config_of(workspace, server, folder=raw, jobs=1) for workspace in both]
    both[0].run("plan", config=configs[0])
    server.requests.clear()
    server.every = Fault(rate=5_000_000)
    said: list[str] = []
    threads = [
        threading.Thread(target=lambda w=w, c=c: said.append(w.run(MANIFEST, config=c))) for w, c in zip(both, configs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 2
    assert sent_of_files(server) == size_of_files(both[0], tree)
    one, other = (manifest_of(workspace) for workspace in both)
    assert one.equals(other)
    done = subprocess.run(
        f"find {raw} -name .fetched.sha256sum -execdir sha256sum --quiet --check '{{}}' ';'",
        shell=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == done.stderr == ""


@pytest.mark.parametrize("form", ["plain", "gzip"])
def test_frames_are_repacked_once_and_not_fetched_again(workspace, server, form):
    config = config_of(workspace, server, repack=form, keep_bz2=False)
    workspace.run(MANIFEST, config=config)
    frames = manifest_of(workspace).query("kind == 'frame'")
    assert frames["path"].str.endswith(".fits" if form == "plain" else ".fits.gz").all()
    raw = workspace.folder / "results/archive/sky/raw"
    assert [path.stat().st_size for path in (raw / path for path in frames["path"])] == frames["size"].tolist()
    assert not list(raw.rglob("*.bz2"))
    server.requests.clear()
    workspace.run(MANIFEST, "--forcerun", "fetch_batch", config=config)
    assert {r.status for r in server.asked()} <= {404}
    assert manifest_of(workspace).query("kind == 'frame'").equals(frames)


def test_a_new_plan_fetches_what_is_new_in_it(workspace, server):
    south = {"box": {"ra_min": 36.0, "ra_max": 37.0, "dec_min": -1.0, "dec_max": -0.21}}
    config = config_of(workspace, server, region=south)
    workspace.run(MANIFEST, config=config)
    first = len(manifest_of(workspace))
    server.requests.clear()
    config = config_of(workspace, server, accept_gb=20)
    workspace.run(MANIFEST, config=config)
    second = manifest_of(workspace)
    assert len(second) > first
    assert len([r for r in server.asked() if r.status == 200]) == len(second) - first
    jobs = workspace.planned(MANIFEST, config=config_of(workspace, server, accept_gb=30, connections=3, retries=2))
    assert "fetch_batch" not in jobs


def test_a_mirror_on_disk_takes_no_second_copy(workspace, server, tree):
    config = config_of(workspace, server, base_url=f"{tree.as_uri()}/sas", catalogue_url=f"{tree.as_uri()}/mpa")
    workspace.run(MANIFEST, config=config)
    assert server.requests == []
    frame = manifest_of(workspace).query("kind == 'frame'")["path"].iloc[0]
    raw = workspace.folder / "results/archive/sky/raw"
    assert (raw / frame).samefile(tree / "sas" / frame)
