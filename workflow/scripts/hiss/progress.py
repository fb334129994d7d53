"""Progress of long work: a bar on a terminal, a plain line now and then in a log file."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

_LINE_EVERY = 10.0  # seconds between lines in a log


def progress(items: Iterable[T], total: int, what: str, show: bool = True) -> Iterator[T]:
    """Yield the items and report how many of ``total`` are done.

    Parameters
    ----------
    what
        Plural noun of the items, for instance ``"frames"``.
    show
        False silences it (every MPI rank but the first).
    """
    if not show:
        yield from items
        return
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=what, unit="", leave=True)
        return
    start = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - last > _LINE_EVERY and done < total:
            left = (now - start) / done * (total - done)
            say(f"{done} of {total} {what}, about {left:.0f} s left")
            last = now
    say(f"{done} of {total} {what} in {time.monotonic() - start:.1f} s")


def say(message: str) -> None:
    """Print a line for the person who watches, at once."""
    print(message, file=sys.stderr, flush=True)
