"""A copy of the workflow in a folder of its own, and what is made there once for many tests."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PARTS = ("Snakefile", "rules", "envs", "config", "workflow", "profiles", "requirements.lock", "CITATION.cff", "LICENSE")


@dataclass
class Workspace:
    """A clone of the workflow's files in which Snakemake is run."""

    folder: Path
    first_output: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"NO_COLOR": "1", "XDG_CACHE_HOME": str(self.folder / ".cache")}

    def command(self, *arguments: str, config: str, profile: str = "profiles/default") -> list[str]:
        cores = [] if "slurm" in profile else ["--cores", "all"]
        return [str(BIN / "snakemake"), *arguments, *cores, "--profile", profile, "--configfile", config]

    def run(
        self, *arguments: str, config: str, profile: str = "profiles/default", fails: bool = False, timeout: int = 1500
    ) -> str:
        """Run snakemake and return all it printed; ``fails`` is what is expected of it.

        One that takes too long is killed with all its jobs: left behind, they would starve the tests after it.
        """
        with subprocess.Popen(
            self.command(*arguments, config=config, profile=profile),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as started:
            try:
                printed, _ = started.communicate(timeout=timeout)
            except BaseException as problem:
                kill_all_of(started)
                if isinstance(problem, subprocess.TimeoutExpired):
                    pytest.fail(
                        f"snakemake took over {timeout} s; at its end it said:\n{started.communicate()[0][-3000:]}"
                    )
                raise
        assert (started.returncode != 0) == fails, printed[-6000:]
        return printed

    def start(self, *arguments: str, config: str) -> subprocess.Popen:
        """Start snakemake in a process group of its own, its output in ``run.log``."""
        with (self.folder / "run.log").open("w") as log:
            return subprocess.Popen(
                self.command(*arguments, config=config),
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def planned(self, *arguments: str, config: str) -> dict[str, int]:
        """Return how many jobs of each rule a dry run plans."""
        text = self.run("--dry-run", *arguments, config=config)
        table = re.search(r"^job\s+count\n[-\s]+\n(.*?)^total", text, re.MULTILINE | re.DOTALL)
        if table is None:
            assert "Nothing to be done" in text, text[-3000:]
            return {}
        return {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)", table[1], re.MULTILINE)}

    def write_config(self, name: str, content: dict) -> str:
        path = self.folder / "config" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content))
        return f"config/{name}.yaml"


def make_workspace(folder: Path) -> Workspace:
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = REPO / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / part)
    return Workspace(folder)


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Workspace:
    """The demo of `make run`, run whole."""
    workspace = make_workspace(tmp_path_factory.mktemp("demo"))
    workspace.first_output = workspace.run(config="config/demo.yaml")
    return workspace


@pytest.fixture(scope="session")
def real_field(tmp_path_factory, sdss_files) -> Workspace:
    """The real field, run up to the sample and its report."""
    workspace = make_workspace(tmp_path_factory.mktemp("real"))
    sky = json.dumps({"local": {"path": str(sdss_files)}})
    workspace.run("--config", f"sky={sky}", config="config/real_field.yaml")
    return workspace


SMALL_SKY = {
    "source": "simulated",
    "simulated": {"seed": 3, "fields": 1, "n_galaxies": 90, "n_stars": 6, "n_quasars": 6},
}
# What a test of something else does without; the demo has it all.
BARE = {"variants": {}, "baselines": [], "intervals": None, "cascade": None, "diagnostics": None}
SMALL = {
    "results": "results/small",
    "sky": SMALL_SKY,
    "experiments": {
        **BARE,
        "zooms": [3],
        "modalities": ["photo", "spectra"],
        "decision_tree": {"max_depth": [2, 3]},
        "lightgbm": {
            "learning_rate": [0.1],
            "max_depth": [3],
            "min_data_in_leaf": 5,
            "rounds": 30,
            "cross_validate": "none",
        },
        "vggnet12": {
            "learning_rate": [1e-3],
            "width": 4,
            "epochs": 4,
            "patience": 2,
            "batch_size": 16,
            "cross_validate": "none",
        },
    },
    "side_studies": {"structure": None, "targets": None, "cases": None, "scenes": None},
    "report": {"bootstrap": 200},
}


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Workspace:
    """A small sky and a small grid, run whole: what faults are inflicted on copies of."""
    workspace = make_workspace(tmp_path_factory.mktemp("small"))
    workspace.run(config=workspace.write_config("small", SMALL))
    return workspace


@pytest.fixture
def copy_of(tmp_path) -> Callable[[Workspace], Workspace]:
    """Copy a workspace with its results and Snakemake's memory of them; times of files are kept."""

    def copy(workspace: Workspace) -> Workspace:
        shutil.copytree(workspace.folder, tmp_path / "copy", symlinks=True)
        return Workspace(tmp_path / "copy")

    return copy


def wait_for(condition: Callable[[], object], what: str, seconds: float = 120) -> object:
    """Return the first true answer of ``condition``, asked often; fail after a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(0.02)
    pytest.fail(f"waited {seconds:.0f} s for {what}")


def processes(*words: str, below: Path) -> list[int]:
    """Return the ids of Python processes in a folder whose command line holds all the words."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            inside = (entry / "cwd").readlink() == below
        except OSError:
            continue
        if inside and "python" in command[0] and all(any(word in part for part in command) for word in words):
            found.append(int(entry.name))
    return found


def kill_all_of(started: subprocess.Popen) -> None:
    """Kill a snakemake and its jobs, which share its session and its folder."""
    with suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
