"""What goes wrong on a cluster: each is said with the log's path, costs only what was lost, and never hangs."""

import re
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from ..workflow.conftest import wait_for
from .cluster import Cluster, NotOurs, refuse_where_slurm_is_used
from .conftest import CONFIG, OnSlurm, accounts, run_folder, submitted


def lose(workspace: OnSlurm, model: str, modality: str = "photo") -> str:
    """Delete a run's metrics and return their path, a target that one job makes."""
    path = run_folder(workspace, model, modality) / "metrics.json"
    path.unlink()
    return str(path.relative_to(workspace.folder))


def running(workspace: OnSlurm, what: str) -> list[str]:
    """Return the ids of the cluster's running jobs whose comment has a word."""
    out = workspace.cluster.ask("squeue", "-h", "-t", "R", "-o", "%i %k")
    return [line.split()[0] for line in out.splitlines() if what in line]


def trains(workspace: OnSlurm, target: str) -> str:
    """Wait until the CNN behind a target trains, and return the id of its job."""
    folder = Path(target).parent.relative_to("results/slurm")
    log = workspace.folder / "results" / "slurm" / "logs" / folder.parent / f"{folder.name}.log"
    wait_for(lambda: log.exists() and "epoch" in log.read_text(), "the first epoch", 180)
    (job,) = running(workspace, "train_cnn")
    return job


@pytest.fixture
def long_run(copy_of_study) -> tuple[OnSlurm, str, str]:
    """A workspace, a CNN that would train for hours, and the config that has it."""
    workspace = copy_of_study()
    study = yaml.safe_load((workspace.folder / CONFIG).read_text())
    study["experiments"]["vggnet12"] |= {"epochs": 100_000, "patience": 100_000}
    config = workspace.write_config("long", study)
    name = run_folder(workspace, "vggnet12", "photo").name.replace("epochs=4", "epochs=100000")
    folder = run_folder(workspace, "vggnet12", "photo").with_name(name.replace("patience=2", "patience=100000"))
    return workspace, str((folder / "metrics.json").relative_to(workspace.folder)), config


def test_a_job_killed_for_memory_comes_back_with_more(copy_of_study):
    workspace = copy_of_study()
    target = lose(workspace, "decision_tree")
    printed = workspace.run(target, "--set-resources", "train_tree:mem_mb=90 if attempt == 1 else 1500", config=CONFIG)
    first, second = accounts(submitted(printed))
    assert first.state in ("OUT_OF_MEMORY", "FAILED", "CANCELLED"), "by the version of SLURM and what watches memory"
    assert first.memory_mb == 90
    assert (second.state, second.memory_mb) == ("COMPLETED", 1500)
    assert "Trying to restart" in printed


def test_a_job_out_of_time_is_said_with_its_log_and_is_what_is_left(long_run):
    workspace, target, config = long_run
    workspace.set_site(one_gpu={"gres": "gpu:1", "runtime": 1})
    printed = workspace.run(target, "--retries", "0", config=config, fails=True)
    (job,) = accounts(submitted(printed))
    assert (job.state, job.partition) == ("TIMEOUT", "gpu")
    log = Path(re.search(r"log: (\S+logs/slurm\S+\.log)", printed)[1])
    assert log.stem == job.id
    assert "DUE TO TIME LIMIT" in log.read_text()
    assert "DUE TO TIME LIMIT" in printed, "the log of a failed job is shown"
    workspace.set_site()
    assert workspace.planned(target, config=config) == {"train_cnn": 1}


def test_a_cancelled_job_is_said_with_its_log_and_is_all_that_is_left(long_run):
    workspace, target, config = long_run
    workspace.set_site(status="squeue")
    tree = lose(workspace, "decision_tree")
    started = workspace.start(target, tree, "--retries", "0", config=config)
    job = trains(workspace, target)
    subprocess.run(["scancel", job], check=True)
    assert started.wait(180) != 0, "a cancelled job is a failed one, not one to wait for"
    printed = (workspace.folder / "run.log").read_text()
    assert "Error in group networks" in printed
    assert "CANCELLED" in printed, "SLURM's own log of it is shown"
    assert re.search(rf"logs/slurm\S*/{job}\.log", printed)
    assert workspace.planned(target, tree, config=config) == {"train_cnn": 1}


def test_what_a_dead_node_was_doing_is_queued_again_and_done_elsewhere(copy_of_study):
    workspace = copy_of_study()
    workspace.set_site(status="squeue")
    cluster = workspace.cluster
    target = lose(workspace, "decision_tree")
    started = workspace.start(target, "--retries", "0", config=CONFIG)
    wait_for(lambda: running(workspace, "train_tree"), "the job to run", 60)
    (job,) = running(workspace, "train_tree")
    node = cluster.ask("squeue", "-h", "-j", job, "-o", "%N").strip()
    cluster.kill_node(node, job)
    try:
        wait_for(lambda: "down" in cluster.ask("sinfo", "-h", "-n", node, "-o", "%T"), "the node to be missed", 90)
        wait_for(lambda: "PENDING" in cluster.ask("squeue", "-h", "-j", job, "-o", "%T"), "the job to be queued", 60)
        cluster.ask("scontrol", "update", f"jobid={job}", "starttime=now")  # SLURM itself waits two minutes
        assert started.wait(180) == 0
    finally:
        cluster.start_node(node)
        wait_for(cluster.all_idle, "the node to be back", 60)
    shown = cluster.ask("scontrol", "show", "job", job)
    assert "Restarts=1" in shown
    assert f"BatchHost={node}" not in shown
    printed = (workspace.folder / "run.log").read_text()
    assert submitted(printed) == [job], "SLURM's own second run, not another submission"
    assert workspace.planned(target, config=CONFIG) == {}


def test_a_gpu_that_the_partition_has_not_is_refused_with_sbatch_s_reason(copy_of_study):
    workspace = copy_of_study()
    workspace.set_site(one_gpu={"gres": "gpu:1", "slurm_partition": "cpu"})
    target = workspace.folder / "results/slurm/evaluation/test_vggnet12.parquet"
    target.unlink()
    asked = str(target.relative_to(workspace.folder))
    printed = workspace.run(asked, "--retries", "0", config=CONFIG, fails=True)
    assert "SLURM sbatch failed" in printed
    assert "Requested node configuration is not available" in printed
    assert "rule test_cnn" in printed
    assert not submitted(printed)


def test_a_gpu_that_torch_cannot_use_stops_the_job_in_words(copy_of_study):
    """The cluster's GPU is a file: SLURM gives it to the job, and torch finds none."""
    workspace = copy_of_study()
    workspace.device = ""
    target = lose(workspace, "vggnet12")
    printed = workspace.run(target, "--retries", "0", config=CONFIG, fails=True)
    assert re.search(r"SLURM gave this job a GPU \(\w+=\S+\), and torch", printed), printed[-3000:]
    assert "HISS_DEVICE=cpu" in printed
    assert re.search(r"rule train_cnn:\n.*\n.*\n +log: \S+/vggnet12/photo/\S+\.log", printed), "the log of its rule"


def test_ctrl_c_cancels_the_jobs(long_run):
    workspace, target, config = long_run
    started = workspace.start(target, config=config)
    trains(workspace, target)
    started.send_signal(signal.SIGINT)
    assert started.wait(120) != 0
    wait_for(lambda: not running(workspace, "train_cnn"), "the job to be cancelled", 60)


def test_after_a_killed_snakemake_only_what_was_lost_is_done_again(long_run):
    workspace, target, config = long_run
    tree = lose(workspace, "decision_tree")
    started = workspace.start(target, tree, config=config)
    job = trains(workspace, target)
    wait_for(lambda: "1 of 2 steps" in (workspace.folder / "run.log").read_text(), "the tree to be done")
    started.kill()
    started.wait(30)
    subprocess.run(["scancel", job], check=True)
    wait_for(lambda: not running(workspace, "train_cnn"), "the job to be cancelled", 60)
    assert "--unlock" in workspace.run(target, config=config, fails=True)
    workspace.run("--unlock", config=config)
    assert workspace.planned(target, tree, config=config) == {"train_cnn": 1}


# As the mpirun of another MPI: each process believes it is alone.
OTHER_MPIRUN = """\
shift 2
for rank in 1 2; do
    env -i PATH="$PATH" HOME="$HOME" OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "$@" &
done
wait $!
"""


def test_a_launcher_of_another_mpi_stops_the_build_in_words(copy_of_study):
    workspace = copy_of_study()
    sparse = workspace.folder / "results/slurm/cube/sparse.h5"
    sparse.unlink()
    (workspace.folder / "mpirun.sh").write_text(OTHER_MPIRUN)
    workspace.set_site(mpi={"launcher": "sh mpirun.sh", "tasks": 2, "nodes": 2})
    printed = workspace.run("results/slurm/cube/sparse.h5", "--retries", "0", config=CONFIG, fails=True)
    assert "2 MPI ranks were asked for but the world has 1" in printed
    assert not sparse.exists()


# Rank 1 is killed once rank 0 has begun, which then waits for it.
BUILD_LOG = "results/slurm/logs/cube/build_sparse.log"
ONE_DIES = f"""\
shift 2
exec srun --kill-on-bad-exit=1 -n 2 bash -c '
    if [ "$SLURM_PROCID" = 1 ]; then
        "$@" &
        until [ -s {BUILD_LOG} ]; do sleep 0.05; done
        kill -KILL $!
        wait $!
    else
        exec "$@"
    fi' build "$@"
"""


def test_a_rank_killed_under_srun_ends_the_job_in_words(copy_of_study):
    workspace = copy_of_study()
    sparse = workspace.folder / "results/slurm/cube/sparse.h5"
    sparse.unlink()
    (workspace.folder / BUILD_LOG).unlink()
    (workspace.folder / "one_dies.sh").write_text(ONE_DIES)
    workspace.set_site(mpi={"launcher": "bash one_dies.sh", "tasks": 2, "nodes": 2})
    asked = str(sparse.relative_to(workspace.folder))
    printed = workspace.run(asked, "--retries", "0", config=CONFIG, fails=True, timeout=240)
    assert re.search(r"srun: error: cpu\d: task 1: (Killed|Exited with exit code 137)", printed), printed[-4000:]
    (job,) = accounts(submitted(printed))
    assert job.state == "FAILED"
    assert not sparse.exists()
    assert workspace.planned(asked, config=CONFIG) == {"build_sparse": 1}


def test_a_machine_with_its_own_slurm_is_left_alone(cluster, tmp_path):
    with pytest.raises(NotOurs, match="SLURM of its own"):
        refuse_where_slurm_is_used()
    with pytest.raises(NotOurs), Cluster(tmp_path / "second", accounting=False):
        pass
    assert cluster.all_idle()
