"""A cluster that keeps no accounts: states come from squeue, nothing asks sacct, and the study is the same."""

import re

from .conftest import CONFIG, submitted


def test_a_study_runs_to_its_report_by_squeue_alone(study_without_accounts):
    study = study_without_accounts
    assert (study.folder / "results/slurm/report/report.html").exists()
    jobs = submitted(study.first_output)
    assert len(jobs) >= 8
    states = study.cluster.ask("squeue", "-h", "-t", "all", "-o", "%i %T")
    assert {line.split()[1] for line in states.splitlines() if line.split()[0] in jobs} == {"COMPLETED"}
    assert not list((study.folder / "logs/slurm").glob("efficiency_report*"))


def test_its_cube_was_built_by_two_ranks(study_without_accounts):
    for rule in ("build_sparse", "build_dense"):
        log = study_without_accounts.folder / f"results/slurm/logs/cube/{rule}.log"
        assert "on 2 ranks" in log.read_text()


def test_a_failed_job_is_seen_and_told_with_its_log(study_without_accounts):
    study = study_without_accounts
    sparse = study.folder / "results/slurm/cube/sparse.h5"
    kept = sparse.read_bytes()
    links = study.folder / "results/slurm/cube/links.h5"
    links.unlink()
    sparse.write_bytes(kept[: len(kept) // 2])
    try:
        target = str(links.relative_to(study.folder))
        # Neither a change of sparse.h5's time nor its maker is a reason: the damage is to be met.
        printed = study.run(target, "--retries", "0", "--rerun-triggers", "code", config=CONFIG, fails=True)
    finally:
        sparse.write_bytes(kept)
    (job,) = submitted(printed)
    assert "Error in group dense" in printed
    assert re.search(rf"logs/slurm\S*/{job}\.log", printed)
    assert "sparse.h5: cannot be read throughout" in printed
    assert "build_sparse makes it anew" in printed
