"""Files out of an archive: resumed, retried, verified, and never asked for again when intact."""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Event
from typing import Final
from urllib.parse import urlsplit

import pandas as pd

from hiss.errors import HissError
from hiss.progress import TransferProgress
from hiss.sdss.fetch_checks import ChecksumLists, Records
from hiss.sdss.fetch_one import Fetched, Place, Unreachable, Wanted, fetch_one
from hiss.sdss.fetch_stream import Line, Stopped, open_session, serves
from hiss.sdss.fetch_tree import path_behind

COLUMNS: Final = ["path", "url", "size", "sha256", "status", "reason"]
_PATIENCE: Final = 8  # files in a row that a server must fail at before it counts as out of order


@dataclass(frozen=True)
class Limits:
    """How hard an archive is asked."""

    connections: int = 4
    """Files at once."""
    retries: int = 5
    """Further attempts at a file after a fault of the server or the line."""
    timeout_s: float = 60.0
    """Without a byte for so long a connection is given up."""
    backoff_s: float = 1.0
    """Wait after the first failure; it doubles with each further one."""


def fetch_files(wanted: Iterable[Wanted], root: Path | str, limits: Limits = Limits()) -> pd.DataFrame:
    """Fetch files from ``https://``, ``http://`` or ``file://`` addresses into a folder.

    A file that is there with the bytes an earlier run recorded is not asked for. What has to come is resumed where
    an earlier run broke off, and its length, its checksum (the archive's, where it has one) and its form are checked
    before it gets its name.

    Returns
    -------
    DataFrame
        One row a file in the order given: ``path url``, ``size`` [byte], ``sha256``, ``status`` (fetched, present,
        rejected) and the ``reason`` of the rejected, with the address.

    Raises
    ------
    HissError
        The server cannot be reached or serves nothing, a file cannot be written, or a path leaves the folder. What
        has been fetched stays, so that the same call goes on from there.
    """
    files = _distinct(wanted)
    _demand_tree(files)
    stop = Event()
    shown = TransferProgress(len(files))
    done: dict[str, Fetched] = {}
    with open_session(limits.connections) as session, ThreadPoolExecutor(limits.connections) as pool:
        line = Line(session, limits.timeout_s, shown.add, stop)
        lists = ChecksumLists(session, limits.timeout_s)
        place = Place(Path(root), line, Records(Path(root)), lists, limits.retries, limits.backoff_s)
        pending = {pool.submit(fetch_one, place, file): file for file in files}
        try:
            _collect(pending, done, shown, line, max(_PATIENCE, 2 * limits.connections))
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        finally:
            shown.close()
    rows = [_row(file, done[file.path]) for file in files]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"size": "int64"})


def _row(file: Wanted, outcome: Fetched) -> tuple[str, str, int, str, str, str]:
    return outcome.path, file.url, outcome.size, outcome.sha256, outcome.status, outcome.reason


def _distinct(wanted: Iterable[Wanted]) -> list[Wanted]:
    files = {file.path: file for file in wanted}
    for path in files:
        parts = PurePosixPath(path).parts
        if not parts or ".." in parts or path.startswith("/"):
            raise HissError(f"{path!r}: the path of a file to fetch must lie below the folder of raw files; correct it")
    return list(files.values())


def _demand_tree(files: list[Wanted]) -> None:
    """Raise when the folder that stands for the archive is not there: each of its files would seem to be missing."""
    for file in files[:1]:
        tree = path_behind(file.url.removesuffix(file.path))
        if tree and not tree.is_dir():
            raise HissError(
                f"{tree}: this folder stands for the archive and is not there; mount it or correct its name"
            )


def _collect(
    pending: dict[Future[Fetched], Wanted],
    done: dict[str, Fetched],
    shown: TransferProgress,
    line: Line,
    patience: int,
) -> None:
    """Gather the outcomes; stop when the server is gone, or fails at one file after the other."""
    answered = failed_in_a_row = 0
    served: str | None = None
    for future in as_completed(pending):
        file = pending[future]
        try:
            outcome = done[file.path] = future.result()
        except (Unreachable, Stopped) as error:
            raise _gone(file, str(error), len(done), len(pending)) from error
        shown.done()
        if outcome.server_s_word:
            answered, failed_in_a_row = answered + 1, 0
            served = file.url if outcome.status != "rejected" else served
            continue
        failed_in_a_row += 1
        if failed_in_a_row >= patience or len(done) == len(pending):
            if not (serves(line, served) if served else answered):
                raise _gone(file, outcome.reason, answered, len(pending))
            failed_in_a_row = 0


def _gone(file: Wanted, reason: str, n_done: int, n: int) -> HissError:
    server = urlsplit(file.url).netloc or file.url
    return HissError(
        f"{server}: {reason}; {n_done} of {n} files of this batch are settled: run the same command again when the "
        "server answers, and it goes on from there"
    )
