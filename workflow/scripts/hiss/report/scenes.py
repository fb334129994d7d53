"""The report's section on scenes told by images and audio."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from hiss.evaluation.collect import model_name
from hiss.report.page import FigureOnPage, Section
from hiss.report.phrases import minus
from hiss.report.tables import Cell, Table, number, text
from hiss.scenes.split import AT_RANDOM, BY_VIDEO
from hiss.side.scene_words import LABEL_NAMES, NAMES, SPLIT_NAMES


@dataclass(frozen=True)
class ScenesTables:
    """What the study of scenes left behind."""

    answers: Mapping[str, Sequence[str]]
    """``sentences`` and ``meaning``."""
    table: pd.DataFrame
    leak: pd.DataFrame
    ledger: pd.DataFrame


_FIGURES: Final = ("fig_scenes_leak", "fig_scenes_classes", "fig_scenes_mfcc", "fig_scenes_examples")

_NOTE: Final = (
    "95 % intervals over videos in parentheses. The thesis's numbers are accuracies, as far as is known of frames "
    "split at random; those of its networks are told once, for no label."
)
_LEAK_NOTE: Final = "95 % intervals in parentheses. A leak is there where the interval is above zero."


def scenes_section(tables: ScenesTables, figures: Mapping[str, FigureOnPage]) -> Section:
    """Return the section: what was found, the numbers beside the thesis's, the leak, every frame, the pictures."""
    content = [_scores(tables.table), _leaks(tables.leak), _frames(tables.ledger)]
    return Section(
        "Scenes by images and audio",
        "scenes",
        [*tables.answers["sentences"], *tables.answers["meaning"]],
        [table for table in content if table.rows],
        [figures[name] for name in _FIGURES if name in figures],
    )


def _scores(table: pd.DataFrame) -> Table:
    """Return a row a label, model and kind of data, with both splits side by side."""
    rows = []
    for (label, model, modality), own in table.groupby(["label", "model", "modality"], sort=False):
        parts = {str(row["split"]): row for row in own.to_dict("records")}
        rows.append(
            [
                text(LABEL_NAMES[str(label)]),
                text(model_name(str(model))),
                text(NAMES[str(modality)]),
                *(_with(parts.get(split), name) for split in SPLIT_NAMES for name in ("balanced_accuracy", "accuracy")),
                number(own["thesis"].iloc[0], ".2f"),
            ]
        )
    columns = [("label", False), ("model", False), ("data", False)]
    columns += [
        (f"{name}, {SPLIT_NAMES[split]}", True) for split in SPLIT_NAMES for name in ("balanced accuracy", "accuracy")
    ]
    return Table("How well scenes are told", [*columns, ("thesis: accuracy", True)], rows, _NOTE)


def _leaks(leak: pd.DataFrame) -> Table:
    rows = [
        [
            text(LABEL_NAMES[row["label"]]),
            text(model_name(row["model"])),
            text(NAMES[row["modality"]]),
            number(row[BY_VIDEO], ".3f"),
            number(row[AT_RANDOM], ".3f"),
            Cell(minus(f"{row['leak']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"), float(row["leak"])),
        ]
        for row in leak.to_dict("records")
    ]
    columns = [("label", False), ("model", False), ("data", False), ("by video", True), ("at random", True)]
    return Table("What a split of frames at random feigns", [*columns, ("leak", True)], rows, _LEAK_NOTE)


def _frames(ledger: pd.DataFrame) -> Table:
    rows = [
        [text(row["reason"]), number(row["frames"]), text("" if pd.isna(row["example"]) else row["example"])]
        for row in ledger.to_dict("records")
    ]
    return Table("What became of every frame", [("what", False), ("frames", True), ("the first", False)], rows)


def _with(row: Mapping[Any, Any] | None, name: str) -> Cell:
    if row is None:
        return text("")
    return Cell(f"{row[name]:.3f} ({row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f})", float(row[name]))
