"""The table of inputs that are not in the dense cube, each with its reason."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pandas as pd

from hiss.files import read_table

COLUMNS: Final = ["stage", "kind", "path", "reason"]


def reject_table(rows: Iterable[tuple[str, str, str, str]]) -> pd.DataFrame:
    """Return rejects, ``(stage, kind, path, reason)`` each, as a table of text."""
    return pd.DataFrame(list(rows), columns=COLUMNS, dtype=object)


def merge_rejects(parts: Iterable[Path | str]) -> pd.DataFrame:
    """Return the rejects of several stages and shards as one table, sorted by kind and path.

    A frame at the border of two shards is set aside by both, and listed once.
    """
    table = pd.concat([read_table(part) for part in parts], ignore_index=True)[COLUMNS]
    table = table.drop_duplicates(["stage", "kind", "path"])
    return table.sort_values(["kind", "path"], kind="stable", ignore_index=True)
