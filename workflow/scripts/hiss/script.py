"""The frame of every script a rule runs: its log, its errors, its cost."""

import resource
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from platform import node
from typing import Any, TextIO

from hiss.errors import HissError


class _Tee:
    """Write to several streams at once, as the terminal and the rule's log."""

    def __init__(self, *streams: TextIO) -> None:
        self._streams = streams

    def write(self, text: str) -> int:
        for stream in self._streams:
            stream.write(text)
            stream.flush()
        return len(text)

    def flush(self) -> None:
        for stream in self._streams:
            stream.flush()

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._streams[0].fileno()


@contextmanager
def job(log: Path | str) -> Iterator[None]:
    """Run a rule's work with stdout and stderr also in its log.

    A `HissError` ends the job with its one sentence, anything else with its traceback; both are in the log
    and on the terminal. The log begins with when and where: Snakemake shows no other log of a failed job, not even
    the scheduler's that says why it was killed, once it has met an empty one.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    out, err = sys.stdout, sys.stderr
    Path(log).write_text("")
    with suppress(OSError), Path(log).open("w") as begun:  # a full disk is found out when something is to be said
        begun.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} on {node()}\n")
    with Path(log).open("a") as stream:  # at the end, also where another MPI rank has added to it
        sys.stdout = sys.stderr = _Tee(err, stream)
        try:
            yield
        except HissError as error:
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(1) from None
        except Exception:
            traceback.print_exc()
            raise SystemExit(1) from None
        finally:
            sys.stdout, sys.stderr = out, err


class Stopwatch:
    """Wall-clock seconds of the block it is used around."""

    seconds: float = 0.0

    def __enter__(self) -> "Stopwatch":
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: Any) -> None:
        self.seconds = time.perf_counter() - self._start


def peak_memory_mb() -> float:
    """Return the largest resident set this process has had [MB = 1e6 bytes]."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage also counts the parent, whose memory a child shares until it starts its own program.
        return next(int(line.split()[1]) for line in status.open() if line.startswith("VmHWM:")) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
