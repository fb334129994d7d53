"""Progress of long work: a bar on a terminal, a plain line now and then in a log file."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")

_LINE_EVERY = 10.0  # seconds between lines in a log


def progress(
    items: Iterable[T], total: int, what: str, show: bool = True, place: Callable[[T], int] | None = None
) -> Iterator[T]:
    """Yield the items and report how many of ``total`` are done.

    Parameters
    ----------
    what
        Plural noun of the items, for instance ``"frames"``.
    show
        False silences it (every MPI rank but the first).
    place
        How many are done with an item, where others work on some of them; None: one more each.
    """
    if not show:
        yield from items
        return
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total, desc=what, unit="", leave=True) as bar:
            for item in items:
                yield item
                bar.update(1 if place is None else place(item) - bar.n)
        return
    start = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done = done + 1 if place is None else place(item)
        now = time.monotonic()
        if now - last > _LINE_EVERY and done < total:
            left = (now - start) / done * (total - done)
            say(f"{done} of {total} {what}, about {left:.0f} s left")
            last = now
    say(f"{total if place else done} of {total} {what} in {time.monotonic() - start:.1f} s")


def say(message: str) -> None:
    """Print a line for the person who watches, at once."""
    print(message, file=sys.stderr, flush=True)


class TransferProgress:
    """Progress of files that several threads move: files, bytes, rate and time left."""

    def __init__(self, n_files: int) -> None:
        self._n_files = n_files
        self._done = self._bytes = 0
        self._start = self._last = time.monotonic()
        self._lock = Lock()
        self._bar: Any = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=n_files, desc="files", unit="")

    def add(self, n_bytes: int) -> None:
        """Count bytes that came."""
        with self._lock:
            self._bytes += n_bytes
            now = time.monotonic()
            if now - self._last > _LINE_EVERY:
                self._last = now
                if self._bar is None:
                    say(self._line())
                else:
                    self._bar.set_postfix_str(self._moved())

    def done(self) -> None:
        """Count a file that is settled, whether it had to be moved or not."""
        with self._lock:
            self._done += 1
            if self._bar is not None:
                self._bar.update()

    def close(self) -> None:
        """Say what was moved in all."""
        if self._bar is not None:
            self._bar.close()
        say(f"{self._done} of {self._n_files} files, {self._moved()}, in {self._spent():.1f} s")

    def _spent(self) -> float:
        return max(time.monotonic() - self._start, 1e-3)

    def _moved(self) -> str:
        return f"{self._bytes / 1e6:.1f} MB fetched at {self._bytes / 1e6 / self._spent():.1f} MB/s"

    def _line(self) -> str:
        line = f"{self._done} of {self._n_files} files, {self._moved()}"
        if not self._done:
            return line
        return f"{line}, about {self._spent() / self._done * (self._n_files - self._done):.0f} s left"
