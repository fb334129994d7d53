"""The report's section on where fusion should win."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from hiss.evaluation.collect import model_name
from hiss.plots.style import modality_label
from hiss.report.page import FigureOnPage, Section
from hiss.report.phrases import minus
from hiss.report.tables import Cell, Table, number, text


@dataclass(frozen=True)
class CasesTables:
    """What the study of science cases left behind."""

    answers: Mapping[str, Sequence[str]]
    """``sentences`` and ``meaning``."""
    cases: pd.DataFrame


_NOTE: Final = (
    "95 % intervals in parentheses; below zero, early fusion is better, and of the change, gains more on the case than "
    "on the other galaxies. A verdict without more is after Holm's correction for all rows; p is before it."
)


def cases_section(tables: CasesTables, figures: Mapping[str, FigureOnPage]) -> Section:
    """Return the section: what was found, the figure and all differences."""
    content = [_differences(tables.cases)]
    return Section(
        "Where fusion should win",
        "cases",
        [*tables.answers["sentences"], *tables.answers["meaning"]],
        [table for table in content if table.rows],
        [figures["fig_cases"]] if "fig_cases" in figures else [],
    )


def _differences(table: pd.DataFrame) -> Table:
    rows = [
        [
            text(str(row["case"]).replace("_", " ")),
            text(model_name(row["model"])),
            number(row["zoom"]),
            text(modality_label(row["against"])),
            number(row["n"]),
            number(row["rmse_early"], ".3f"),
            _difference(row, "delta_rmse", "low", "high"),
            number(row["p"], ".2g"),
            text(row["verdict"]),
            _difference(row, "delta_rest", "low_rest", "high_rest"),
            _difference(row, "change", "change_low", "change_high"),
            text(row["change_verdict"]),
        ]
        for row in table.to_dict("records")
    ]
    columns = [("case", False), ("model", False), ("zoom", True), ("early fusion less", False), ("galaxies", True)]
    columns += [("RMSE [dex]", True), ("difference [dex]", True), ("p", True), ("verdict", False)]
    columns += [("on the others [dex]", True), ("change [dex]", True), ("verdict on the change", False)]
    return Table("Early fusion on each science case", columns, rows, _NOTE)


def _difference(row: Mapping[Any, Any], name: str, low: str, high: str) -> Cell:
    value = row[name]
    if not np.isfinite(value):
        return text("")
    shown = f"{value:+.3f} ({row[low]:+.3f} to {row[high]:+.3f})"
    return Cell(minus(shown), float(value))
