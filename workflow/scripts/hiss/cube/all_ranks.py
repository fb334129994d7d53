"""One rank's failure ends them all, also before the work begins; the MPI programs import this module first.

A rank that fails where the others wait for it, or in its imports, would leave them waiting until their time is up.
"""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from platform import node
from types import TracebackType
from typing import TYPE_CHECKING

from hiss.errors import HissError
from hiss.progress import say
from hiss.script import job

if TYPE_CHECKING:
    from hiss.cube.comm import Comm


@contextmanager
def mpi_job(comm: "Comm", log: Path | str) -> Iterator[None]:
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
        if comm.size == 1:
            raise
        try:
            if comm.rank > 0 or not isinstance(error, SystemExit):  # rank 0's `job` has said why it exits
                _report(comm.rank, error, log)
        finally:  # whatever befalls the report: a rank that does not end the others leaves them waiting
            comm.Abort(1)


def _report(rank: int, error: BaseException, log: Path | str) -> None:
    sentence = f"error: {error}" if isinstance(error, HissError) else "".join(traceback.format_exception(error))
    say(f"rank {rank}: {sentence}")
    with suppress(OSError), Path(log).open("a") as stream:  # its disk may be the full one
        stream.write(f"rank {rank}: {sentence}\n")


def _end_all(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say what went wrong outside `mpi_job`, where no log is open yet, and end every rank of a world that has begun."""
    if isinstance(error, ImportError):
        say(
            f"error: {node()}: a module cannot be loaded ({error}); give every node the same software: the clone's "
            ".venv on a shared disk, --sdm conda or --sdm env-modules"
        )
    else:
        sys.__excepthook__(kind, error, trace)
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is not None and mpi.Is_initialized() and not mpi.Is_finalized():
        mpi.COMM_WORLD.Abort(1)


# On import: the imports that follow are what it is for.
sys.excepthook = _end_all
