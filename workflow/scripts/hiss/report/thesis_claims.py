"""The thesis's claims, one by one, and what this sky says to each: it holds, does not hold, or cannot be told.

What the thesis reports is in the study's facts: its best overall, its selected settings; that a model of both kinds of
data should beat the combination of separate results is its assignment's. Its own numbers are of another sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from hiss.evaluation.collect import BASELINE_NAMES, modality_order, model_name, model_order
from hiss.evaluation.selection import criterion_of
from hiss.evaluation.summarise import better_single, run_name
from hiss.plots.style import modality_label
from hiss.report.given import StudyTables
from hiss.report.phrases import (
    OF_MODELS,
    Row,
    count,
    describe,
    fixed,
    listed,
    lowest,
    modality_phrase,
    r2_beside_ceiling,
    records,
    signed,
    span,
    with_interval,
)
from hiss.report.tables import Table, text

HOLDS, FAILS, PARTLY, OPEN = "holds", "does not hold", "holds in part", "cannot be told"

BEST_SETTINGS: Final[Mapping[str, Mapping[str, Mapping[str, float]]]] = {
    "decision_tree": {"photo": {"max_depth": 4}, "spectra": {"max_depth": 2}, "early": {"max_depth": 3}},
    "vggnet12": {
        "photo": {"learning_rate": 1e-5},
        "spectra": {"learning_rate": 3e-6},
        "early": {"learning_rate": 1e-5},
    },
    "lightgbm": {
        "photo": {"learning_rate": 0.1, "max_depth": 8},
        "spectra": {"learning_rate": 0.03, "max_depth": 7},
        "early": {"learning_rate": 0.1, "max_depth": 9},
    },
}
"""The settings that the thesis selected (3.7 to 3.9)."""


@dataclass(frozen=True)
class Claim:
    """A claim, where it is made, what this study found, and whether the claim holds on this sky."""

    claim: str
    source: str
    found: str
    verdict: str


def claims(study: StudyTables) -> list[Claim]:
    """Return the claims that this study can say something to, its own grid permitting."""
    learned = study.metrics[~study.metrics["model"].isin(BASELINE_NAMES)]
    if lowest(learned, "validation_rmse") is None:
        return []
    return [
        _best_overall(learned, study.comparisons),
        _photo_vgg(learned, study.comparisons),
        *_fusion_claims(learned, study.comparisons),
        *_settings_claims(study.runs, study.selection),
        *_run_times(learned),
    ]


def claims_table(found: list[Claim]) -> Table:
    """Return the claims as a table of the report."""
    columns = [("claim", False), ("where", False), ("found here", False), ("on this sky", False)]
    rows = [[text(claim.claim), text(claim.source), text(claim.found), text(claim.verdict)] for claim in found]
    note = (
        "A claim about which is better holds where the 95\u00a0% interval of the paired difference of test RMSE says "
        "so, and cannot be told where it includes zero. A setting holds where the same is selected at every zoom."
    )
    return Table("The thesis's claims on this sky", columns, rows, note)


def sentences(found: list[Claim]) -> list[str]:
    """Count the verdicts and name the claims that do not hold."""
    if not found:
        return []
    verdicts = [claim.verdict for claim in found if claim.verdict]
    counted = [count(verdicts.count(name), *words) for name, words in _COUNTED.items() if name in verdicts]
    said = [f"Of {count(len(verdicts), 'claim')}, on this sky: {listed(counted)}; the table below has each."]
    said += [f"{claim.claim}: {claim.verdict}. {claim.found}" for claim in found[:2]]
    failing = [claim.claim for claim in found[2:] if claim.verdict == FAILS]
    if failing:
        said.append(f"Further claims that do not hold on this sky: {'; '.join(failing)}.")
    return said


_COUNTED: Final = {
    HOLDS: ("holds", "hold"),
    PARTLY: ("holds in part", "hold in part"),
    FAILS: ("does not hold", "do not hold"),
    OPEN: ("cannot be told", "cannot be told"),
}


def _verdict(row: Row, sign: int = 1) -> str:
    """Return whether a is better than b by a paired difference, a less b; with ``sign`` -1, whether b is."""
    low, high = sorted((sign * row["low"], sign * row["high"])) if np.isfinite(row["low"]) else (np.nan, np.nan)
    if high < 0:
        return HOLDS
    return FAILS if low > 0 else OPEN


def _difference(row: Row) -> str:
    return f"RMSE difference {signed(row['delta_rmse'])} dex, {span(row)}"


# ---- which is the best ----


def _best_overall(learned: pd.DataFrame, comparisons: pd.DataFrame) -> Claim:
    claim, source = "Early-fusion LightGBM is the best of all", "thesis, its main finding"
    best = lowest(learned, "validation_rmse")
    own = lowest(learned[(learned["model"] == "lightgbm") & (learned["modality"] == "early")], "validation_rmse")
    if best is None or own is None:
        return Claim(claim, source, "Early-fusion LightGBM is not in this grid.", OPEN)
    pairs = comparisons[comparisons["kind"] == "best"]
    if best["model"] == "lightgbm" and best["modality"] == "early":
        found = f"It has the lowest validation RMSE {OF_MODELS}; on the test set {with_interval(best, 'rmse', ' dex')}."
        if pairs.empty:
            return Claim(claim, source, f"{found} Nothing else is in the grid to compare it with.", OPEN)
        rows = records(pairs)
        told = f"{found} Less the runner-up, {_named(rows[0]['b'], learned)}: {_difference(rows[0])}."
        better = [f"{_named(row['b'], learned)} ({_difference(row)})" for row in rows[1:] if _verdict(row) == FAILS]
        told += f" Better on the test set: {listed(better)}." if better else ""
        return Claim(claim, source, told, _of_all(rows))
    found = f"The lowest validation RMSE {OF_MODELS} is that of {describe(best)}."
    row = _row(pairs, b=run_name("lightgbm", "early", int(own["zoom"])))
    if row is None:
        return Claim(claim, source, found, OPEN)
    told = f"{found} Less {describe(own)}: {_difference(row)}."
    # Chosen by validation: where the test set says the contrary, the two choices disagree and nothing is told.
    return Claim(claim, source, told, FAILS if _verdict(row) == HOLDS else OPEN)


def _of_all(rows: list[Row]) -> str:
    """Return whether a is better than each b: it is where all say so, and is not where one says the contrary."""
    verdicts = {_verdict(row) for row in rows}
    return FAILS if FAILS in verdicts else HOLDS if verdicts == {HOLDS} else OPEN


def _named(run: str, learned: pd.DataFrame) -> str:
    for row in records(learned):
        if run_name(row["model"], row["modality"], int(row["zoom"])) == run:
            return describe(row)
    return run


def _photo_vgg(learned: pd.DataFrame, comparisons: pd.DataFrame) -> Claim:
    claim, source = "VGGNet12 is strong on the images alone", "thesis, beside its main finding"
    photo = learned[learned["modality"] == "photo"]
    own = lowest(photo[photo["model"] == "vggnet12"], "validation_rmse")
    if own is None:
        return Claim(claim, source, "VGGNet12 on the images alone is not in this grid.", OPEN)
    reached = f"{describe(own)}: RMSE {with_interval(own, 'rmse', ' dex')}, R² {r2_beside_ceiling(own)}."
    here = comparisons[(comparisons["kind"] == "models") & (comparisons["modality"] == "photo")]
    rows = records(here[(here["a"] == "vggnet12") & (here["zoom"] == own["zoom"])])
    if not rows:
        return Claim(claim, source, f"{reached} No other model is there to compare it with.", OPEN)
    against = listed([f"{model_name(row['b'])} ({_difference(row)})" for row in rows])
    return Claim(claim, source, f"{reached} On the same images, less {against}.", _of_all(rows))


# ---- fusion ----


def _fusion_claims(learned: pd.DataFrame, comparisons: pd.DataFrame) -> list[Claim]:
    """Early against the better single modality, and early against late, where each model's early fusion is best."""
    found = []
    for model in model_order(learned["model"]):
        own = lowest(learned[(learned["model"] == model) & (learned["modality"] == "early")], "validation_rmse")
        if own is None:
            continue
        pairs = comparisons[(comparisons["kind"] == "modalities") & (comparisons["model"] == model)]
        pairs = pairs[(pairs["zoom"] == own["zoom"]) & (pairs["a"] == "early")]
        where = f"{model_name(model)} at zoom {int(own['zoom'])}"
        single = better_single(learned, model, int(own["zoom"]))
        for other, claim, source in (
            (single, "Images and spectra together beat the better of them", "thesis, implied by its main finding"),
            ("late", "One model of both beats the mean of separate results", "thesis's assignment, task 2"),
        ):
            row = _row(pairs, b=other)
            if row is not None:
                told = f"{where}: early fusion less {modality_phrase(str(other))}, {_difference(row)}."
                found.append(Claim(f"{claim}: {model_name(model)}", source, told, _verdict(row)))
    return found


def _row(table: pd.DataFrame, **wanted: Any) -> Row | None:
    for name, value in wanted.items():
        table = table[table[name] == value]
    return None if table.empty else records(table)[0]


# ---- settings ----


def _settings_claims(runs: pd.DataFrame, selection: pd.DataFrame) -> list[Claim]:
    if runs.empty:
        return []
    return [
        _settings_claim(runs, selection, model, modality, settings)
        for model, by_modality in BEST_SETTINGS.items()
        for modality, settings in by_modality.items()
        if ((runs["model"] == model) & (runs["modality"] == modality)).any()
    ]


def _settings_claim(
    runs: pd.DataFrame, selection: pd.DataFrame, model: str, modality: str, settings: Mapping[str, float]
) -> Claim:
    """Compare the thesis's best setting with the one selected at each zoom, by the criterion of the selection."""
    claim = f"{model_name(model)}, {modality_label(modality)}: best {_said(settings)}"
    source = "thesis, 3.7 to 3.9"
    mine = runs[(runs["model"] == model) & (runs["modality"] == modality)]
    theirs = mine[np.logical_and.reduce([np.isclose(mine[name].astype(float), settings[name]) for name in settings])]
    chosen = mine[mine["path"].isin(selection["path"])].sort_values("zoom")
    here = listed([f"{_said({key: row[key] for key in settings})} at zoom {row['zoom']}" for row in records(chosen)])
    if theirs.empty:
        return Claim(claim, source, f"Not in this grid. Selected here: {here}.", OPEN)
    same = set(chosen.loc[chosen["path"].isin(theirs["path"]), "zoom"])
    verdict = HOLDS if same == set(chosen["zoom"]) else PARTLY if same else FAILS
    return Claim(claim, source, f"Selected here: {here}.{_lost(model, theirs, chosen)}", verdict)


def _said(settings: Mapping[str, float]) -> str:
    """Return ``learning rate 0.1, depth 9``."""
    names = {"learning_rate": "learning rate", "max_depth": "depth"}
    return ", ".join(f"{names[key]} {value:g}" for key, value in settings.items())


def _lost(model: str, theirs: pd.DataFrame, chosen: pd.DataFrame) -> str:
    """Say how much the thesis's setting loses at most, by what the setting is selected by."""
    column, smaller = criterion_of(model)
    pairs = theirs.groupby("zoom")[[column]].first().join(chosen.set_index("zoom")[column].rename("chosen"))
    lost = (pairs[column] - pairs["chosen"]) * (1 if smaller else -1)
    if lost.dropna().empty or lost.max() <= 0:
        return ""
    name, unit = ("validation RMSE", " dex") if smaller else ("R² of the folds", "")
    return f" The thesis's is behind by at most {fixed(float(lost.max()))}{unit} ({name})."


# ---- time ----


def _run_times(learned: pd.DataFrame) -> list[Claim]:
    """Order the modalities by the time of a fit, at the finest zoom of each model; there is no claim to test."""
    found = []
    for model in model_order(learned["model"]):
        own = learned[(learned["model"] == model) & (learned["fit_s"] > 0)]
        if own.empty:
            continue
        finest = own[own["zoom"] == own["zoom"].min()].set_index("modality")["fit_s"].to_dict()
        order = sorted(modality_order(finest), key=lambda name: finest[name])
        said = ", ".join(f"{modality_label(name)} {finest[name]:,.3g} s" for name in order)
        told = f"Fit at zoom {int(own['zoom'].min())}, from the shortest: {said}."
        figure = {"decision_tree": "3.8", "vggnet12": "3.16", "lightgbm": "3.24"}.get(model)
        where = f"thesis, Figure {figure}" if figure else ""
        found.append(Claim(f"{model_name(model)}: run time across modalities, which the thesis shows", where, told, ""))
    return found
