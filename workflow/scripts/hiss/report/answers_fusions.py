"""What fusing images and spectra brings, and which way of doing it is the best, in sentences."""

import pandas as pd

from hiss.evaluation.collect import modality_order, model_name, model_order
from hiss.evaluation.summarise import better_single
from hiss.report.phrases import Row, lowest, modality_phrase, records, verdict, which


def early(learned: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    """Say whether early fusion beats the better single modality, for each model.

    Parameters
    ----------
    learned, comparisons
        Metrics without the baselines, and paired differences.
    """
    sentences = []
    for model, zoom in _best_zooms(learned, "early").items():
        better = better_single(learned, model, zoom)
        row = _pair(comparisons, model, zoom, "early", better) if better else None
        if row is not None:
            said = verdict(row, "early fusion", modality_phrase(str(better)))
            sentences.append(f"{model_name(model)} at zoom {zoom}: {said}")
    if sentences:
        sentences.insert(0, "Each model is taken at the zoom where its early fusion has the lowest validation RMSE.")
        sentences += _over_all(learned, comparisons)
    return sentences


def _over_all(learned: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    """Count, over all models and zooms, how often each fusion beats the better single modality and how often not."""
    pairs = records(comparisons[comparisons["kind"] == "modalities"])
    rows = [row for row in pairs if row["b"] == better_single(learned, row["model"], row["zoom"])]
    said = []
    for fusion in modality_order(row["a"] for row in rows):
        own = [row for row in rows if row["a"] == fusion]
        better, worse = sum(row["high"] < 0 for row in own), sum(row["low"] > 0 for row in own)
        said.append(
            f"{modality_phrase(fusion)} is significantly better {_times(better)}, significantly worse {_times(worse)}, "
            f"and cannot be told apart {_times(len(own) - better - worse)}"
        )
    if len(rows) < 2:
        return []
    return [
        f"Over all models and zooms, each interval by itself: of {len(rows)} comparisons with the better single "
        f"modality, {'; '.join(said)}."
    ]


def _times(number: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(number, f"{number} times")


def early_or_late(learned: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    """Say which of early and late fusion is better, for each model."""
    return _pairs(learned, comparisons, "early", "late")


def stacking(learned: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    """Say whether a meta-learner on out-of-fold predictions is better than their mean, for each model."""
    return _pairs(learned, comparisons, "stacked", "late")


def attention(learned: pd.DataFrame, comparisons: pd.DataFrame, variants: pd.DataFrame | None) -> list[str]:
    """Say whether attention between the trunks beats their concatenation: in the grid, else as a variant of it."""
    found = _pairs(learned, comparisons, "attention", "early")
    if found or variants is None:
        return found
    tried = variants[(variants["modality"] == "attention") & (variants["base"] == "early")]
    return [
        f"{model_name(row['model'])} at zoom {int(row['zoom'])}, on the validation set: "
        f"{which(row, 'attention fusion', 'early fusion')}"
        for row in records(tried)
    ]


def _pairs(learned: pd.DataFrame, comparisons: pd.DataFrame, a: str, b: str) -> list[str]:
    """Say which of two fusions is better, each model at the zoom where the first has the lowest validation RMSE."""
    sentences = []
    for model, zoom in _best_zooms(learned, a).items():
        row = _pair(comparisons, model, zoom, a, b)
        if row is not None:
            said = which(row, modality_phrase(a), modality_phrase(b))
            sentences.append(f"{model_name(model)} at zoom {zoom}: {said}")
    return sentences


def _best_zooms(learned: pd.DataFrame, modality: str) -> dict[str, int]:
    """Return the zoom of the lowest validation RMSE of each model that has the modality."""
    part = learned[learned["modality"] == modality]
    rows = {model: lowest(part[part["model"] == model], "validation_rmse") for model in model_order(part["model"])}
    return {model: int(row["zoom"]) for model, row in rows.items() if row is not None}


def _pair(comparisons: pd.DataFrame, model: str, zoom: int, a: str, b: str) -> Row | None:
    part = comparisons[
        (comparisons["kind"] == "modalities")
        & (comparisons["model"] == model)
        & (comparisons["zoom"] == zoom)
        & (comparisons["a"] == a)
        & (comparisons["b"] == b)
    ]
    return None if part.empty else records(part)[0]
