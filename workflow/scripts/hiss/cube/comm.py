"""The world of MPI ranks, or of one process where h5py has no MPI: the same few methods in both."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import h5py
import numpy as np

from hiss.errors import HissError

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

    def allgather(self, value: T) -> list[T]:
        """Bring every rank's value to every."""

    def Split_type(self, kind: int) -> Any:  # noqa: N802
        """Return a communicator of the ranks that share memory."""

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

    def allgather(self, value: T) -> list[T]:
        """Return the one value."""
        return [value]

    def Split_type(self, kind: int) -> "Alone":  # noqa: N802
        """Return itself."""
        return self

    def Abort(self, code: int = 1) -> None:  # noqa: N802
        """End this process."""
        raise SystemExit(code)


def world() -> Comm:
    """Return MPI's world where h5py writes through MPI, else one process."""
    if not h5py.get_config().mpi:
        return Alone()
    from mpi4py import MPI

    return MPI.COMM_WORLD


class Work:
    """Items 0 to n - 1, each of them one rank's.

    Ranks of one machine draw from a counter in the memory they share, which needs no other rank's attention;
    machines get blocks of items in proportion to their ranks, so that no rank waits for a busy one elsewhere.

    Parameters
    ----------
    comm
        Every rank makes one and iterates it to its end; both are collective.
    in_step
        For collective writes: every rank gets equally many items, one a round, and None where there is none.
    """

    def __init__(self, comm: Comm, n: int, in_step: bool = False) -> None:
        self.n = n
        self._comm, self._in_step = comm, in_step
        self._first, self._last = 0, n

    def done(self, item: int | None) -> int:
        """Return about how many items all ranks have been through when one has been through this."""
        if item is None:
            return self.n
        return (item + 1 - self._first) * self.n // max(self._last - self._first, 1)

    def __iter__(self) -> Iterator[int | None]:
        if self._comm.size == 1:
            yield from range(self.n)
        elif self._in_step:
            for first in range(0, self.n, self._comm.size):
                item = first + self._comm.rank
                yield item if item < self.n else None
        else:
            yield from self._drawn()

    def _drawn(self) -> Iterator[int]:
        from mpi4py import MPI

        machine = self._comm.Split_type(MPI.COMM_TYPE_SHARED)
        self._first, self._last = self._block(machine)
        counter = MPI.Win.Allocate_shared(8 if machine.rank == 0 else 0, 8, comm=machine)
        memory: Any = counter.Shared_query(0)[0]
        if machine.rank == 0:
            np.frombuffer(memory, np.int64)[0] = self._first
        machine.Barrier()
        counter.Lock_all()
        one, drawn = np.ones(1, np.int64), np.zeros(1, np.int64)
        while True:
            counter.Fetch_and_op(one, drawn, 0)
            counter.Flush(0)
            if drawn[0] >= self._last:
                break
            yield int(drawn[0])
        counter.Unlock_all()
        counter.Free()
        machine.Free()

    def _block(self, machine: Any) -> tuple[int, int]:
        """Give the first and last item of this rank's machine."""
        heads = self._comm.allgather(machine.bcast(self._comm.rank))
        edges = [place * self.n // len(heads) for place in range(len(heads) + 1)]
        before = sum(head < heads[self._comm.rank] for head in heads)
        return edges[before], edges[before + machine.size]


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
