"""One file of a batch: found intact, or brought, checked and put in its place."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final, Literal

from hiss.files import unwritable
from hiss.progress import say
from hiss.sdss.fetch_checks import ChecksumLists, Records, WrongBytes, demand_fits, demand_whole, take_lock
from hiss.sdss.fetch_stream import Interrupted, Line, NotThere, Stopped, receive, serves
from hiss.sdss.fetch_tree import link_from_tree, path_behind

_LONGEST_BACKOFF: Final = 60.0  # s
_LONGEST_WAIT: Final = 900.0  # s that a server may ask for
_GOOD_PROGRESS: Final = 2**20  # an attempt that got so many bytes further makes up for those that failed before
_LOOK_AGAIN: Final = 0.5  # s between looks at a file that another workflow is fetching

Status = Literal["fetched", "present", "rejected"]


@dataclass(frozen=True)
class Wanted:
    """A file to be fetched."""

    path: str
    """Where it goes, below the root of the raw files, with slashes."""
    url: str
    size: int | None = None
    """Its exact length in bytes, where it is known."""
    checksum: str | None = None
    """``sha1:<hexadecimal>`` (or sha256, md5), where it is known; else the archive's own lists are asked."""


@dataclass(frozen=True)
class Fetched:
    """What became of a file."""

    status: Status
    path: str
    """Where it lies: below the root, as wanted, or in the form into which it was repacked."""
    size: int = 0
    sha256: str = ""
    reason: str = ""
    server_s_word: bool = True
    """False where the server kept failing at it, and might not tomorrow."""


@dataclass(frozen=True)
class Place:
    """What all files of a batch share."""

    root: Path
    line: Line
    records: Records
    lists: ChecksumLists
    retries: int
    backoff_s: float


class Unreachable(Exception):
    """The server cannot be reached at all, so no other file can be fetched from it either."""


def fetch_one(place: Place, wanted: Wanted) -> Fetched:
    """Return what became of one file: present and intact, fetched, or rejected with the reason.

    The bytes come into ``.<name>.part`` beside the file, which outlives a killed job and is gone on with by the
    next; whoever holds its lock writes it, another workflow waits.

    Raises
    ------
    Unreachable, Stopped
    HissError
        The file cannot be written; its part is kept.
    """
    final = place.root / wanted.path
    try:
        before = _stamp(final)
        if found := _held(place, wanted, final):
            return found
        final.parent.mkdir(parents=True, exist_ok=True)
        with _locked(final.with_name(f".{final.name}.part"), place.line) as part:
            if _stamp(final) != before and (found := _held(place, wanted, final)):
                _forget(final.with_name(f".{final.name}.part"))
                return found
            return _bring(place, wanted, final, part)
    except OSError as error:
        raise unwritable(final, error) from error


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _held(place: Place, wanted: Wanted, final: Path) -> Fetched | None:
    """Find a file that an earlier run left, or one that someone put there and that is what it should be."""
    if not final.is_file():
        form = place.records.repacked(wanted.path)
        return Fetched("present", form.path, form.size, form.sha256) if form else None
    recorded = place.records.find(wanted.path)
    try:
        sha256 = _check(place, wanted, final, f"sha256:{recorded}" if recorded else None)
    except WrongBytes as error:
        say(f"{final}: not intact, so it is fetched again: {error}")
        return None
    place.records.add(wanted.path, sha256)
    return Fetched("present", wanted.path, final.stat().st_size, sha256)


def _check(place: Place, wanted: Wanted, path: Path, recorded: str | None = None) -> str:
    """Return the SHA-256 of a file that is what is wanted; what an earlier run recorded spares a look inside."""
    stated = wanted.checksum or recorded or place.lists.find(wanted.url, wanted.path)
    sha256 = demand_whole(path, wanted.size, stated)
    if not recorded:
        demand_fits(path, wanted.path, to_the_end=stated is None)
    return sha256


@contextmanager
def _locked(path: Path, line: Line) -> Iterator[FileIO]:
    """Open the part for reading and appending as its only writer; drop it when the file is complete or given up."""
    waited = False
    while True:
        part = FileIO(path, "a+")
        with part:
            if not take_lock(part, wait=False):
                if not waited:
                    say(f"{path}: another workflow is fetching this file; waiting for it")
                waited = True
                if line.stop.wait(_LOOK_AGAIN):
                    raise Stopped
                continue
            held = _stamp(path)
            if held and held[0] == os.fstat(part.fileno()).st_ino:
                yield part
                return
        # Who held the lock has moved the file away since it was opened here: open what has that name now.


def _bring(place: Place, wanted: Wanted, final: Path, part: FileIO) -> Fetched:
    """Fetch until the bytes are right, the server's last word is no, or the attempts are used up."""
    part_path = final.with_name(f".{final.name}.part")
    note = final.with_name(f".{final.name}.note")
    linked = final.with_name(f".{final.name}.link")
    retries = 0 if path_behind(wanted.url) else place.retries  # a folder says the same again
    failures, furthest = 0, part.seek(0, os.SEEK_END)
    while True:
        body = linked if link_from_tree(wanted.url, linked) else part_path
        try:
            if body == part_path:
                receive(place.line, wanted.url, part, note)
            sha256 = _check(place, wanted, body)
            size = body.stat().st_size
            _forget(note)
            _put(body, final, part)
            if body == linked:
                _forget(part_path)
            place.records.add(wanted.path, sha256)
            return Fetched("fetched", wanted.path, size, sha256)
        except NotThere as error:
            _forget(part_path, note, linked)
            return Fetched("rejected", wanted.path, reason=f"{wanted.url}: {error}")
        except (Interrupted, WrongBytes) as error:
            came = part.seek(0, os.SEEK_END)
            failures = 1 if came >= furthest + _GOOD_PROGRESS else failures + 1
            furthest = max(furthest, came)
            if isinstance(error, WrongBytes):
                part.truncate(0)
            if failures > retries:
                if isinstance(error, Interrupted) and error.unreachable:
                    raise Unreachable(str(error)) from error
                _forget(linked, *([part_path, note] if isinstance(error, WrongBytes) else []))
                reason = f"{wanted.url}: {error}; {failures} attempts failed"
                word = isinstance(error, WrongBytes) and serves(place.line, wanted.url)
                return Fetched("rejected", wanted.path, reason=reason, server_s_word=word)
            _wait(place, failures, error)


def _put(body: Path, final: Path, part: FileIO) -> None:
    """Give checked bytes their name, on disk before they have it."""
    os.fsync(part.fileno())
    body.replace(final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _forget(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _wait(place: Place, failures: int, error: Exception) -> None:
    """Wait as long as the server asks, else twice as long after each failure, less a random part of it."""
    asked = error.wait_s if isinstance(error, Interrupted) else None
    backoff = min(_LONGEST_BACKOFF, place.backoff_s * 2.0 ** (failures - 1)) * random.uniform(0.5, 1.0)
    wait = min(_LONGEST_WAIT, max(asked or 0.0, backoff))
    if asked:
        say(f"{error} and asks to wait {asked:.0f} s: waiting {wait:.0f} s")
    if place.line.stop.wait(wait):
        raise Stopped
