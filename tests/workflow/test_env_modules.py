"""Software by the site's modules: `--sdm env-modules` loads those of profiles/slurm/site.yaml."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .conftest import SMALL, make_workspace

INIT = Path("/usr/share/modules/init/bash")

MODULE = """\
#%Module
prepend-path PATH {bin}
setenv HISS_KIND {kind}
"""


@pytest.fixture
def site(tmp_path):
    """A workspace, and modules of a site of our own whose Python writes down by which of them it was started."""
    if not INIT.exists():
        pytest.fail("environment modules are not installed: make test installs them (Debian: environment-modules)")
    workspace = make_workspace(tmp_path / "work")
    used = tmp_path / "used"
    wrapper = tmp_path / "bin" / "python"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$HISS_KIND" >> {used}\nexec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    kinds = ("cube", "trees", "cnn", "report")
    for kind in kinds:
        folder = tmp_path / "modules" / f"site-{kind}"
        folder.mkdir(parents=True)
        (folder / "1.0").write_text(MODULE.format(bin=wrapper.parent, kind=kind))
    path = workspace.folder / "profiles" / "slurm" / "site.yaml"
    names = yaml.safe_load(path.read_text()) | {"modules": {kind: [f"site-{kind}/1.0"] for kind in kinds}}
    path.write_text(yaml.safe_dump(names))
    return workspace, tmp_path / "modules", used


def test_each_rule_runs_with_the_modules_of_its_kind_of_work(site):
    workspace, modules, used = site
    config = workspace.write_config("small", SMALL)
    target = "results/small/sky/manifest.parquet"
    command = workspace.command(target, "--sdm", "env-modules", config=config)
    done = subprocess.run(
        ["bash", "-c", f'source {INIT}; export MODULEPATH={modules}; exec "$@"', "bash", *command],
        cwd=workspace.folder,
        env=workspace.environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (workspace.folder / target).exists()
    assert "Activating environment modules: site-cube/1.0" in done.stderr
    assert set(used.read_text().split()) == {"cube"}


def test_every_kind_of_work_has_its_modules_and_its_conda_environment(repo):
    site = yaml.safe_load((repo / "profiles" / "slurm" / "site.yaml").read_text())
    assert set(site["modules"]) == {path.stem for path in (repo / "envs").glob("*.yaml")}
    assert all(site["modules"].values())
