"""How the settings of a run are told by its folder's name."""

from collections.abc import Iterable
from typing import Final

_SEPARATOR: Final = "+"
"""Not a comma: Snakemake hands a job's wildcards to the process that runs it in a list with commas."""


def join_settings(parts: Iterable[str]) -> str:
    """Return the name of a run's folder, ``learning_rate=0.1+max_depth=9``, of its ``key=value`` parts."""
    return _SEPARATOR.join(parts)


def split_settings(name: str) -> list[str]:
    """Return the ``key=value`` parts of a run's folder name."""
    return name.split(_SEPARATOR)
