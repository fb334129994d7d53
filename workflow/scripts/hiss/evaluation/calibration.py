"""Are prediction intervals right at every level, not only at the one that was asked for.

The objects held out that make the intervals true at one level make them true at any. So the same files tell what the
interval of each level is on the test set, and how many of its objects it holds. The rank of a test object's residual
among those held out (the probability integral transform of the conformal predictive distribution; Vovk et al. 2017)
tells the rest: it is uniform where the two have one distribution, slopes where predictions are off on average, and is
hollow where they are surer than they may be.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom, binomtest

from hiss.errors import HissError
from hiss.evaluation.collect import BASELINE_NAMES
from hiss.evaluation.conformal import half_width, widened, widening
from hiss.files import read_table
from hiss.models.fusion import late_fusion

Array = NDArray[np.float64]

LEVELS: Final = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Nominal shares: 0.05 to 0.95."""

CALIBRATION_COLUMNS: Final = [
    "model", "modality", "zoom", "method", "part", "level", "n", "coverage", "low", "high", "expected_low",
    "expected_high",
]  # fmt: skip

_PLACE: Final = re.compile(
    r"(?:^|/)(?P<model>[^/]+)/(?P<modality>[^/]+)/zoom(?P<zoom>\d)(?:\.[^/]+|/[^/]+|/[^/]+/[^/]+)$"
)

_CONFIDENCE: Final = 0.95
_PIT_BINS: Final = 10


def by_run(paths: Iterable[Path | str]) -> dict[tuple[str, str, int], Path]:
    """Return files by model, modality and zoom.

    They are ``.../<model>/<modality>/zoom<k>.<suffix>``, ``.../<model>/<modality>/zoom<k>/<file>`` or, of a fusion,
    ``.../<model>/<modality>/zoom<k>/<settings>/<file>``; folders before may have any names.

    Raises
    ------
    HissError
        For a file that lies elsewhere.
    """
    found = {}
    for path in map(Path, paths):
        match = _PLACE.search(path.as_posix())
        if match is None:
            raise HissError(f"{path}: not in a folder <model>/<modality>/zoom<k>, which would tell whose it is")
        found[match["model"], match["modality"], int(match["zoom"])] = path
    return found


def held_out_of(
    model: str, modality: str, zoom: int, out_of_fold: Mapping[tuple[str, str, int], Path]
) -> pd.DataFrame | None:
    """Return ``row truth prediction`` of the training objects while held out, of a selected run or a fusion.

    Parameters
    ----------
    out_of_fold
        Tables of the selected runs, and of the stacked fusions, by model, modality and zoom.

    Returns
    -------
    DataFrame or None
        None where the run, or one of the two that are fused, was not cross-validated.
    """
    if modality == "late":
        parts = [out_of_fold.get((model, one, zoom)) for one in ("photo", "spectra")]
        tables = [read_table(path) for path in parts if path is not None]
        return late_fusion(*tables) if len(tables) == len(parts) else None
    path = out_of_fold.get((model, modality, zoom))
    return None if path is None else read_table(path)


def calibration_table(
    tests: pd.DataFrame,
    metrics: pd.DataFrame,
    split: pd.DataFrame,
    out_of_fold: Mapping[tuple[str, str, int], Path],
    quantiles: Mapping[tuple[str, int], Path],
    level: float,
) -> pd.DataFrame:
    """Return coverage at all levels, and ranks of the residuals, of each model's best run that has intervals.

    Parameters
    ----------
    tests
        All test_<model>.parquet, one below the other.
    metrics
        For ``validation_rmse``; the best run of a model is that of the lowest, and where that is a fusion without
        quantiles while the model has some, the best run with quantiles too.
    split
        ``row, group, split`` of the sample.
    out_of_fold
        As `held_out_of` takes it.
    quantiles
        out_of_fold.parquet of LightGBM's quantiles, by modality and zoom.
    level
        Share of the objects that the intervals of the tests are to hold.

    Returns
    -------
    DataFrame
        `CALIBRATION_COLUMNS`. ``part`` is ``coverage``: the share of ``n`` test objects within their interval of
        ``level``, with a Wilson interval of 95 %; or ``rank``: the share whose rank lies in the tenth that ends at
        ``level``, with the 95 % range that a uniform distribution leaves it, ``expected_low, expected_high``. Both take
        objects for independent. ``method`` is ``residuals`` or ``quantiles``.
    """
    rows: list[dict[str, Any]] = []
    for key in _best_runs(metrics, tests, quantiles):
        model, modality, zoom = key
        part = tests[(tests["model"] == model) & (tests["modality"] == modality) & (tests["zoom"] == zoom)]
        held_out = held_out_of(model, modality, zoom, out_of_fold)
        named = {"model": model, "modality": modality, "zoom": zoom}
        if held_out is not None:
            rows += [named | {"method": "residuals"} | row for row in _of_residuals(part, held_out, split)]
        ends = quantiles.get((modality, zoom)) if model == "lightgbm" else None
        if ends is not None and (part["method"] == "quantiles").all():
            found = _of_quantiles(part, read_table(ends), split, level)
            rows += [named | {"method": "quantiles"} | row for row in found]
    return pd.DataFrame(rows, columns=CALIBRATION_COLUMNS)


def _best_runs(
    metrics: pd.DataFrame, tests: pd.DataFrame, quantiles: Mapping[tuple[str, int], Path]
) -> list[tuple[str, str, int]]:
    keys = ["model", "modality", "zoom"]
    covered = tests.loc[tests["method"] != "", keys].drop_duplicates()
    learned = metrics[~metrics["model"].isin(list(BASELINE_NAMES))].merge(covered, on=keys)
    best = learned.sort_values("validation_rmse", kind="stable")
    with_ends = best[
        [row["model"] == "lightgbm" and (row["modality"], row["zoom"]) in quantiles for row in best.to_dict("records")]
    ]
    chosen = pd.concat([best.drop_duplicates("model"), with_ends.head(1)]).drop_duplicates(keys)
    return [(str(row["model"]), str(row["modality"]), int(row["zoom"])) for row in chosen.to_dict("records")]


def _of_residuals(test: pd.DataFrame, held_out: pd.DataFrame, split: pd.DataFrame) -> Iterator[dict[str, Any]]:
    error = (test["truth"] - test["prediction"]).to_numpy()
    for level in LEVELS:
        half = half_width(held_out, split, level)
        if np.isfinite(half):
            yield _coverage(level, np.abs(error) <= half)
    rank = ranks(error, (held_out["truth"] - held_out["prediction"]).to_numpy())
    yield from _histogram(rank)


def _of_quantiles(
    test: pd.DataFrame, held_out: pd.DataFrame, split: pd.DataFrame, level: float
) -> Iterator[dict[str, Any]]:
    """Yield the coverage of ends widened for each level, from those that were fitted for one.

    The fitted ends are taken back from the interval of the test set, which is widened or narrowed already. Where it was
    narrowed to its middle, how far apart they were is no more to be told: they are taken to have been just so far apart
    that they meet there, which is farther than they were, and the coverage at other levels comes out a little high.
    """
    by = widening(held_out, split, level)
    low, high = widened(test["low"], test["high"], -by)  # as far as they are to be told
    truth = test["truth"].to_numpy()
    for one in LEVELS:
        wider = widening(held_out, split, one)
        if np.isfinite(wider):
            below, above = widened(low, high, wider)
            yield _coverage(one, (below <= truth) & (truth <= above))


def _coverage(level: float, within: NDArray[np.bool_]) -> dict[str, Any]:
    low, high = binomtest(int(within.sum()), len(within)).proportion_ci(_CONFIDENCE, method="wilson")
    return {"part": "coverage", "level": level, "n": len(within), "coverage": within.mean(), "low": low, "high": high}


def ranks(values: Array, among: Array) -> Array:
    """Return (n,) the share of some values that lie below each, ties counted half, in (0, 1)."""
    ordered = np.sort(among)
    below, upto = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    share: Array = ((below + upto) / 2 + 0.5) / (len(ordered) + 1)
    return share


def _histogram(rank: Array) -> Iterator[dict[str, Any]]:
    n = len(rank)
    counts = np.histogram(rank, _PIT_BINS, (0, 1))[0]
    ends = binom.ppf([(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2], n, 1 / _PIT_BINS) / n
    for place, count in enumerate(counts, start=1):
        row = {"part": "rank", "level": place / _PIT_BINS, "n": n, "coverage": count / n}
        yield row | {"expected_low": ends[0], "expected_high": ends[1]}
