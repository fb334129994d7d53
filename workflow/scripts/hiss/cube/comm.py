"""The world of MPI ranks, or of one process where h5py has no MPI: the same few methods in both."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import h5py

from hiss.errors import HissError
from hiss.progress import say
from hiss.script import job

T = TypeVar("T")


class Comm(Protocol):
    """What the cube's builds use of a communicator."""

    rank: int
    size: int

    def barrier(self) -> None:
        """Wait for every rank."""

    def gather(self, value: T, root: int = 0) -> list[T] | None:
        """Bring every rank's value to one."""

    def bcast(self, value: T, root: int = 0) -> T:
        """Bring one rank's value to every."""

    def Abort(self, code: int = 1) -> Any:  # noqa: N802
        """End every rank."""


class Alone:
    """A communicator of one process."""

    rank = 0
    size = 1

    def barrier(self) -> None:
        """Wait for nobody."""

    def gather(self, value: T, root: int = 0) -> list[T]:
        """Return the one value."""
        return [value]

    def bcast(self, value: T, root: int = 0) -> T:
        """Return the value."""
        return value

    def Abort(self, code: int = 1) -> None:  # noqa: N802
        """End this process."""
        raise SystemExit(code)


def world() -> Comm:
    """Return MPI's world where h5py writes through MPI, else one process."""
    if not h5py.get_config().mpi:
        return Alone()
    from mpi4py import MPI

    return MPI.COMM_WORLD


def ranks_of(comm: Comm) -> str:
    """Return how many ranks there are, in words for a log."""
    return f"on {comm.size} ranks" if comm.size > 1 else "in one process"


def assert_ranks(comm: Comm, expected: int) -> None:
    """Raise `HissError` unless the world has the size that was asked for."""
    if comm.size != expected:
        raise HissError(
            f"{expected} MPI ranks were asked for but the world has {comm.size}: the launcher is not of the MPI "
            "that mpi4py was built with (or h5py has no MPI); start it with that MPI's own mpirun or srun --mpi"
        )


def open_to_write(path: Path, comm: Comm) -> h5py.File:
    """Create an HDF5 file that every rank writes to; opening and closing are collective."""
    if isinstance(comm, Alone):
        return h5py.File(path, "w")
    return h5py.File(path, "w", driver="mpio", comm=comm)


@contextmanager
def mpi_job(comm: Comm, log: Path | str) -> Iterator[None]:
    """Run a program's work on every rank with rank 0's output in the log; one rank's failure ends them all.

    The failure's sentence is in the log and on the terminal, whichever rank it befell.
    """
    try:
        if comm.rank == 0:
            with job(log):
                comm.barrier()  # the log is open: others may add to it
                yield
        else:
            comm.barrier()
            yield
    except BaseException as error:
        if comm.rank > 0:
            _report(comm.rank, error, log)
        if comm.size == 1:
            raise
        sys.stderr.flush()
        comm.Abort(1)


def _report(rank: int, error: BaseException, log: Path | str) -> None:
    sentence = f"error: {error}" if isinstance(error, HissError) else "".join(traceback.format_exception(error))
    with Path(log).open("a") as stream:
        stream.write(f"rank {rank}: {sentence}\n")
    say(f"rank {rank}: {sentence}")
