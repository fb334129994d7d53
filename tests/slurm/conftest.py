"""The cluster, and a small study run on it once through profiles/slurm, with accounts; a smaller one without."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from ..workflow.conftest import SMALL, Workspace, make_workspace
from .cluster import Cluster, NotOurs, refuse_where_slurm_is_used

SITE = {
    "partitions": {
        "cpu": {"max_runtime": 2880},
        "gpu": {"max_runtime": 2880, "max_gpu": 1, "supports_mpi": False},
    },
    "longest": 2880,
    "account": "test",
    "one_gpu": {"gres": "gpu:1"},
    "mpi": {"launcher": "srun --kill-on-bad-exit=1", "tasks": 2, "nodes": 2},
    "shard": {"tasks": 2, "nodes": 1},
    "cores": 2,
    "status": "sacct",
    "accounts": True,
    "modules": {"cube": [], "trees": [], "cnn": [], "report": []},
}

STUDY = SMALL | {
    "results": "results/slurm",
    "experiments": SMALL["experiments"]
    | {
        "modalities": ["photo", "spectra", "early"],
        "variants": {"attention": {"attention": True, "models": ["vggnet12"]}},
    },
}
CONFIG = "config/study.yaml"

# Where there are no accounts: as little as makes every kind of job but the GPU's.
SMALLEST = STUDY | {
    "experiments": {
        name: STUDY["experiments"][name]
        for name in ("variants", "baselines", "intervals", "cascade", "diagnostics", "zooms")
    }
    | {"variants": {}, "modalities": ["photo"], "decision_tree": {"max_depth": [2]}, "lightgbm": None, "vggnet12": None}
}
NO_ACCOUNTS = {"account": None, "status": "squeue", "accounts": False}

# A test waits for states: ask often, where a user's cluster is asked kindly.
OFTEN = ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the first test of a study the time that the study takes: it is run whole within its set-up."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(1800))


@dataclass(frozen=True)
class Job:
    """A job as SLURM's accounts have it."""

    id: str
    what: str
    partition: str
    state: str
    nodes: set[str]
    cpus: int
    memory_mb: int
    tres: str


@dataclass
class OnSlurm(Workspace):
    """A workspace whose snakemake submits to the cluster."""

    cluster: Cluster | None = field(default=None)
    device: str = "cpu"
    """What HISS_DEVICE says: the cluster's GPU is a file, and torch has none to train on."""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"HISS_DEVICE": self.device}

    def command(self, *arguments: str, config: str, profile: str = "") -> list[str]:
        _, *rest = super().command(*arguments, *OFTEN, config=config, profile="profiles/slurm")
        return [sys.executable, str(Path(__file__).with_name("often.py")), *rest]

    def set_site(self, **changes: object) -> None:
        """Write profiles/slurm/site.yaml."""
        (self.folder / "profiles" / "slurm" / "site.yaml").write_text(yaml.safe_dump(SITE | changes))


def submitted(printed: str) -> list[str]:
    """Return the ids of the SLURM jobs that a run of snakemake submitted."""
    return re.findall(r"submitted with SLURM jobid (\d+)", printed)


def accounts(ids: list[str]) -> list[Job]:
    """Return what sacct has of jobs, steps left out."""
    fields = "jobid,comment,partition,state,nodelist,alloccpus,reqmem,alloctres"
    out = subprocess.run(
        ["sacct", "-X", "-n", "-P", "-j", ",".join(ids), "-o", fields], capture_output=True, text=True, check=True
    ).stdout
    found = []
    for line in out.splitlines():
        number, comment, partition, state, nodes, cpus, memory, tres = line.split("|")
        names = subprocess.run(["scontrol", "show", "hostnames", nodes], capture_output=True, text=True).stdout.split()
        scale = {"M": 1, "G": 1024}[memory[-1]]
        what = re.sub(r"^(rule|group)_", "", comment)
        found.append(
            Job(number, what, partition, state.split()[0], set(names), int(cpus), int(float(memory[:-1]) * scale), tres)
        )
    return found


def demand_a_machine_for_it() -> None:
    """Skip where no cluster can be started; in CI that is a failure."""
    missing = [name for name in ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd") if not shutil.which(name)]
    reason = f"not installed: {', '.join(missing)} (make test installs them as root)" if missing else ""
    if not reason and os.getuid() != 0:
        reason = "only root may start a SLURM"
    if not reason:
        try:
            refuse_where_slurm_is_used()
        except NotOurs as error:
            reason = str(error)
    if reason:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def machine(tmp_path_factory) -> Iterator[Callable[[bool], Cluster]]:
    """Gives the cluster with or without accounting, one at a time: this machine can be one only."""
    demand_a_machine_for_it()
    with ExitStack() as stack:
        running: list[Cluster] = []

        def start(accounting: bool) -> Cluster:
            if not running or running[-1].accounting != accounting:
                stack.close()
                running.append(stack.enter_context(Cluster(tmp_path_factory.mktemp("slurm") / "cluster", accounting)))
            return running[-1]

        yield start


@pytest.fixture(scope="session")
def cluster(machine) -> Cluster:
    """The cluster with accounting; left out where this machine has a SLURM of its own."""
    return machine(True)


def run_whole(cluster: Cluster, folder: Path, content: dict, site: dict) -> OnSlurm:
    """Run a study to its report on a cluster."""
    workspace = OnSlurm(make_workspace(folder).folder, cluster=cluster)
    workspace.set_site(**site)
    workspace.write_config("study", content)
    workspace.first_output = workspace.run(config=CONFIG)
    return workspace


@pytest.fixture(scope="session")
def study(cluster, tmp_path_factory) -> OnSlurm:
    """A small sky and a grid of a dozen runs, run whole on the cluster."""
    return run_whole(cluster, tmp_path_factory.mktemp("study"), STUDY, {})


@pytest.fixture(scope="session")
def study_without_accounts(machine, tmp_path_factory) -> OnSlurm:
    """The smallest study, run whole on a cluster where sacct knows nothing."""
    return run_whole(machine(False), tmp_path_factory.mktemp("bare"), SMALLEST, NO_ACCOUNTS)


@pytest.fixture
def copy_of_study(study, tmp_path) -> Callable[[], OnSlurm]:
    """A copy of the finished study: what faults are inflicted on."""

    def copy() -> OnSlurm:
        shutil.copytree(study.folder, tmp_path / "copy", symlinks=True)
        return OnSlurm(tmp_path / "copy", cluster=study.cluster)

    return copy


def run_folder(workspace: Workspace, model: str, modality: str) -> Path:
    """Return the folder of a model's first run."""
    runs = workspace.folder / "results" / "slurm" / "runs" / "sfr" / "flag0" / model / modality / "zoom3"
    return sorted(path for path in runs.iterdir() if path.is_dir())[0]
