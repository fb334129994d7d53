"""The cube's two MPI programs, started as their rules start them."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}


def environment() -> dict[str, str]:
    """A copy of the environment: this process's own MPI has put variables into the real one."""
    return {**os.environ, **MPI}


def command(script, ranks, *arguments) -> list[str]:
    """The command line of one of the programs."""
    return [
        "mpirun",
        "-n",
        str(ranks),
        sys.executable,
        str(SCRIPTS / script),
        "--ranks",
        str(ranks),
        *map(str, arguments),
    ]


def run(line, fails=False) -> subprocess.CompletedProcess:
    """Run a command line to its end."""
    done = subprocess.run(list(map(str, line)), env=environment(), capture_output=True, text=True, timeout=300)
    assert (done.returncode != 0) == fails, done.stderr
    return done


def sparse_line(ranks, inputs, options, out) -> list[str]:
    """build_sparse of a `SparseInputs` with options as JSON into a folder."""
    return command(
        "build_sparse.py", ranks,
        "--manifest", inputs.manifest, "--root", inputs.root, "--gal-info", inputs.gal_info,
        "--gal-totsfr", inputs.gal_totsfr, "--settings", options, "--output", out / "sparse.h5",
        "--rejects", out / "sparse_rejects.parquet", "--log", out / "sparse.log",
    )  # fmt: skip


def dense_line(ranks, options, out) -> list[str]:
    """build_dense of the sparse cube and links in a folder."""
    return command(
        "build_dense.py", ranks,
        "--sparse", out / "sparse.h5", "--links", out / "links.h5", "--settings", options,
        "--output", out / "dense.h5", "--rejects", out / "dense_rejects.parquet", "--log", out / "dense.log",
    )  # fmt: skip
