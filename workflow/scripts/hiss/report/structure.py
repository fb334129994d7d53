"""The report's section on structure without labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from hiss.evaluation.collect import modality_order
from hiss.plots.style import modality_label
from hiss.report.page import FigureOnPage, Section
from hiss.report.phrases import minus
from hiss.report.tables import Cell, Table, number, text


@dataclass(frozen=True)
class StructureTables:
    """What the study of structure left behind."""

    answers: Mapping[str, Sequence[str]]
    """``sentences`` and ``meaning``."""
    scores: pd.DataFrame
    survival: pd.DataFrame
    outliers: pd.DataFrame


_SURVIVAL: Final = {
    ("neighbours", "pca"): "neighbours kept (Jaccard)",
    ("rv", "pca"): "RV coefficient",
    ("procrustes", "pca"): "1 − Procrustes' disparity",
    ("ari_zooms", "kmeans"): "Rand index of the k-means of both",
    ("change_purity", "pca"): "change: class of neighbours",
    ("change_told_log_sfr", "pca"): "change: R² of log SFR",
    ("change_told_z", "pca"): "change: R² of redshift",
}
_SCORES: Final = {
    ("clusters", "kmeans"): "k-means: clusters",
    ("silhouette", "kmeans"): "k-means: silhouette",
    ("ari_class", "kmeans"): "k-means: Rand index with the class",
    ("clusters", "hdbscan"): "HDBSCAN: clusters",
    ("ari_class", "hdbscan"): "HDBSCAN: Rand index with the class",
    ("purity", "features"): "neighbours of the same class, by all features",
    ("purity", "pca"): "by components",
    ("purity", "tsne"): "by t-SNE",
    ("told_log_sfr", "features"): "R² of log SFR by neighbours, by all features",
    ("told_log_sfr", "pca"): "R², by components",
    ("told_log_sfr", "tsne"): "R², by t-SNE",
}


def structure_section(tables: StructureTables, figures: Mapping[str, FigureOnPage]) -> Section:
    """Return the section: what was found, the numbers, the oddest objects and the pictures."""
    names = [f"fig_structure_{name}" for name in modality_order(tables.scores["modality"])]
    wanted = ["fig_structure_scores", *names, "fig_outliers"]
    content = [
        _by_zoom(tables.survival, _SURVIVAL, "What is left of the structure of the finest zoom", _NOTE),
        _by_zoom(tables.scores, _SCORES, "What is found at each zoom", _SCORES_NOTE),
        _costs(tables.scores),
        outliers_table(tables.outliers),
    ]
    return Section(
        "Structure without labels",
        "structure",
        [*tables.answers["sentences"], *tables.answers["meaning"]],
        [table for table in content if table.rows],
        [figures[name] for name in wanted if name in figures],
    )


_NOTE: Final = (
    "95 % intervals in parentheses. A change is coarse less fine: something is lost where the interval is below zero. "
    "What neighbours reach by chance is in the figure."
)
_SCORES_NOTE: Final = (
    "95 % intervals in parentheses. By chance the Rand index is 0, the share of neighbours of the same class one over "
    "the number of classes, each counting the same, and the R² by neighbours below 0."
)


def _by_zoom(table: pd.DataFrame, wanted: Mapping[tuple[str, str], str], caption: str, note: str) -> Table:
    """Return a table with a row a modality and zoom and a column a measure."""
    there = {key: label for key, label in wanted.items() if _of(table, *key).shape[0]}
    rows = []
    for modality in modality_order(table["modality"]):
        for zoom in sorted(set(table.loc[table["modality"] == modality, "zoom"])):
            own = table[(table["modality"] == modality) & (table["zoom"] == zoom)]
            rows.append([text(modality_label(modality)), number(zoom), *(_cell(_of(own, *key)) for key in there)])
    columns = [("data", False), ("zoom", True), *((label, True) for label in there.values())]
    return Table(caption, columns, rows if there else [], note)


def _of(table: pd.DataFrame, measure: str, space: str) -> pd.DataFrame:
    return table[(table["measure"] == measure) & (table["space"] == space)]


def _cell(found: pd.DataFrame) -> Cell:
    if found.empty or pd.isna(found["value"].iloc[0]):
        return text("")
    row: dict[Any, Any] = found.to_dict("records")[0]
    form = ".0f" if row["measure"] == "clusters" else ".3f"
    span = "" if pd.isna(row["low"]) else f" ({row['low']:{form}} to {row['high']:{form}})"
    return Cell(minus(f"{row['value']:{form}}{span}"), float(row["value"]))


def _costs(scores: pd.DataFrame) -> Table:
    """Return what each step cost."""
    seconds = scores[scores["measure"] == "seconds"]
    steps = list(dict.fromkeys(seconds["space"]))
    rows = []
    for (modality, zoom), own in seconds.groupby(["modality", "zoom"], sort=False):
        spent = dict(zip(own["space"], own["value"], strict=True))
        rows.append(
            [
                text(modality_label(str(modality))),
                number(zoom),
                *(number(spent.get(step), ".2f") for step in steps),
                number(own["peak_memory_mb"].iloc[0]),
            ]
        )
    columns = [("data", False), ("zoom", True), *((f"{step} [s]", True) for step in steps), ("peak memory [MB]", True)]
    return Table("What it cost, as the jobs ran", columns, rows)


def outliers_table(outliers: pd.DataFrame) -> Table:
    """Return the oddest objects of each kind of data at its finest zoom."""
    rows = [
        [
            text(modality_label(row["modality"])),
            number(row["rank"]),
            text(f"{int(row['plate'])}-{int(row['mjd'])}-{int(row['fiber'])}"),
            text(row["class"]),
            number(row["z"], ".4f"),
            number(row["log_sfr"], ".2f"),
            number(row["oddness"], ".1f"),
            text(row["reason"]),
        ]
        for row in outliers.to_dict("records")
    ]
    columns = [("data", False), ("rank", True), ("plate-MJD-fibre", False), ("class", False), ("redshift", True)]
    columns += [("log SFR", True), ("oddness [sigma]", True), ("why", False)]
    note = (
        "Oddness: deviations from the median in robust sigmas of what the components of the other objects leave over "
        "beyond the noise, or of how thinly an object's surroundings are settled, whichever is more."
    )
    return Table("The objects unlike the others, at the finest zoom", columns, rows, note)
