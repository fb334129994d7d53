"""Every shipped config and profile plans; the plan is the one the study asks for; the workflow lints."""

import logging
import re
from types import SimpleNamespace

import pytest

from .conftest import make_workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("dry"))


def test_the_full_study_plans_516_training_runs_and_what_is_done_with_the_best(workspace):
    plan = workspace.planned(config="config/config.yaml")
    trained = {rule: count for rule, count in plan.items() if rule.startswith("train_")}
    # Beside the study: 3 targets of three modalities at four zooms, 4 of scenes, which LightGBM is not asked about.
    beside = {"train_tree": 3 * 12 + 4 * 3, "train_lightgbm": 3 * 12, "train_cnn": 3 * 12 + 4 * 3, "train_baseline": 0}
    study = {"train_tree": 72, "train_lightgbm": 384, "train_cnn": 60, "train_baseline": 4}
    assert trained == {rule: study[rule] + count for rule, count in beside.items()}
    assert plan["fuse_late"] == plan["fuse_stacked"] == 3 * 4
    assert plan["cross_validate"] == 2 * 12
    assert (plan["time_selected"], plan["time_cnn"]) == (2 * 4, 4), "a job a model and zoom, for all modalities"
    assert plan["cross_validate_cnn"] == plan["fit_quantiles"] == 12
    assert plan["evaluate_test"] + plan["test_cnn"] == 3 + 3, "a job a model or baseline reads the test set"
    assert (plan["refit_variant"], plan["refit_cnn"]) == (81, 45)
    # 12 modalities and zooms, two baselines' own; 10 other inputs, 3 samples of three modalities, 4 of two; 3 targets.
    assert plan["prepare_features"] == 12 + 2 + 10 + 3 * 3 + 4 * 2 + 3 * 12
    assert plan["prepare_scene"] == 4 * 3
    assert plan["bin_features"] == 12 + 10 + 3 * 3 + 4 * 2 + 3 * 12, "once for all runs, folds, quantiles and refits"
    assert plan["split_objects"] == plan["compare_variants"] == plan["evaluate_cascade"] == 1
    assert plan["split_sample"] == plan["make_ledger"] == 8
    assert plan["select_runs"] == 3 + 3, "each model and baseline for itself"


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
    assert {"train_baseline", "fuse_stacked", "fit_quantiles", "evaluate_cascade", "compare_variants"} <= set(plan)
    assert (plan["refit_variant"], plan["refit_cnn"]) == (26, 1)


def test_what_is_switched_off_is_not_planned(workspace):
    off = {"baselines": [], "intervals": None, "cascade": None, "variants": {}, "vggnet12": None}
    lightgbm = {"cross_validate": "none"}
    study = {
        "results": "results/off",
        "sky": {"source": "simulated"},
        "experiments": {**off, "lightgbm": lightgbm},
        "side_studies": dict.fromkeys(("structure", "targets", "cases", "scenes")),
    }
    plan = workspace.planned(config=workspace.write_config("off", study))
    assert {"train_tree", "train_lightgbm", "fuse_late", "write_report"} <= set(plan)
    gone = {"train_baseline", "measure_lines", "fit_quantiles", "evaluate_cascade", "compare_variants", "refit_variant"}
    gone |= {"explore_structure", "choose_target", "test_target", "measure_cases", "simulate_scenes", "link_targets"}
    assert not gone & set(plan)
    assert plan["cross_validate"] == 3 * 4, "of the tree, whose grid leaves its folds behind, for what is exported"
    assert plan["fuse_stacked"] == 4


def test_images_alone_have_no_fusion_and_no_spectra_s_variants(workspace):
    study = {"modalities": ["photo"], "zooms": [3]}
    config = workspace.write_config("alone", {"sky": {"source": "simulated"}, "experiments": study})
    plan = workspace.planned(config=config)
    assert not {"fuse_late", "fuse_stacked", "evaluate_cascade"} & set(plan)
    assert (plan["refit_variant"], plan["refit_cnn"]) == (23, 14)


def test_a_variant_that_the_study_has_no_run_of_is_told(workspace):
    study = {"zooms": [3], "vggnet12": None, "variants": {"eyes": {"attention": True}, "z": {"redshift": True}}}
    config = workspace.write_config("idle", {"sky": {"source": "simulated"}, "experiments": study})
    text = workspace.run("--dry-run", config=config)
    assert text.count("No run of variant eyes: the study has no such model, modality or zoom.") == 1


def test_a_weights_file_is_fetched_only_where_an_address_or_its_hash_is_named(workspace):
    def fetched(weights, sha256=None):
        study = {"zooms": [3], "variants": {}, "vggnet12": {"weights": weights, "weights_sha256": sha256}}
        config = workspace.write_config("weights", {"sky": {"source": "simulated"}, "experiments": study})
        return workspace.planned(config=config).get("fetch_weights", 0)

    (workspace.folder / "own.safetensors").touch()
    assert fetched("own.safetensors") == 0
    assert fetched("own.safetensors", 64 * "0") == 1, "a file at hand is checked where its hash is named"
    assert fetched("https://example.org/vgg13.safetensors") == 1


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("sample/faint/split.parquet", "faint is no sample of the config; it has flag0, flagged, any_flag, multi_kept"),
        ("runs/sfr/flag0/lightgbm/early/zoom3/variant=mine/metrics.json", "is no variant of the config; it has rest_"),
        ("runs/sfr/flag0/lightgbm/early/zoom3/max_depth=99/metrics.json", "is not in the grid of the config"),
        ("features/flag0/ultraviolet/zoom3.h5", "modality 'ultraviolet' is not known"),
    ],
)
def test_what_is_not_of_the_config_is_a_sentence(workspace, path, sentence):
    text = workspace.run("--dry-run", f"results/study/{path}", config="config/config.yaml", fails=True)
    assert sentence in text


def jobs_of(text: str, rule: str) -> list[str]:
    """Return what a dry run prints of each job of a rule."""
    return re.findall(rf"^ *rule {rule}:\n((?: +[a-z]+: .*\n)+)", text, re.MULTILINE)


def test_the_diagnostics_are_deposited_too(workspace):
    text = workspace.run("--dry-run", config="config/demo.yaml")
    (given,) = re.findall(r"^ *(?:local)?rule write_crate:\n +input: (.*)\n", text, re.MULTILINE)
    deposited = {path.removeprefix("results/demo/") for path in given.split(", ")}
    wanted = {f"evaluation/importance/early/zoom{zoom}{file}" for zoom in (0, 3) for file in (".csv", "_map.csv")}
    wanted |= {"evaluation/saliency/photo/zoom3.csv", "evaluation/saliency/photo/zoom3_map.csv"}
    wanted |= {f"evaluation/{name}.csv" for name in ("residuals", "learning_curve", "learning_fits", "calibration")}
    assert wanted <= deposited


@pytest.mark.parametrize("config", ["config/config.yaml", "config/demo.yaml"])
def test_the_slurm_profile_sends_each_job_where_it_belongs(workspace, config):
    # A dry run thinks of one core unless told; a run that submits has no such limit.
    text = workspace.run("--dry-run", "--cores", "64", config=config, profile="profiles/slurm")
    alike = ["train_lightgbm", "train_tree", "time_selected", "evaluate_test", "cross_validate", "refit_variant"]
    for rule in (*alike, "train_cnn", "time_cnn", "test_cnn", "refit_cnn", "measure_saliency"):
        jobs = jobs_of(text, rule)
        assert jobs, rule
        for job in jobs:
            assert ("gres=gpu:1" in job) == ("cnn" in rule or rule == "measure_saliency"), job
            assert ("model=vggnet12" in job) == (rule in ("time_cnn", "test_cnn", "refit_cnn")), job
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
