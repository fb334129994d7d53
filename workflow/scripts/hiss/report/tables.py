"""The report's tables: cells, and those of the sample."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from hiss.report.phrases import minus

THESIS_GAPS = {0: (12207, 34.69, 4620), 1: (12045, 18.11, 2310), 2: (11954, 9.68, 1155), 3: (11875, 5.46, 577)}
"""Table 2.2 of the thesis: blocks, mean and largest length, at each zoom."""


@dataclass(frozen=True)
class Cell:
    """What is shown, the value it is sorted by, and where it leads."""

    text: str
    value: float | str = ""
    link: str = ""


@dataclass(frozen=True)
class Table:
    """A table of a report: its caption, its columns (name, numeric or not) and its rows."""

    caption: str
    columns: Sequence[tuple[str, bool]]
    rows: list[list[Cell]] = field(default_factory=list)
    note: str = ""


def number(value: Any, form: str = ",.0f") -> Cell:
    """Return a cell of a number; empty where there is none."""
    if value is None or pd.isna(value):
        return Cell("", "")
    return Cell(minus(format(value, form)), float(value))


def text(value: Any, link: str = "") -> Cell:
    """Return a cell of text; empty for a missing value."""
    shown = "" if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)) else str(value)
    return Cell(shown, shown, link)


def ledger_table(ledger: pd.DataFrame) -> Table:
    """Return the ledger beside the thesis's counts (Table 2.1)."""
    rows = [
        [
            text(row["step"]),
            number(row["count"]),
            number(row["removed"]),
            number(_thesis(row["thesis"])),
            text(row["note"]),
        ]
        for row in ledger.to_dict("records")
    ]
    columns = [("step", False), ("count", True), ("removed", True), ("thesis", True), ("note", False)]
    note = (
        "The thesis's counts are of its own part of the sky. Its 16,841 become 11,179 by the cut of spectra with gaps "
        "alone; where its multi-object cut falls it does not say. Here that cut is the last, so that the counts above "
        "it can be set beside the thesis's."
    )
    return Table("Sample selection, one row a step (thesis, Table 2.1)", columns, rows, note)


def _thesis(value: Any) -> float:
    return float(pd.to_numeric(value, errors="coerce"))


def gap_table(gaps: pd.DataFrame) -> Table:
    """Return the NaN blocks at each zoom beside the thesis's (Table 2.2)."""
    rows = []
    for row in gaps.sort_values("zoom").to_dict("records"):
        thesis = THESIS_GAPS[int(row["zoom"])]
        rows.append(
            [
                text(int(row["zoom"])),
                number(row["blocks"]),
                number(row["mean_length"], ".2f"),
                number(row["max_length"]),
                number(thesis[0]),
                number(thesis[1], ".2f"),
                number(thesis[2]),
            ]
        )
    columns = [("zoom", False), ("blocks", True), ("mean length", True), ("max length", True)]
    columns += [("thesis: blocks", True), ("thesis: mean length", True), ("thesis: max length", True)]
    note = "Lengths in samples of the zoom. The thesis's numbers are of its own part of the sky, FLAG = 0 too."
    return Table("Runs of missing flux in the spectra of FLAG = 0 (thesis, Table 2.2)", columns, rows, note)


def rejects_table(rejects: pd.DataFrame) -> Table:
    """Return how many inputs were set aside, by stage, kind and reason, with one of them named."""
    rows = []
    generic = rejects.assign(shape=rejects["reason"].astype(str).str.replace(r"\d+(\.\d+)?", "#", regex=True))
    for (stage, kind, _), group in generic.groupby(["stage", "kind", "shape"], sort=True):
        same = group["reason"].nunique() == 1
        reason = group["reason"].iloc[0] if same else f"{group['reason'].iloc[0]} (and the like)"
        rows.append([text(reason), text(stage), text(kind), number(len(group)), text(group["path"].min())])
    rows.sort(key=lambda cells: (-float(cells[3].value), cells[0].text))
    columns = [("reason", False), ("stage", False), ("kind", False), ("files", True), ("for instance", False)]
    return Table("Inputs that are not in the cube, by reason", columns, rows)


def pairs_table(caption: str, pairs: Iterable[tuple[str, Any]]) -> Table:
    """Return a table of names and values."""
    return Table(caption, [("what", False), ("value", False)], [[text(name), text(value)] for name, value in pairs])
