"""The report's tables: what stands in each cell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from hiss.evaluation.collect import MODALITIES, model_name
from hiss.names import split_settings
from hiss.plots.style import MODALITY_LABEL

THESIS_GAPS = {0: (12207, 34.69, 4620), 1: (12045, 18.11, 2310), 2: (11954, 9.68, 1155), 3: (11875, 5.46, 577)}
"""Table 2.2 of the thesis: blocks, mean and largest length, at each zoom."""

_METRICS = {"r2": "R²", "mae": "MAE [dex]", "rmse": "RMSE [dex]", "nmad": "NMAD [dex]"}


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


def minus(shown: str) -> str:
    """Return a number as text with a minus sign in place of the hyphen."""
    return shown.replace("-", "−")


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
    return Table("Sample selection, one row a step (thesis, Table 2.1)", columns, rows)


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
    return Table("Runs of missing flux in the spectra of FLAG = 0 (thesis, Table 2.2)", columns, rows)


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


def short_names(runs: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return what is shown for each model's settings: the parts of the folder's name that differ between its runs.

    Where none does, the first part, which is of the grid.
    """
    names = {}
    for model, group in runs[runs["modality"] != "late"].groupby("model"):
        parts = {name: split_settings(name) for name in group["settings"]}
        common = set.intersection(*map(set, parts.values()))
        for name, pieces in parts.items():
            own = [piece for piece in pieces if piece not in common]
            names[str(model), name] = ", ".join(own or pieces[:1])
    return names


def metrics_table(metrics: pd.DataFrame, model: str, names: Mapping[tuple[str, str], str]) -> Table:
    """Return one model's test metrics with their intervals, a row a modality and zoom.

    Parameters
    ----------
    names
        As `short_names` returns them.
    """
    rows = [
        [
            text(MODALITY_LABEL[row["modality"]]),
            number(row["zoom"]),
            *(_measured(row, name) for name in _METRICS),
            text(names.get((model, row["settings"]), row["settings"])),
        ]
        for row in _ordered(metrics, model)
    ]
    columns = [
        ("modality", False),
        ("zoom", True),
        *((label, True) for label in _METRICS.values()),
        ("settings", False),
    ]
    return Table(f"{model_name(model)}: metrics on the test set, 95\u00a0% intervals in parentheses", columns, rows)


def _measured(row: dict[Any, Any], name: str) -> Cell:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    span = "" if pd.isna(low) else f" ({low:.3f} to {high:.3f})"
    return Cell(minus(f"{row[name]:.3f}{span}"), float(row[name]))


def runtime_table(metrics: pd.DataFrame, model: str) -> Table:
    """Return one model's costs, a row a modality and zoom."""
    rows = [
        [
            text(MODALITY_LABEL[row["modality"]]),
            number(row["zoom"]),
            number(row["fit_s"], ",.3f"),
            number(row["predict_s"], ",.4f"),
            number(row["peak_memory_mb"]),
        ]
        for row in _ordered(metrics, model)
    ]
    columns = [
        ("modality", False),
        ("zoom", True),
        ("fit [s]", True),
        ("predict [s]", True),
        ("peak memory [MB]", True),
    ]
    note = (
        "Wall-clock time of the selected setting, fitted once more with nothing beside it, reading apart; "
        "memory is what training added to start-up. Late fusion takes the time of both its parts and the memory of the "
        "larger one."
    )
    return Table(f"{model_name(model)}: what the selected runs cost", columns, rows, note)


def _ordered(metrics: pd.DataFrame, model: str) -> list[dict[Any, Any]]:
    part = metrics[metrics["model"] == model].to_dict("records")
    return sorted(part, key=lambda row: (MODALITIES.index(row["modality"]), row["zoom"]))


def comparisons_table(comparisons: pd.DataFrame) -> Table:
    """Return the paired differences of RMSE between modalities and between models."""
    rows = []
    for row in comparisons[comparisons["kind"] != "zooms"].to_dict("records"):
        rows.append(
            [
                text(_difference(row)),
                number(row["zoom"]),
                number(row["delta_rmse"], "+.3f"),
                text("" if pd.isna(row["low"]) else minus(f"{row['low']:+.3f} to {row['high']:+.3f}")),
                text(_reading(row)),
            ]
        )
    columns = [("a − b", False), ("zoom", True), ("difference of RMSE [dex]", True), ("95\u00a0% interval", False)]
    columns.append(("reading", False))
    note = "Paired bootstrap over the galaxies of the test set. Below zero, a is better."
    return Table("Fusion against single modality, and model against model", columns, rows, note)


def _difference(row: dict[Any, Any]) -> str:
    if row["kind"] == "modalities":
        return f"{model_name(row['model'])}: {MODALITY_LABEL[row['a']]} − {MODALITY_LABEL[row['b']]}"
    return f"{MODALITY_LABEL[row['modality']]}: {model_name(row['a'])} − {model_name(row['b'])}"


def _reading(row: dict[Any, Any]) -> str:
    if pd.isna(row["low"]):
        return "too few objects"
    if row["high"] < 0:
        return "a is better"
    return "b is better" if row["low"] > 0 else "cannot tell"


def runs_table(runs: pd.DataFrame, selected: Iterable[str]) -> Table:
    """Return all runs, each with a link to its folder beside the report."""
    chosen, names = set(selected), short_names(runs)
    rows = [
        [
            text(model_name(row["model"])),
            text(MODALITY_LABEL[row["modality"]]),
            number(row["zoom"]),
            text(names.get((row["model"], row["settings"]), row["settings"]), link=f"../{row['path']}/"),
            *(number(row[f"validation_{name}"], ".3f") for name in _METRICS),
            number(row["fit_s"], ",.3f"),
            number(row["predict_per_object_us"], ",.1f"),
            number(row["peak_memory_mb"]),
            text("selected" if row["path"] in chosen else ""),
        ]
        for row in runs.to_dict("records")
    ]
    columns = [("model", False), ("modality", False), ("zoom", True), ("settings", False)]
    columns += [(label, True) for label in _METRICS.values()]
    columns += [("fit [s]", True), ("predict [µs/object]", True), ("peak memory [MB]", True), ("chosen", False)]
    return Table(f"All {len(rows)} runs; metrics are of the validation set", columns, rows)


def pairs_table(caption: str, pairs: Iterable[tuple[str, Any]]) -> Table:
    """Return a table of names and values."""
    return Table(caption, [("what", False), ("value", False)], [[text(name), text(value)] for name, value in pairs])
