"""The answers of the study, as sentences made from its tables."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hiss.evaluation.collect import model_name, model_order
from hiss.evaluation.summarise import better_single
from hiss.names import split_settings

MODALITY_PHRASE = {
    "photo": "the images alone",
    "spectra": "the spectra alone",
    "early": "early fusion",
    "late": "late fusion",
}

Row = dict[Any, Any]
"""One row of a table."""

_SMALL = 300  # test galaxies below which a ranking is called provisional


@dataclass(frozen=True)
class Answer:
    """A question of the study and what this run says to it."""

    question: str
    sentences: list[str]


def answers(metrics: pd.DataFrame, comparisons: pd.DataFrame) -> list[Answer]:
    """Return the answers that the tables allow, the most important first.

    Parameters
    ----------
    metrics, comparisons
        As `hiss.evaluation.summarise` returns them.
    """
    best = _lowest(metrics, "validation_rmse")
    found = [
        Answer("Which model predicts the star formation rate best, and from what?", _best(metrics, best)),
        Answer("Does early fusion beat the better single modality?", _fusion(metrics, comparisons)),
        Answer("Which fusion is better, early or late?", _early_or_late(metrics, comparisons)),
        Answer("Does the choice of model matter?", _models(comparisons, best)),
        Answer("What does each halving of the resolution cost, and save?", _zooms(metrics, comparisons, best)),
        Answer("How small a difference can this test set tell?", _power(metrics, comparisons)),
    ]
    return [answer for answer in found if answer.sentences]


def _records(table: pd.DataFrame) -> list[Row]:
    return table.to_dict("records")


def _lowest(table: pd.DataFrame, column: str) -> Row:
    """Return the row with the lowest value of a column, the first of equal ones."""
    return _records(table[table[column].notna()].sort_values(column, kind="stable"))[0]


def with_interval(row: Row, name: str, unit: str = "") -> str:
    """Return ``0.31 dex (95\u00a0% interval 0.28 to 0.35)`` of one metric."""
    text = f"{row[name]:.3f}{unit}"
    if not np.isfinite(row[f"{name}_low"]):
        return f"{text} (too few objects for an interval)"
    return f"{text} (95\u00a0% interval {row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f})"


def describe(row: Row) -> str:
    """Return what a selected run is, in words."""
    return f"{model_name(row['model'])} on {MODALITY_PHRASE[row['modality']]} at zoom {int(row['zoom'])}"


def _best(metrics: pd.DataFrame, best: Row) -> list[str]:
    settings = ", ".join(split_settings(str(best["settings"])))
    sentences = [
        f"{describe(best)} ({settings}) has the lowest RMSE on the validation set. On the {int(best['n']):,} "
        f"test galaxies, which no choice has seen, its RMSE is {with_interval(best, 'rmse', ' dex')} "
        f"and its R² {with_interval(best, 'r2')}."
    ]
    if np.isfinite(best["r2_ceiling"]):
        ceiling = best["r2_ceiling"]
        sentences.append(_about_ceiling(ceiling, best["r2_low"]))
    lowest = _lowest(metrics, "rmse")
    if any(lowest[name] != best[name] for name in ("model", "modality", "zoom")):
        sentences.append(
            f"On the test set itself {describe(lowest)} is the lowest, {lowest['rmse']:.3f} dex; "
            "it is named for completeness, since a choice by the test set would flatter."
        )
    if best["model"] == "lightgbm" and best["modality"] == "early":
        sentences.append("This is the thesis's finding too: early-fusion LightGBM is best overall.")
    elif ((metrics["model"] == "lightgbm") & (metrics["modality"] == "early")).any():
        sentences.append(
            "The thesis found early-fusion LightGBM best overall; here the validation set chooses another."
        )
    return sentences


def _about_ceiling(ceiling: float, at_least: float) -> str:
    """Say what the label's own width allows, and what it means to be above it."""
    if ceiling <= 0:
        return "The label's own width (P16 to P84) is larger than the spread of the labels in this test set."
    text = f"Were the label's own width (P16 to P84) all noise, a perfect predictor would reach an R² of {ceiling:.2f}"
    if at_least <= ceiling:
        return f"{text}."
    return f"{text}; the interval lies above it, so AVG scatters less between like galaxies than its width says."


def verdict(row: Row, a: str, b: str) -> str:
    """Return what a paired difference of RMSE, a less b, says."""
    if not np.isfinite(row["low"]):
        return f"cannot tell, the test set has too few objects for an interval ({_signed(row['delta_rmse'])} dex)."
    span = _span(row)
    if row["high"] < 0:
        return f"yes. The RMSE of {a} is lower than that of {b} by {-row['delta_rmse']:.3f} dex ({span})."
    if row["low"] > 0:
        return f"no. The RMSE of {a} is higher than that of {b} by {row['delta_rmse']:.3f} dex ({span})."
    return (
        f"cannot tell. The RMSE of {a} differs from that of {b} by {_signed(row['delta_rmse'])} dex, "
        f"and the {span} includes zero."
    )


def _span(row: Row) -> str:
    if not np.isfinite(row["low"]):
        return "too few objects for an interval"
    return f"95\u00a0% interval {_signed(row['low'])} to {_signed(row['high'])}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _at_best_zoom(metrics: pd.DataFrame, model: str, modality: str) -> int | None:
    part = metrics[(metrics["model"] == model) & (metrics["modality"] == modality)]
    return None if part.empty else int(_lowest(part, "validation_rmse")["zoom"])


def _modality_pair(comparisons: pd.DataFrame, model: str, zoom: int, a: str, b: str) -> Row | None:
    part = comparisons[
        (comparisons["kind"] == "modalities")
        & (comparisons["model"] == model)
        & (comparisons["zoom"] == zoom)
        & (comparisons["a"] == a)
        & (comparisons["b"] == b)
    ]
    return None if part.empty else _records(part)[0]


def _fusion(metrics: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    sentences = []
    for model in model_order(metrics["model"]):
        zoom = _at_best_zoom(metrics, model, "early")
        better = better_single(metrics, model, zoom) if zoom is not None else None
        row = _modality_pair(comparisons, model, zoom, "early", better) if zoom is not None and better else None
        if row is not None:
            said = verdict(row, "early fusion", MODALITY_PHRASE[str(better)])
            sentences.append(f"{model_name(model)} at zoom {zoom}: {said}")
    if sentences:
        sentences.insert(0, "Each model is taken at the zoom where its early fusion has the lowest validation RMSE.")
    return sentences


def _early_or_late(metrics: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    sentences = []
    for model in model_order(metrics["model"]):
        zoom = _at_best_zoom(metrics, model, "early")
        row = _modality_pair(comparisons, model, zoom, "early", "late") if zoom is not None else None
        if row is not None:
            sentences.append(f"{model_name(model)} at zoom {zoom}: {_which(row, 'early fusion', 'late fusion')}")
    return sentences


def _which(row: Row, a: str, b: str) -> str:
    span = f"RMSE difference {_signed(row['delta_rmse'])} dex, {_span(row)}"
    if row["high"] < 0:
        return f"{a} beats {b} ({span})."
    if row["low"] > 0:
        return f"{b} beats {a} ({span})."
    return f"{a} and {b} cannot be told apart ({span})."


def _models(comparisons: pd.DataFrame, best: Row) -> list[str]:
    part = comparisons[
        (comparisons["kind"] == "models")
        & (comparisons["modality"] == best["modality"])
        & (comparisons["zoom"] == best["zoom"])
    ]
    where = f"On {MODALITY_PHRASE[best['modality']]} at zoom {int(best['zoom'])}: "
    return [where + _which(row, model_name(row["a"]), model_name(row["b"])) for row in _records(part)]


def _zooms(metrics: pd.DataFrame, comparisons: pd.DataFrame, best: Row) -> list[str]:
    mine = (metrics["model"] == best["model"]) & (metrics["modality"] == best["modality"])
    seconds = {int(row["zoom"]): float(row["fit_s"]) for row in _records(metrics[mine])}
    part = comparisons[
        (comparisons["kind"] == "zooms")
        & (comparisons["model"] == best["model"])
        & (comparisons["modality"] == best["modality"])
    ]
    sentences = []
    for row in _records(part.sort_values("zoom")):
        zoom = int(row["zoom"])
        told = ", which excludes zero" if row["low"] > 0 or row["high"] < 0 else ", which cannot be told from zero"
        sentence = (
            f"From zoom {zoom - 1} to {zoom} the RMSE changes by {_signed(row['delta_rmse'])} dex ({_span(row)}{told})"
        )
        sentences.append(sentence + _saving(seconds, zoom) + ".")
    if sentences:
        sentences.insert(
            0, f"{model_name(best['model'])} on {MODALITY_PHRASE[best['modality']]}, each zoom with its own settings:"
        )
    return sentences


def _saving(seconds: dict[int, float], zoom: int) -> str:
    finer, coarser = seconds[zoom - 1], seconds[zoom]
    if not (finer > 0 and coarser > 0):
        return ""
    return f", and the fit takes {coarser:.2f} s in place of {finer:.2f} s ({coarser / finer:.2f} of it)"


def _power(metrics: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    n = int(metrics["n"].max())
    widths = ((comparisons["high"] - comparisons["low"]) / 2).dropna()
    if widths.empty:
        return [f"The test set has {n:,} galaxies, too few for an interval."]
    sentences = [
        f"With {n:,} test galaxies the paired intervals are about ±{widths.median():.3f} dex wide, "
        "so that smaller differences cannot be told from chance."
    ]
    if n < _SMALL:
        sentences.append("That is a small sample: read every ranking above as provisional.")
    sentences.append(
        "Each interval is a bootstrap over galaxies of one comparison by itself; of twenty such comparisons without "
        "any difference, one would be expected to exclude zero."
    )
    return sentences
