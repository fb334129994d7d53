"""What a failed build says: on every rank, in its log, and where the log cannot be written."""

import json
import sys

import pytest
from cube_programs import SCRIPTS, run


@pytest.fixture
def wall(tmp_path):
    """A program whose second rank fails while the first waits for it."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(SCRIPTS)!r})\n"
        "from hiss.cube.all_ranks import mpi_job\n"
        "from hiss.cube.comm import world\n"
        "from hiss.errors import HissError\n"
        "comm = world()\n"
        "with mpi_job(comm, sys.argv[1]):\n"
        "    if comm.rank == 1:\n"
        "        raise HissError('the second rank ran into a wall')\n"
        "    comm.barrier()\n"
    )
    return program


def test_a_failure_on_another_rank_is_in_the_log(wall, tmp_path):
    run(["mpirun", "-n", "2", sys.executable, wall, tmp_path / "log"], fails=True)
    assert "rank 1: error: the second rank ran into a wall" in (tmp_path / "log").read_text()


def test_a_failure_ends_all_ranks_also_where_the_log_s_disk_is_full(wall):
    done = run(["mpirun", "-n", "2", sys.executable, wall, "/dev/full"], fails=True)
    assert "rank 1: error: the second rank ran into a wall" in done.stderr


def test_a_log_that_cannot_be_opened_is_said_and_ends_all_ranks(wall):
    done = run(["mpirun", "-n", "2", sys.executable, wall, "/dev/null/log"], fails=True)
    assert "/dev/null" in done.stderr
    assert "rank 0: " in done.stderr


def test_a_header_too_long_says_so():
    from hiss.cube.records import metadata_row

    row = metadata_row("images", "frame", {f"KEY{number}": "x" * 60 for number in range(200)})
    cards = json.loads(row["header"].item())
    assert cards["TRUNCATED"] is True
    assert cards["KEY0"] == "x" * 60
    assert len(row["header"].item()) <= 4096
