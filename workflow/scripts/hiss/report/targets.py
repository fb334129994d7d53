"""The report's sections on what else is learned: a section a target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from hiss.evaluation.collect import model_name
from hiss.plots.style import modality_label
from hiss.report.page import FigureOnPage, Section
from hiss.report.phrases import minus
from hiss.report.tables import Cell, Table, number, text


@dataclass(frozen=True)
class TargetTables:
    """What the study of one target left behind."""

    answers: Mapping[str, Sequence[str]]
    """``sentences`` and ``meaning``."""
    counts: pd.DataFrame
    scores: pd.DataFrame
    recall: pd.DataFrame
    differences: pd.DataFrame


_TITLES: Final = {
    "class": "Galaxy, quasar or star",
    "quiescent": "Star-forming or quiescent",
    "redshift": "The redshift",
}
_FIGURES: Final = ("cost", "zoom", "confusion", "reliability", "scatter")
_OF_CLASSES: Final = (("balanced_accuracy", "balanced accuracy"), ("macro_f1", "macro F1"))
_OF_NUMBERS: Final = (("rmse", "RMSE"), ("r2", "R²"), ("outliers_05", "beyond 0.05 (1 + z)"))
_PLAIN: Final = {"calibration_error": "calibration error", "nmad": "NMAD", "sigma_nmad": "NMAD of dz / (1 + z)"}
_COSTS: Final = (
    ("fit_s", "fit [s]", ".2f"),
    ("predict_per_object_us", "prediction [µs/object]", ",.0f"),
    ("peak_memory_mb", "memory [MB]", ",.0f"),
)
_NOTE: Final = "95 % intervals over the test objects in parentheses; late fusion costs what its two parts cost."
_RECALL_NOTE: Final = (
    "Share of a class's test objects that are found, with Wilson's 95 % interval, in which a group of objects with "
    "overlapping cutouts counts for one."
)
_PAIRED_NOTE: Final = (
    "The first less the other, on the same test objects, with 95 % intervals. Of so many comparisons one in twenty "
    "leaves zero outside by chance."
)


def target_section(name: str, tables: TargetTables, figures: Mapping[str, FigureOnPage]) -> Section:
    """Return the section of a target: what was found, who takes part, scores, recall, comparisons and the pictures."""
    content = [
        _counted(tables.counts),
        _scores(tables.scores),
        _recall(tables.recall),
        _differences(tables.differences),
    ]
    wanted = [f"fig_side_{what}_{name}" for what in _FIGURES]
    return Section(
        _TITLES.get(name, f"Target {name}"),
        f"target-{name}",
        [*tables.answers["sentences"], *tables.answers["meaning"]],
        [table for table in content if table.rows],
        [figures[each] for each in wanted if each in figures],
    )


def _counted(counts: pd.DataFrame) -> Table:
    rows = [
        [text(row["name"]), number(row["objects"]), number(row["used"]), text(row["why"])]
        for row in counts.to_dict("records")
    ]
    columns = [("label", False), ("objects in the cube", True), ("used", True), ("left out", False)]
    return Table("Who takes part", columns, rows)


def _scores(scores: pd.DataFrame) -> Table:
    spans = [pair for pair in (*_OF_CLASSES, *_OF_NUMBERS) if pair[0] in scores]
    plain = [pair for pair in _PLAIN.items() if pair[0] in scores]
    costs = [part for part in _COSTS if part[0] in scores]
    score, form = spans[0][1], ".3f" if "balanced_accuracy" in scores else ".4f"
    rows = [
        [
            *_place(row),
            number(row["validation"], form),
            *(_with_ends(row, name) for name, _ in spans),
            *(number(row[name], form) for name, _ in plain),
            *(number(row[name], form) for name, _, form in costs),
            text(row["settings"]),
        ]
        for row in scores.to_dict("records")
    ]
    columns = [("model", False), ("data", False), ("zoom", False), (f"{score} on validation", True)]
    columns += [(label, True) for _, label in (*spans, *plain)] + [(label, True) for _, label, _ in costs]
    return Table("Scores on the test set, and what they cost", [*columns, ("settings", False)], rows, _NOTE)


def _place(row: Mapping[Any, Any]) -> list[Cell]:
    return [text(model_name(row["model"])), text(modality_label(row["modality"])), text(int(row["zoom"]))]


def _with_ends(row: Mapping[Any, Any], name: str) -> Cell:
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    form = ".4f" if name == "rmse" else ".3f"
    if pd.isna(low):
        return number(value, form)
    return Cell(minus(f"{value:{form}} ({low:{form}} to {high:{form}})"), float(value))


def _recall(recall: pd.DataFrame) -> Table:
    if recall.empty:
        return Table("Recall", [], [])
    names = list(dict.fromkeys(recall["name"]))
    rows = []
    for _, own in recall.groupby(["model", "modality", "zoom"], sort=False):
        first, by_name = own.iloc[0].to_dict(), own.set_index("name")
        cells = []
        for name in names:
            row = by_name.loc[name]
            said = "" if pd.isna(row["recall"]) else f"{row['recall']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
            cells.append(Cell(said, float(row["recall"]) if said else ""))
        rows.append([*_place(first), *cells])
    n = recall.drop_duplicates("name").set_index("name")["n"]
    columns = [
        ("model", False),
        ("data", False),
        ("zoom", False),
        *((f"{name} (of {n[name]})", True) for name in names),
    ]
    return Table("Recall of each class", columns, rows, _RECALL_NOTE)


def _differences(differences: pd.DataFrame) -> Table:
    rows = []
    of_numbers = len(differences) and differences["score"].iloc[0] == "rmse"
    form = "+.4f" if of_numbers else "+.3f"
    for row in differences.to_dict("records"):
        against = (
            modality_label(row["against"]) if row["against_zoom"] == row["zoom"] else f"zoom {row['against_zoom']}"
        )
        said = f"{row['delta']:{form}} ({row['low']:{form}} to {row['high']:{form}})"
        rows.append([*_place(row), text(against), Cell(minus(said), float(row["delta"]))])
    columns = [("model", False), ("data", False), ("zoom", False), ("against", False)]
    score = "RMSE" if of_numbers else "balanced accuracy"
    return Table(
        "Fusion against its parts, coarse against fine", [*columns, (f"change of {score}", True)], rows, _PAIRED_NOTE
    )
