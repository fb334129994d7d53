"""When a run took place, by its logs, which begin with a date, and its benchmarks, which say how long a job took."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

_OF_THE_CRATE: Final = Path("exports/write_crate.jsonl")
"""The benchmark of the job that writes this: an older run's would tell another end each time."""

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) on ")


class Span(NamedTuple):
    """Begin of the first job and end of the last one that has ended, in UTC."""

    start: datetime
    end: datetime


def when_run(logs: Path | str, benchmarks: Path | str) -> Span | None:
    """Return when the jobs ran whose benchmarks are there, the crate's own aside; None without any.

    A date in a log has no time zone: it is taken to be that of this machine.
    """
    jobs = list(_jobs(Path(logs), Path(benchmarks)))
    return Span(min(start for start, _ in jobs), max(end for _, end in jobs)) if jobs else None


def _jobs(logs: Path, benchmarks: Path) -> Iterator[tuple[datetime, datetime]]:
    for benchmark in sorted(benchmarks.rglob("*.jsonl")):
        if benchmark.relative_to(benchmarks) == _OF_THE_CRATE:
            continue
        log = logs / benchmark.relative_to(benchmarks).with_suffix(".log")
        start = _start_of(log) if log.is_file() else None
        rows = benchmark.read_text().splitlines()
        if start is not None and rows:
            yield start, start + timedelta(seconds=round(float(json.loads(rows[-1])["s"])))


def _start_of(log: Path) -> datetime | None:
    with log.open(errors="replace") as stream:
        match = _STAMP.match(stream.readline())
    return datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S").astimezone(UTC) if match else None


def newest(files: list[Path]) -> datetime:
    """Return when the last of some files was written, to the second."""
    return datetime.fromtimestamp(int(max(path.stat().st_mtime for path in files)), UTC)
