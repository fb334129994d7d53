"""Which run wins and by how much, and what each step down of the resolution costs it and the others, in sentences."""

import numpy as np
import pandas as pd

from hiss.evaluation.collect import BASELINE_NAMES, model_name, model_order
from hiss.evaluation.summarise import run_name
from hiss.modality import FUSIONS
from hiss.names import split_settings
from hiss.report.answers_label import short_meaning
from hiss.report.phrases import (
    BASELINES,
    OF_MODELS,
    Row,
    are_halvings,
    count,
    describe,
    fixed,
    listed,
    looks_at,
    lower_baselines,
    lowest,
    r2_beside_ceiling,
    records,
    same,
    signed,
    span,
    which,
    with_interval,
)
from hiss.report.thesis_claims import HOLDS


def best_run(metrics: pd.DataFrame, best: Row, verdict: str, sky: str) -> list[str]:
    """Say which learned run has the lowest validation RMSE, and what it reaches on the test set.

    Parameters
    ----------
    metrics
        Of all runs, the baselines among them.
    best
        Row of the learned run of the lowest validation RMSE.
    verdict
        On the thesis's main finding, as `hiss.report.thesis_claims.claims` has it first.
    sky
        Its kind: simulated, local, archive or existing.
    """
    learned = metrics[~metrics["model"].isin(BASELINE_NAMES)]
    settings = "" if best["modality"] in FUSIONS else f" ({', '.join(split_settings(str(best['settings'])))})"
    reached = (
        f"On the {int(best['n']):,} test galaxies, which no choice has seen, its RMSE is "
        f"{with_interval(best, 'rmse', ' dex')} and its R² {r2_beside_ceiling(best)}."
    )
    sentences = [
        f"{OF_MODELS.capitalize()}, {describe(best)}{settings} has the lowest RMSE on the validation set.",
        *filter(None, [lower_baselines(metrics, best)]),
        reached,
    ]
    if np.isfinite(best["r2_ceiling"]):
        sentences.append(_about_ceiling(best["r2_ceiling"], best["r2_low"]))
    sentences.append(short_meaning(sky))
    other = lowest(learned, "rmse")
    if other is not None and any(other[name] != best[name] for name in ("model", "modality", "zoom")):
        sentences.append(
            f"On the test set itself {describe(other)} is the lowest of these models, {fixed(other['rmse'])} dex"
            f"{_lower_still(metrics, other)}; it is named for completeness, since a choice by the test set would "
            "flatter."
        )
    if best["model"] == "lightgbm" and best["modality"] == "early":
        sentences.append(
            "This is the thesis's finding too: early-fusion LightGBM is best overall."
            if verdict == HOLDS
            else f"The validation set chooses it, as the thesis found; that it is the best of all {verdict}."
        )
    elif ((learned["model"] == "lightgbm") & (learned["modality"] == "early")).any():
        sentences.append(
            "The thesis found early-fusion LightGBM best overall; here the validation set chooses another."
        )
    return sentences


def _lower_still(metrics: pd.DataFrame, other: Row) -> str:
    """Name the baseline of the lowest test RMSE, where that is lower than a run's."""
    first = lowest(metrics[metrics["model"].isin(BASELINE_NAMES)], "rmse")
    if first is None or not first["rmse"] < other["rmse"]:
        return ""
    name = BASELINES[first["model"]]
    return f" ({name[:1].lower()}{name[1:]}, a baseline, has {fixed(first['rmse'])} dex)"


def _about_ceiling(ceiling: float, at_least: float) -> str:
    """Say what the label's own width allows, and what it means to be above it."""
    if ceiling <= 0:
        return "The label's own width (P16 to P84) is larger than the spread of the labels in this test set."
    text = (
        "Were the label's own width (P16 to P84) all noise, a perfect predictor would reach an R² of "
        f"{ceiling:.2f} on these test galaxies"
    )
    if not at_least > ceiling:
        return f"{text}."
    return f"{text}; the interval lies above it, so AVG scatters less between like galaxies than its width says."


def margins(comparisons: pd.DataFrame, learned: pd.DataFrame) -> list[str]:
    """Say by how much the winner beats the runner-up, and which of the other models and modalities it cannot beat.

    Each of the others is taken at the zoom where its validation RMSE is the lowest.
    """
    rows = records(comparisons[comparisons["kind"] == "best"])
    if not rows:
        return []
    runs = {run_name(row["model"], row["modality"], int(row["zoom"])): row for row in records(learned)}
    winner = describe(runs[rows[0]["a"]])
    named = [(row, describe(runs[row["b"]])) for row in rows]
    sentences = [f"Runner-up on the validation set, compared on the test set: {which(rows[0], winner, named[0][1])}"]
    if len(rows) == 1:
        return sentences
    others = count(len(rows), "other combination")
    if not any(np.isfinite(row["low"]) for row in rows):
        return [*sentences, f"Against none of {others} of model and modality is there an interval."]
    beaten = [name for row, name in named if row["high"] < 0]
    better = [f"{name} (by {fixed(row['delta_rmse'])} dex, {span(row)})" for row, name in named if row["low"] > 0]
    open_ = [f"{name} ({signed(row['delta_rmse'])} dex, {span(row)})" for row, name in named if _open(row)]
    sentences.append(
        f"Of {others} of model and modality, each at its best zoom, {winner} beats "
        f"{len(beaten)} with an interval that excludes zero."
    )
    if better:
        sentences.append(f"Better than it on the test set: {listed(better)}.")
    if open_:
        sentences.append(f"Not to be told apart from it: {listed(open_)}.")
    return sentences


def _open(row: Row) -> bool:
    """Whether an interval includes zero, or is none."""
    return not (row["high"] < 0 or row["low"] > 0)


def zooms(learned: pd.DataFrame, comparisons: pd.DataFrame, best: Row) -> list[str]:
    """Say what each halving of the resolution costs in RMSE and saves in time: of the winner, then of each other model.

    The others are taken with the modality of their lowest validation RMSE.
    """
    sentences = []
    steps = _steps(learned, comparisons, best)
    if steps:
        sentences.append(f"{model_name(best['model'])} {looks_at(best['modality'])}, each zoom with its own settings:")
        sentences += [_whole_step(row, *times) for row, times in steps]
        sentences += _range(learned, best)
    for model in model_order(learned["model"]):
        own = lowest(learned[learned["model"] == model], "validation_rmse")
        if model != best["model"] and own is not None and (steps := _steps(learned, comparisons, own)):
            said = "; ".join(_short_step(row, *times) for row, times in steps)
            sentences.append(f"{model_name(model)} {looks_at(own['modality'])}: {said}.")
    return sentences


def zoom_question(comparisons: pd.DataFrame) -> str:
    """Return the question of the zooms: of halvings where each is compared with the next finer one."""
    what = "each halving of the resolution" if are_halvings(comparisons) else "each step to a coarser zoom"
    return f"What does {what} cost, and save?"


_Step = tuple[Row, tuple[float, float]]


def _steps(learned: pd.DataFrame, comparisons: pd.DataFrame, run: Row) -> list[_Step]:
    """Return the comparisons of a zoom with the next finer, of a run's model and modality, and both fit times."""
    seconds = {int(row["zoom"]): float(row["fit_s"]) for row in records(_like(learned, run))}
    part = _like(comparisons[comparisons["kind"] == "zooms"], run)
    return [(row, (seconds[_zoom(row["b"])], seconds[_zoom(row["a"])])) for row in records(part.sort_values("zoom"))]


def _like(table: pd.DataFrame, run: Row) -> pd.DataFrame:
    return table[(table["model"] == run["model"]) & (table["modality"] == run["modality"])]


def _zoom(name: object) -> int:
    return int(str(name).split()[-1])


def _whole_step(row: Row, finer: float, coarser: float) -> str:
    if same(row):
        return f"At zooms {_zoom(row['b'])} and {_zoom(row['a'])} it predicts the same."
    told = ", which excludes zero" if not _open(row) else ", which cannot be told apart from zero"
    told = told if np.isfinite(row["low"]) else ""
    saved = _saving(finer, coarser)
    saving = f", and the fit takes {_seconds(coarser)} in place of {_seconds(finer)} ({saved} of it)" if saved else ""
    return (
        f"From zoom {_zoom(row['b'])} to {_zoom(row['a'])} the RMSE changes by {signed(row['delta_rmse'])} dex "
        f"({span(row)}{told}){saving}."
    )


def _short_step(row: Row, finer: float, coarser: float) -> str:
    saved = _saving(finer, coarser)
    time = f" at {saved} of the time" if saved else ""
    if same(row):
        return f"zooms {_zoom(row['b'])} and {_zoom(row['a'])} predict the same"
    return f"zoom {_zoom(row['b'])} to {_zoom(row['a'])} {signed(row['delta_rmse'])} dex ({span(row)}){time}"


def _saving(finer: float, coarser: float) -> str:
    """Return the coarser zoom's share of the finer one's time; empty where one is not known."""
    return f"{coarser / finer:.2f}" if finer > 0 and coarser > 0 else ""


def _seconds(value: float) -> str:
    return f"{value:,.2f} s" if value >= 0.01 else f"{1000 * value:.2g} ms"


def _range(learned: pd.DataFrame, best: Row) -> list[str]:
    """Say what lies between the finest and the coarsest zoom, where there are more than two."""
    own = records(_like(learned, best).sort_values("zoom"))
    if len(own) < 3:
        return []
    finest, coarsest = own[0], own[-1]
    times = _saving(finest["fit_s"], coarsest["fit_s"])
    saved = f", at {times} of the time of a fit" if times else ""
    return [
        f"From zoom {int(finest['zoom'])} to {int(coarsest['zoom'])} in all: an RMSE of {fixed(finest['rmse'])} "
        f"becomes {fixed(coarsest['rmse'])} dex{saved}."
    ]
