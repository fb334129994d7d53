"""What is redone after an edit, a killed job, a lost file: that, what depends on it, and nothing else."""

import subprocess

from .conftest import SMALL, kill, processes, wait_for

CONFIG = "config/small.yaml"
RESULTS = "results/small"


def edit(workspace, module):
    path = workspace.folder / "workflow" / "scripts" / module
    path.write_text(path.read_text() + "\n# edited\n")


def test_nothing_is_done_twice(small):
    assert small.planned(config=CONFIG) == {}


def test_an_edit_of_a_model_reruns_that_model_and_what_follows(small, copy_of):
    workspace = copy_of(small)
    edit(workspace, "hiss/models/lgbm.py")
    plan = workspace.planned(config=CONFIG)
    assert plan["train_lightgbm"] == 2
    assert not {"train_tree", "train_cnn", "export_zoom", "build_sparse", "build_dense", "simulate_sky"} & set(plan)


def test_an_edit_of_the_stacking_rebuilds_the_dense_cube_but_not_the_sparse(small, copy_of):
    workspace = copy_of(small)
    edit(workspace, "hiss/cube/stacking.py")
    plan = workspace.planned(config=CONFIG)
    assert plan["build_dense"] == 1
    assert not {"build_sparse", "simulate_sky", "make_manifest"} & set(plan)


def test_an_edit_of_a_plot_redraws_and_trains_nothing(small, copy_of):
    workspace = copy_of(small)
    edit(workspace, "hiss/plots/style.py")
    plan = workspace.planned(config=CONFIG)
    assert plan
    assert not [rule for rule in plan if rule.startswith(("train_", "build_", "export_", "select_"))]


def test_a_variant_added_to_the_config_is_trained_alone(small, copy_of):
    workspace = copy_of(small)
    variants = {"z": {"redshift": True}, "kept": {"sample": "multi_kept"}}
    study = SMALL["experiments"] | {
        "variants": {name: of | {"models": ["decision_tree"]} for name, of in variants.items()}
    }
    workspace.write_config("small", SMALL | {"experiments": study})
    plan = workspace.planned(config=CONFIG)
    assert plan["refit_variant"] == plan["prepare_features"] == 4
    assert plan["make_ledger"] == plan["split_sample"] == plan["compare_variants"] == 1
    old = ("train_", "select_", "export_", "build_", "bin_", "evaluate_", "time_", "split_objects")
    assert not [rule for rule in plan if rule.startswith(old)]


def test_a_rate_added_to_the_cnn_s_grid_is_no_reason_to_do_a_tree_s_work_again(small, copy_of):
    workspace = copy_of(small)
    network = SMALL["experiments"]["vggnet12"] | {"learning_rate": [1e-3, 3e-3]}
    study = SMALL | {"experiments": SMALL["experiments"] | {"vggnet12": network}}
    workspace.write_config("small", study)
    plan = workspace.planned(config=CONFIG)
    assert plan["train_cnn"] == 2, "of photo and of spectra"
    assert plan["time_cnn"] == plan["test_cnn"] == plan["select_runs"] == plan["fuse_late"] == 1
    assert {"join_selections", "collect_runs", "summarise", "write_report"} <= set(plan), "what tells of all models"
    others = {"train_tree", "train_lightgbm", "cross_validate", "fuse_stacked", "evaluate_test", "time_selected"}
    assert not others & set(plan)


def test_an_edit_of_the_cnn_reruns_no_tree(small, copy_of):
    workspace = copy_of(small)
    edit(workspace, "hiss/models/vgg.py")
    plan = workspace.planned(config=CONFIG)
    assert (plan["train_cnn"], plan["time_cnn"]) == (2, 1)
    others = {"train_tree", "train_lightgbm", "cross_validate", "evaluate_test", "time_selected"}
    assert not others & set(plan)


def test_a_touch_without_a_change_reruns_nothing(small, copy_of):
    workspace = copy_of(small)
    (workspace.folder / "workflow" / "scripts" / "hiss" / "models" / "lgbm.py").touch()
    assert workspace.planned(config=CONFIG) == {}


def test_a_rank_killed_in_the_cube_build_leaves_nothing_that_looks_finished(small, copy_of):
    workspace = copy_of(small)
    cube = workspace.folder / RESULTS / "cube"
    (cube / "sparse.h5").unlink()
    run = workspace.start(f"{RESULTS}/cube/sparse.h5", config=CONFIG)
    victim = wait_for(
        lambda: list(cube.glob(".sparse.h5*")) and processes("build_sparse.py", below=workspace.folder), "a rank"
    )
    kill(victim[-1])
    assert run.wait(120) != 0
    assert not (cube / "sparse.h5").exists()
    assert "build_sparse" in (workspace.folder / "run.log").read_text()
    assert processes("build_sparse.py", below=workspace.folder) == []
    text = workspace.run(f"{RESULTS}/cube/sparse.h5", config=CONFIG)
    assert "simulate_sky" not in text
    assert (cube / "sparse.h5").exists()
    assert not list(cube.glob(".sparse.h5*")), "what the killed run left behind is cleared away"


def test_a_full_disk_says_so_and_leaves_nothing(small, copy_of):
    """A limit on the size of files stands for the disk: writing fails in the same way, root or not."""
    workspace = copy_of(small)
    cube = workspace.folder / RESULTS / "cube"
    (cube / "sparse.h5").unlink()
    limited = ["prlimit", "--fsize=60000000", *workspace.command(f"{RESULTS}/cube/sparse.h5", config=CONFIG)]
    done = subprocess.run(limited, cwd=workspace.folder, env=workspace.environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "sparse.h5: could not be written" in done.stdout + done.stderr
    assert "make room" in (workspace.folder / RESULTS / "logs" / "cube" / "build_sparse.log").read_text()
    assert not list(cube.glob("*sparse.h5*"))


def test_a_killed_training_job_is_redone_alone(small, copy_of):
    workspace = copy_of(small)
    folder = next((workspace.folder / RESULTS / "runs").rglob("vggnet12/photo/zoom3/*"))
    for file in folder.iterdir():
        file.unlink()
    target = f"{folder.relative_to(workspace.folder)}/metrics.json"
    run = workspace.start(target, config=CONFIG)
    victim = wait_for(lambda: processes("train_cnn", below=workspace.folder), "the training job")
    kill(victim[0])
    assert run.wait(120) != 0
    assert not (folder / "metrics.json").exists()
    assert not list(folder.glob("*.safetensors"))
    plan = workspace.planned(target, config=CONFIG)
    assert plan == {"train_cnn": 1}
    workspace.run(target, config=CONFIG)
    assert (folder / "metrics.json").exists()
