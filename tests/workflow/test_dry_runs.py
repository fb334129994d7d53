"""Every shipped config and profile plans; the plan is the one the study asks for; the workflow lints."""

import logging
import re
from types import SimpleNamespace

import pytest

from .conftest import make_workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("dry"))


def test_the_full_study_plans_516_training_runs(workspace):
    plan = workspace.planned(config="config/config.yaml")
    trained = {rule: count for rule, count in plan.items() if rule.startswith("train_")}
    assert trained == {"train_tree": 72, "train_lightgbm": 384, "train_cnn": 60}
    assert plan["fuse_late"] == 3 * 4


def test_the_full_study_is_what_snakemake_takes_without_a_config(workspace):
    import subprocess

    from .conftest import BIN

    done = subprocess.run(
        [BIN / "snakemake", "--dry-run", "--cores", "1"],
        cwd=workspace.folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "train_lightgbm" in done.stdout + done.stderr
    assert "384" in done.stdout + done.stderr


def test_the_demo_plans(workspace):
    plan = workspace.planned(config="config/demo.yaml")
    assert plan["simulate_sky"] == plan["build_sparse"] == plan["build_dense"] == 1
    assert {"train_tree", "train_lightgbm", "train_cnn", "fuse_late", "evaluate_test", "write_report"} <= set(plan)


def jobs_of(text: str, rule: str) -> list[str]:
    """Return what a dry run prints of each job of a rule."""
    return re.findall(rf"^ *rule {rule}:\n((?: +[a-z]+: .*\n)+)", text, re.MULTILINE)


@pytest.mark.parametrize("config", ["config/config.yaml", "config/demo.yaml"])
def test_the_slurm_profile_sends_each_job_where_it_belongs(workspace, config):
    # A dry run thinks of one core unless told; a run that submits has no such limit.
    text = workspace.run("--dry-run", "--cores", "64", config=config, profile="profiles/slurm")
    for rule in ("train_lightgbm", "train_tree", "time_selected", "evaluate_test", "train_cnn", "time_cnn", "test_cnn"):
        jobs = jobs_of(text, rule)
        assert jobs, rule
        for job in jobs:
            assert ("gres=gpu:1" in job) == ("cnn" in rule), job
            assert ("model=vggnet12" in job) == (rule in ("time_cnn", "test_cnn")), job
    for rule in ("train_cnn", "train_lightgbm", "time_selected", "time_cnn"):
        assert all("threads: 8" in job for job in jobs_of(text, rule)), "profiles/default must not be laid over it"
    for rule in ("build_sparse", "build_dense"):
        assert all("mpi=srun --kill-on-bad-exit=1" in job and "tasks=16" in job for job in jobs_of(text, rule))


@pytest.mark.parametrize(
    ("resources", "partition"),
    [
        ({"runtime": 60}, "amdfast"),
        ({"runtime": 60, "mpi": "srun", "tasks": 16, "nodes": 2}, "amdfast"),
        ({"runtime": 300}, "amd"),
        ({"runtime": 60, "gres": "gpu:1"}, "amdgpufast"),
        ({"runtime": 300, "gres": "gpu:1"}, "amdgpu"),
    ],
)
def test_the_site_s_partitions_fit_the_jobs(workspace, resources, partition):
    from snakemake_executor_plugin_slurm.partitions import get_best_partition, read_partition_file

    partitions = read_partition_file(workspace.folder / "profiles/slurm/site.yaml")
    job = SimpleNamespace(name="a job", threads=1, resources=resources)
    assert get_best_partition(partitions, job, logging.getLogger()) == partition


def test_a_wrong_key_stops_before_anything_runs(workspace):
    config = workspace.write_config(
        "wrong", {"sky": {"source": "simulated"}, "experiments": {"lightgbm": {"depth": [3]}}}
    )
    text = workspace.run(config=config, fails=True)
    assert "config/wrong.yaml: unknown key 'experiments.lightgbm.depth'" in text
    assert "allowed under 'experiments.lightgbm':" in text
    assert "Traceback" not in text
    assert not (workspace.folder / "results").exists()


def test_an_ill_typed_key_stops_before_anything_runs(workspace):
    config = workspace.write_config("typed", {"sky": {"source": "simulated", "simulated": {"fields": "three"}}})
    text = workspace.run(config=config, fails=True)
    assert "'sky.simulated.fields': input should be a valid integer" in text
    assert not (workspace.folder / "results").exists()
