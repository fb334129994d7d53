"""Every shipped config and profile plans; the plan is the one the study asks for; the workflow lints."""

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


@pytest.mark.parametrize("config", ["config/config.yaml", "config/demo.yaml"])
def test_the_slurm_profile_plans(workspace, config):
    text = workspace.run("--dry-run", config=config, profile="profiles/slurm")
    assert "train_cnn" in text
    assert "amdgpufast" in text
    assert "mpi=srun" in text


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
