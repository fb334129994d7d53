"""How often prediction intervals hold the truth of test objects, and how wide they are."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from hiss.evaluation.collect import modality_order, model_order
from hiss.sample.split import quantile_bins

COVERAGE_COLUMNS: Final = [
    "model", "modality", "zoom", "method", "bin", "avg_low", "avg_high", "n", "level",
    "coverage", "coverage_low", "coverage_high", "mean_width", "median_width",
]  # fmt: skip

ALL_OBJECTS: Final = "all"
"""``bin`` of all test objects together; the others are 1, 2, ... from the lowest AVG."""

_CONFIDENCE: Final = 0.95


def coverage_table(tests: pd.DataFrame, level: float | None, bins: int) -> pd.DataFrame:
    """Return coverage and width of the intervals of each selected run and fusion, overall and by AVG.

    Where a run has quantiles, the interval of its residuals stands beside: ``method`` is ``quantiles``, whose width
    follows the object, or ``residuals``, whose width is one for all.

    Parameters
    ----------
    tests
        All test_<model>.parquet, one below the other.
    level
        Share of the objects that an interval is to hold; None without intervals.
    bins
        Quantile bins of AVG.

    Returns
    -------
    DataFrame
        `COVERAGE_COLUMNS`: ``avg_low, avg_high`` [log10(M_sun/yr)] is the range of the bin's labels, ``coverage`` the
        share of its ``n`` objects within their interval, with a Wilson interval of 95 % that takes objects for
        independent, widths [dex] of the whole interval. No row without intervals.
    """
    rows = []
    if level is not None:
        for (model, modality, zoom), part in tests.groupby(["model", "modality", "zoom"], sort=False):
            for method, ends in _by_method(part):
                key = {"model": model, "modality": modality, "zoom": zoom, "method": method}
                rows += [key | row | {"level": level} for row in _rows(ends, bins)]
    table = pd.DataFrame(rows, columns=COVERAGE_COLUMNS)
    ranks = {
        "model": {name: place for place, name in enumerate(model_order(table["model"]))},
        "modality": {name: place for place, name in enumerate(modality_order(table["modality"]))},
    }
    keys = table.assign(**{name: table[name].map(rank) for name, rank in ranks.items()})
    order = keys.sort_values(["model", "modality", "zoom", "method"], kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _by_method(part: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each method's ``truth, low, high`` of one run's objects; nothing where it has no interval."""
    for method, ends in part.groupby("method", sort=True):
        if method:
            yield str(method), ends[["truth", "low", "high"]]
    beside = part[(part["method"] == "quantiles") & part["half_width"].notna()]
    if len(beside):
        low, high = beside["prediction"] - beside["half_width"], beside["prediction"] + beside["half_width"]
        yield "residuals", pd.DataFrame({"truth": beside["truth"], "low": low, "high": high})


def _rows(ends: pd.DataFrame, bins: int) -> Iterator[dict[str, Any]]:
    yield _row(ALL_OBJECTS, ends)
    place_of = quantile_bins(ends["truth"].to_numpy(dtype=np.float64), bins) + 1
    for place, part in ends.groupby(place_of, sort=True):
        yield _row(str(place), part)


def _row(name: str, ends: pd.DataFrame) -> dict[str, Any]:
    within = int(((ends["low"] <= ends["truth"]) & (ends["truth"] <= ends["high"])).sum())
    low, high = binomtest(within, len(ends)).proportion_ci(_CONFIDENCE, method="wilson")
    width = ends["high"] - ends["low"]
    return {
        "bin": name,
        "avg_low": ends["truth"].min(),
        "avg_high": ends["truth"].max(),
        "n": len(ends),
        "coverage": within / len(ends),
        "coverage_low": low,
        "coverage_high": high,
        "mean_width": width.mean(),
        "median_width": width.median(),
    }
