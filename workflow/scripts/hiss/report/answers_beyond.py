"""What the thesis did not ask, in sentences: baselines, cascade, intervals, variants."""

import re

import numpy as np
import pandas as pd

from hiss.evaluation.cascade_words import verdict as cascade_verdict
from hiss.evaluation.collect import BASELINE_NAMES, model_name
from hiss.evaluation.coverage import ALL_OBJECTS
from hiss.evaluation.variants import without_shares
from hiss.plots.intervals import METHOD_LABEL, best_covered
from hiss.report.phrases import (
    BASELINES,
    Row,
    count,
    describe,
    listed,
    looks_at,
    minus,
    percent,
    r2_beside_ceiling,
    records,
    signed,
    span,
)


def baselines(metrics: pd.DataFrame, comparisons: pd.DataFrame, best: Row, fibre: str = "") -> list[str]:
    """Say how far the best model is above each baseline, and what the fibre costs the one that sees a line alone."""
    sentences = []
    for name in BASELINE_NAMES:
        own = metrics[metrics["model"] == name]
        pair = comparisons[
            (comparisons["kind"] == "baselines")
            & (comparisons["a"] == best["model"])
            & (comparisons["b"] == name)
            & (comparisons["modality"] == best["modality"])
            & (comparisons["zoom"] == best["zoom"])
        ]
        if len(own) and len(pair):
            sentences.append(_above(records(own)[0], records(pair)[0]))
    if sentences:
        sentences.insert(0, f"{describe(best)} against each baseline, on the same test galaxies:")
        sentences += [fibre] if fibre else []
    return sentences


def _above(own: Row, pair: Row) -> str:
    what = f"{BASELINES[own['model']]}{_settings(own)} has an R² of {r2_beside_ceiling(own)}"
    what += f" and an RMSE of {own['rmse']:.3f} dex"
    if not np.isfinite(pair["low"]):
        return f"{what}; there are too few objects for an interval of the difference."
    if pair["high"] < 0:
        return f"{what}; the model's RMSE is lower by {-pair['delta_rmse']:.3f} dex ({span(pair)})."
    if pair["low"] > 0:
        return f"{what}; the model's RMSE is higher by {pair['delta_rmse']:.3f} dex ({span(pair)}): it does not pay."
    return f"{what}; the two cannot be told apart (RMSE difference {signed(pair['delta_rmse'])} dex, {span(pair)})."


def _settings(own: Row) -> str:
    return "" if own["settings"] == "default" else f" ({own['settings']})"


def cascade(table: pd.DataFrame | None) -> list[str]:
    """Say what sending the uncertain objects on to the fine zoom costs and brings."""
    if table is None or table.empty:
        return []
    return [re.sub(r"-(?=\d)", "−", cascade_verdict(table)).replace(" %", "\u00a0%")]


def intervals(table: pd.DataFrame | None, learned: pd.DataFrame) -> list[str]:
    """Say how often the intervals of the best run of each model hold the truth, overall and where it is seldomest."""
    if table is None or table.empty:
        return []
    part = best_covered(table, learned)
    sentences = []
    for (_, method), rows in part.groupby(["model", "method"], sort=False):
        whole = rows[rows["bin"] == ALL_OBJECTS]
        sentences += [_covered(row, METHOD_LABEL[str(method)]) + _worst(rows) for row in records(whole)]
    return sentences


def _covered(row: Row, method: str) -> str:
    level, low, high = row["level"], row["coverage_low"], row["coverage_high"]
    reading = f"which cannot be told apart from {percent(level)}"
    if high < level:
        reading = "fewer than promised"
    elif low > level:
        reading = "more than promised: they are wider than need be"
    width = f"{row['mean_width']:.2f} dex wide on average" if np.isfinite(row["mean_width"]) else "without an end"
    return (
        f"{describe(row)}: intervals of {percent(level)} ({method}) hold {percent(row['coverage'])} of the test "
        f"galaxies (95\u00a0% interval {100 * low:.1f} to {percent(high)}), {reading}; they are {width}"
    )


def _worst(rows: pd.DataFrame) -> str:
    """Name the bin of AVG with the lowest coverage, where its interval lies below the level."""
    short = rows[(rows["bin"] != ALL_OBJECTS) & (rows["coverage_high"] < rows["level"])]
    if short.empty:
        return ", and in no bin of SFR is the coverage clearly below the level."
    row = records(short.sort_values("coverage", kind="stable"))[0]
    edges = minus(f"{row['avg_low']:.1f} to {row['avg_high']:.1f}")
    return f"; of log SFR {edges} they hold only {percent(row['coverage'])}."


def variants(table: pd.DataFrame | None) -> list[str]:
    """Say which variants change the RMSE on the validation objects, and which cannot be told apart from the study."""
    if table is None or table.empty:
        return []
    table = without_shares(table)
    known = table[table["low"].notna()]
    told = known[(known["low"] > 0) | (known["high"] < 0)]
    sentences = [
        "Selected settings were trained once more with one thing changed and compared with the study's own on the "
        f"validation galaxies that both have. Of {count(len(known), 'difference')} with an interval, {len(told)} "
        f"{'excludes' if len(told) == 1 else 'exclude'} zero; without any effect about {0.05 * len(known):.0f} would."
    ]
    for name, rows in told.groupby("variant", sort=False):
        what = f"{name} ({rows['changed'].iloc[0]})"
        sentences.append(f"{what}: {listed([_change(row) for row in records(rows)])}.")
    same = [str(name) for name in dict.fromkeys(known["variant"]) if name not in set(told["variant"])]
    if same:
        sentences.append(f"Cannot be told apart from the study: {listed(same)}.")
    apart = [str(name) for name in dict.fromkeys(table["variant"]) if name not in set(known["variant"])]
    if apart:
        sentences.append(f"Cannot be compared, with too few validation galaxies in common: {listed(apart)}.")
    return sentences


def _change(row: Row) -> str:
    better = "lower" if row["delta_rmse"] < 0 else "higher"
    where = f"{model_name(row['model'])} {looks_at(row['base'])} at zoom {int(row['zoom'])}"
    than = "" if row["against_zoom"] == row["zoom"] else f" than at zoom {int(row['against_zoom'])}"
    return f"{where} has an RMSE {better}{than} by {abs(row['delta_rmse']):.3f} dex ({span(row)})"
