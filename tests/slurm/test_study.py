"""A study through profiles/slurm: every kind of job goes where it belongs, with what it asks for."""

import re

from ..workflow.conftest import Workspace
from .conftest import CONFIG, OnSlurm, accounts, run_folder, submitted

LOCAL = ("merge_rejects", "make_ledger", "split_sample", "select_runs", "fuse_late", "collect_runs", "assemble_cube")


def jobs_of(study: OnSlurm, kind: str) -> list:
    found = [job for job in accounts(submitted(study.first_output)) if kind in job.what]
    assert found, f"no job of {kind}"
    return found


def test_it_ran_to_the_report(study):
    assert (study.folder / "results/slurm/report/report.html").exists()
    assert {job.state for job in accounts(submitted(study.first_output))} == {"COMPLETED"}


def test_the_cube_is_one_mpi_job_on_two_nodes(study):
    for rule in ("build_sparse", "build_dense"):
        (job,) = jobs_of(study, rule)
        assert job.nodes == {"cpu1", "cpu2"}
        assert job.partition == "cpu"
        assert job.cpus == 2
        assert "on 2 ranks" in (study.folder / f"results/slurm/logs/cube/{rule}.log").read_text()


def test_the_cnn_gets_the_gpu_and_nothing_else_does(study):
    for job in accounts(submitted(study.first_output)):
        of_the_cnn = "network" in job.what or "test_cnn" in job.what
        assert (job.partition == "gpu") == of_the_cnn, job
        assert ("gres/gpu=1" in job.tres) == of_the_cnn, job
        assert (job.nodes == {"gpu1"}) == of_the_cnn, job


def test_a_variant_of_the_cnn_is_trained_on_the_gpu_too(study):
    (job,) = jobs_of(study, "network_variants")
    assert "gres/gpu=1" in job.tres


def test_runs_of_a_grid_share_submissions_cores_and_the_largest_s_memory(study):
    trees, boosts, networks = (jobs_of(study, kind) for kind in ("trees", "boosts", "networks"))
    assert (len(trees), len(boosts), len(networks)) == (1, 1, 1), "6, 3 and 3 runs in one job each"
    assert trees[0].cpus == boosts[0].cpus == networks[0].cpus == 2
    size = (study.folder / "results/slurm/sample/zoom3.h5").stat().st_size / 1e6
    one_run = 1000 + 3 * size
    assert boosts[0].memory_mb < 1.5 * one_run, "runs take turns: the job needs the memory of one"
    assert boosts[0].memory_mb >= int(one_run)


def test_light_rules_stay_where_snakemake_runs(study):
    for rule in LOCAL:
        assert re.search(rf"^localrule {rule}:", study.first_output, re.MULTILINE), rule


def test_a_small_study_costs_the_scheduler_few_submissions(study):
    jobs = int(re.search(r"^total\s+(\d+)", study.first_output, re.MULTILINE)[1])
    assert jobs > 50
    assert len(submitted(study.first_output)) <= 20


def test_timed_runs_had_their_node_to_themselves(study):
    for job in jobs_of(study, "times"):
        assert job.cpus == 4, "all cores of the node are its own"


def test_a_second_run_does_nothing(study):
    again = study.run(config=CONFIG)
    assert "Nothing to be done" in again
    assert not submitted(again)


def test_asked_for_and_used_are_reported(study):
    (report,) = (study.folder / "logs/slurm").glob("efficiency_report*.csv")
    assert len(report.read_text().splitlines()) > 10


def test_the_results_are_those_of_one_machine(study, copy_of_study):
    """Trees of one seed are the same trees wherever they grew."""
    there = run_folder(study, "decision_tree", "photo") / "validation.parquet"
    copy = copy_of_study()
    here = run_folder(copy, "decision_tree", "photo") / "validation.parquet"
    here.unlink()
    Workspace(copy.folder).run(str(here.relative_to(copy.folder)), config=CONFIG)
    assert here.read_bytes() == there.read_bytes()
