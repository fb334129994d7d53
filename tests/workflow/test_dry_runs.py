"""Every shipped config and profile plans; the plan is the one the study asks for; the workflow lints."""

import re

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
    return re.findall(rf"^rule {rule}:\n((?: .*\n)+)", text, re.MULTILINE)


@pytest.mark.parametrize("config", ["config/config.yaml", "config/demo.yaml"])
def test_the_slurm_profile_sends_each_job_where_it_belongs(workspace, config):
    # A dry run thinks of one core unless told; a run that submits has no such limit.
    text = workspace.run("--dry-run", "--cores", "64", config=config, profile="profiles/slurm")
    for rule in ("train_cnn", "train_lightgbm", "train_tree", "time_selected", "evaluate_test"):
        jobs = jobs_of(text, rule)
        assert jobs
        for job in jobs:
            wants_gpu = rule == "train_cnn" or "model=vggnet12" in job
            assert ("gres=gpu:1" in job) == wants_gpu, job
            assert f"slurm_partition={'amdgpufast' if wants_gpu else 'amdfast'}," in job, job
    for rule in ("train_cnn", "train_lightgbm", "time_selected"):
        assert all("threads: 8" in job for job in jobs_of(text, rule)), "profiles/default must not be laid over it"
    for rule in ("build_sparse", "build_dense"):
        assert all("mpi=srun" in job and "tasks=16" in job for job in jobs_of(text, rule))


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


def test_the_archive_rule_says_what_it_would_fetch(workspace):
    text = workspace.run("plan_archive", config="config/config.yaml", fails=True)
    assert "Stripe 82" in text or "stripe82" in text
    assert "sky.source" in text
