"""The table of all runs, each with the way to its folder, its log and its metrics."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import pandas as pd

from hiss.evaluation.collect import METRICS, model_name
from hiss.plots.style import modality_label
from hiss.report.links import folder_link, log_link, metrics_link
from hiss.report.study_tables import ceiling_words, short_names
from hiss.report.tables import Table, number, text

_METRICS: Final = {"r2": "R²", "mae": "MAE [dex]", "rmse": "RMSE [dex]", "nmad": "NMAD [dex]"}
_FILTERED: Final = ("model", "modality", "zoom", "chosen")


@dataclass(frozen=True)
class Filter:
    """A column of a table by which it is filtered, and the values there are."""

    label: str
    column: int
    values: list[str]


def runs_table(runs: pd.DataFrame, selected: Iterable[str], ceiling: float = float("nan")) -> Table:
    """Return all runs; the settings lead to the run's folder, the last two cells to its log and its metrics.json."""
    chosen, names = set(selected), short_names(runs)
    rows = [
        [
            text(model_name(row["model"])),
            text(modality_label(row["modality"])),
            number(row["zoom"]),
            text(names.get((row["model"], row["settings"]), row["settings"]), link=folder_link(row["path"])),
            *(number(row[f"validation_{name}"], ".3f") for name in METRICS),
            number(row["fit_s"], ",.3f"),
            number(row["predict_per_object_us"], ",.1f"),
            number(row["peak_memory_mb"]),
            text("selected" if row["path"] in chosen else ""),
            text("log", link=log_link(row["path"])),
            text("json", link=metrics_link(row["path"])),
        ]
        for row in runs.to_dict("records")
    ]
    columns = [("model", False), ("modality", False), ("zoom", True), ("settings", False)]
    columns += [*((_METRICS[name], True) for name in METRICS), ("fit [s]", True), ("predict [µs/object]", True)]
    columns += [("peak memory [MB]", True), ("chosen", False), ("log", False), ("metrics", False)]
    note = (
        "The settings lead to the run's folder; metrics.json holds its settings, its scores and its provenance. These "
        f"files lie beside this report and do not travel with it. {ceiling_words(ceiling)}".rstrip()
    )
    return Table(f"All {len(rows)} runs; metrics are of the validation set", columns, rows, note)


def filters_of(table: Table) -> list[Filter]:
    """Return the columns by which the table of runs is filtered, each with its values in the table's own order."""
    names = [name for name, _ in table.columns]
    found = []
    for name in _FILTERED:
        column = names.index(name)
        values = list(dict.fromkeys(row[column].text for row in table.rows if row[column].text))
        if values:
            found.append(Filter(name, column, sorted(values) if name == "zoom" else values))
    return found
