"""The answers of the study, as sentences made from its tables; the thesis's questions first."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hiss.evaluation.collect import BASELINE_NAMES, model_name
from hiss.evaluation.meaning import R2_MEANING
from hiss.modality import FUSIONS
from hiss.names import split_settings
from hiss.report import answers_beyond as beyond
from hiss.report import answers_fusions as fusions
from hiss.report.given import StudyTables
from hiss.report.phrases import Row, describe, looks_at, lowest, records, signed, span, which, with_interval

_SMALL = 300  # test galaxies below which a ranking is called provisional


@dataclass(frozen=True)
class Answer:
    """A question of the study and what this run says to it."""

    question: str
    sentences: list[str]


def answers(study: StudyTables) -> list[Answer]:
    """Return the answers that the tables allow, the most important first."""
    metrics, comparisons = study.metrics, study.comparisons
    learned = metrics[~metrics["model"].isin(BASELINE_NAMES)]
    best = lowest(learned, "validation_rmse")
    if best is None:
        return []
    found = [
        Answer("Which model predicts the star formation rate best, and from what?", _best(learned, best)),
        Answer("What does R² mean here?", [text.replace("R2", "R²") for text in R2_MEANING]),
        Answer(
            "How far is it above what is known without learning?",
            beyond.baselines(metrics, comparisons, best, study.fibre),
        ),
        Answer("Does early fusion beat the better single modality?", fusions.early(learned, comparisons)),
        Answer("Which fusion is better, early or late?", fusions.early_or_late(learned, comparisons)),
        Answer("Does stacking beat the mean?", fusions.stacking(learned, comparisons)),
        Answer("Does attention beat concatenation?", fusions.attention(learned, comparisons, study.variants)),
        Answer("Does the choice of model matter?", _models(comparisons, best)),
        Answer("What does each halving of the resolution cost, and save?", _zooms(learned, comparisons, best)),
        Answer("Is it enough to look closely at the uncertain objects?", beyond.cascade(study.cascade)),
        Answer("Do the prediction intervals hold what they promise?", beyond.intervals(study.intervals, learned)),
        Answer("Would another sample, input or setting have changed the result?", beyond.variants(study.variants)),
        Answer("How small a difference can this test set tell?", _power(learned, comparisons)),
    ]
    return [answer for answer in found if answer.sentences]


def _best(learned: pd.DataFrame, best: Row) -> list[str]:
    settings = "" if best["modality"] in FUSIONS else f" ({', '.join(split_settings(str(best['settings'])))})"
    sentences = [
        f"{describe(best)}{settings} has the lowest RMSE on the validation set. On the {int(best['n']):,} "
        f"test galaxies, which no choice has seen, its RMSE is {with_interval(best, 'rmse', ' dex')} "
        f"and its R² {with_interval(best, 'r2')}.",
    ]
    if np.isfinite(best["r2_ceiling"]):
        sentences.append(_about_ceiling(best["r2_ceiling"], best["r2_low"]))
    other = lowest(learned, "rmse")
    if other is not None and any(other[name] != best[name] for name in ("model", "modality", "zoom")):
        sentences.append(
            f"On the test set itself {describe(other)} is the lowest, {other['rmse']:.3f} dex; "
            "it is named for completeness, since a choice by the test set would flatter."
        )
    if best["model"] == "lightgbm" and best["modality"] == "early":
        sentences.append("This is the thesis's finding too: early-fusion LightGBM is best overall.")
    elif ((learned["model"] == "lightgbm") & (learned["modality"] == "early")).any():
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


def _models(comparisons: pd.DataFrame, best: Row) -> list[str]:
    part = comparisons[
        (comparisons["kind"] == "models")
        & (comparisons["modality"] == best["modality"])
        & (comparisons["zoom"] == best["zoom"])
    ]
    where = f"{looks_at(best['modality']).capitalize()} at zoom {int(best['zoom'])}: "
    return [where + which(row, model_name(row["a"]), model_name(row["b"])) for row in records(part)]


def _zooms(learned: pd.DataFrame, comparisons: pd.DataFrame, best: Row) -> list[str]:
    mine = (learned["model"] == best["model"]) & (learned["modality"] == best["modality"])
    seconds = {int(row["zoom"]): float(row["fit_s"]) for row in records(learned[mine])}
    part = comparisons[
        (comparisons["kind"] == "zooms")
        & (comparisons["model"] == best["model"])
        & (comparisons["modality"] == best["modality"])
    ]
    sentences = []
    for row in records(part.sort_values("zoom")):
        told = (
            ", which excludes zero" if row["low"] > 0 or row["high"] < 0 else ", which cannot be told apart from zero"
        )
        coarser, finer = (int(str(row[side]).split()[-1]) for side in ("a", "b"))
        sentence = (
            f"From zoom {finer} to {coarser} the RMSE changes by {signed(row['delta_rmse'])} dex ({span(row)}{told})"
        )
        sentences.append(sentence + _saving(seconds[finer], seconds[coarser]) + ".")
    if sentences:
        sentences.insert(
            0, f"{model_name(best['model'])} {looks_at(best['modality'])}, each zoom with its own settings:"
        )
    return sentences


def _saving(finer: float, coarser: float) -> str:
    if not (finer > 0 and coarser > 0):
        return ""
    return f", and the fit takes {coarser:.2f} s in place of {finer:.2f} s ({coarser / finer:.2f} of it)"


def _power(learned: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    n = int(learned["n"].max())
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
