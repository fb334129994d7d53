"""What the names of files and folders tell: settings of a run, modality and zoom of a table."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_SEPARATOR: Final = "+"
"""Not a comma: Snakemake hands a job's wildcards to the process that runs it in a list with commas."""


def join_settings(parts: Iterable[str]) -> str:
    """Return the name of a run's folder, ``learning_rate=0.1+max_depth=9``, of its ``key=value`` parts."""
    return _SEPARATOR.join(parts)


def split_settings(name: str) -> list[str]:
    """Return the ``key=value`` parts of a run's folder name."""
    return name.split(_SEPARATOR)


def by_place(paths: Iterable[Path | str]) -> dict[tuple[str, int], Path]:
    """Return files ``<modality>/zoom<k>...`` by modality and zoom."""
    found = {}
    for path in map(Path, paths):
        match = re.search(r"([^/]+)/zoom(\d)[^/]*(?:/[^/]*)*$", path.as_posix())
        if match is None:
            raise ValueError(f"{path}: tells no modality and zoom")
        found[match[1], int(match[2])] = path
    return found
