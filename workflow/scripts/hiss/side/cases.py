"""Science cases: test objects of a kind, on which early fusion is measured against late and against each modality."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from hiss.errors import HissError
from hiss.evaluation.collect import model_order
from hiss.evaluation.intervals import bootstrap_rmse, interval, resample_groups
from hiss.models.metrics import rmse

Doubles = NDArray[np.float64]
Key = tuple[str, str, int]
"""Model, modality and zoom."""

FUSED: Final = "early"
RIVALS: Final = ("late", "stacked", "photo", "spectra")
"""What early fusion is set against: what is made of predictions apart, and each kind of data alone."""

LOWER, HIGHER, UNTOLD, TOO_FEW = "lower", "higher", "cannot tell", "too few"
UNADJUSTED: Final = ", unadjusted"
"""After a verdict: its interval excludes zero, but not so many comparisons leave it standing."""

LEVEL: Final = 0.05
_POWER: Final = 0.8

CASE_COLUMNS: Final = [
    "case", "column", "side", "limit", "quantile", "model", "zoom", "against", "n", "n_rest", "n_unknown",
    "rmse_early", "rmse_against", "delta_rmse", "low", "high", "p", "p_holm", "verdict", "detectable",
    "rmse_early_rest", "rmse_against_rest", "delta_rest", "low_rest", "high_rest",
    "change", "change_low", "change_high", "change_p", "change_p_holm", "change_verdict",
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Objects on one side of a limit of something measured."""

    name: str
    column: str
    side: str
    """``below`` or ``above``."""
    limit: float
    """NaN where no object of the study has the property."""
    quantile: float | None
    """Of the study's objects, where the limit is one."""
    reason: str

    def inside(self, values: Doubles) -> NDArray[np.bool_]:
        """Return (n,) which objects are of the case; one of unknown value is not."""
        with np.errstate(invalid="ignore"):
            found: NDArray[np.bool_] = values < self.limit if self.side == "below" else values > self.limit
        return found


def place_cases(cases: Mapping[str, Mapping[str, Any]], objects: pd.DataFrame, split: pd.DataFrame) -> list[Case]:
    """Return the cases with their limits as numbers.

    Parameters
    ----------
    cases
        By name: ``column``, one of ``below above below_quantile above_quantile``, and ``reason``.
    objects
        Of `hiss.side.case_objects.measure_properties`.
    split
        Of the study's sample; quantiles are of all its objects, on whichever side.

    Raises
    ------
    HissError
        For a column that is not measured, with those that are.
    """
    known = [str(name) for name in objects if name not in ("row", "target_id")]
    study = objects[objects["row"].isin(split["row"])]
    found = []
    for name, told in cases.items():
        column = str(told["column"])
        if column not in known:
            raise HissError(f"case {name}: no column {column!r} is measured; there are {', '.join(known)}")
        key = next(key for key in ("below", "above", "below_quantile", "above_quantile") if key in told)
        side, _, is_quantile = key.partition("_")
        values = study[column].dropna().to_numpy(dtype=np.float64)
        limit = float(told[key])
        if is_quantile:
            limit = float(np.quantile(values, limit)) if len(values) else np.nan
        quantile = float(told[key]) if is_quantile else None
        found.append(Case(name, column, side, limit, quantile, str(told.get("reason", ""))))
    return found


def compare_cases(
    tests: pd.DataFrame,
    split: pd.DataFrame,
    objects: pd.DataFrame,
    cases: list[Case],
    n_resamples: int,
    seed: int,
    min_objects: int,
) -> pd.DataFrame:
    """Return what early fusion gains on each case, over each rival of the same model and zoom, and elsewhere.

    Parameters
    ----------
    tests
        All test_<model>.parquet, one below the other.
    split
        The study's, for ``row group`` of its test objects; the bootstrap draws groups, the same for all.
    objects
        Of `hiss.side.case_objects.measure_properties`.
    min_objects
        Fewest test objects of a case, and outside it, of which an interval is told.

    Returns
    -------
    DataFrame
        `CASE_COLUMNS`, one row a case, model, zoom and rival. ``delta_rmse`` is early less rival on the ``n`` objects
        of the case [dex]: below zero, early fusion is better; ``delta_rest`` the same on the ``n_rest`` whose value is
        known and not of the case; ``change`` the first less the second: below zero, fusion gains more on the case.
        ``low, high`` are 95 % intervals of the paired bootstrap; ``p`` is by Student's t of its standard error, with
        one degree of freedom less than there are groups; ``p_holm`` is adjusted for all rows (Holm 1979, Scand. J.
        Stat. 6, 65), and so is ``verdict``. ``detectable`` [dex] is the difference that eight of ten such samples
        would tell at 5 %.

    Raises
    ------
    HissError
        When predictions are not of the split's test objects.
    """
    wanted = split.loc[split["split"] == "test", ["row", "group"]].sort_values("row")
    errors = _errors(tests, wanted["row"].to_numpy())
    counts, index = resample_groups(wanted["group"], n_resamples, seed)
    values = objects.set_index("row").loc[wanted["row"]]
    rows: list[dict[str, Any]] = []
    for case in cases:
        measured = values[case.column].to_numpy(dtype=np.float64)
        inside = case.inside(measured)
        rest = ~inside & np.isfinite(measured)
        told: dict[str, Any] = {"case": case.name, "column": case.column, "side": case.side}
        told |= {"limit": case.limit, "quantile": case.quantile}
        told |= {"n": int(inside.sum()), "n_rest": int(rest.sum()), "n_unknown": int((~np.isfinite(measured)).sum())}
        enough = min(inside.sum(), rest.sum()) >= max(min_objects, 2)
        for (model, rival, zoom), one, other in _pairs(errors):
            row = told | {"model": model, "zoom": zoom, "against": rival}
            rows.append(row | (_difference(one, other, inside, rest, counts, index) if enough else {}))
    return _judged(pd.DataFrame(rows, columns=CASE_COLUMNS))


def _errors(tests: pd.DataFrame, rows: NDArray[np.int64]) -> dict[Key, Doubles]:
    """Return prediction less truth of each run and fusion, in order of row."""
    found = {}
    for identity, part in tests.groupby(["model", "modality", "zoom"], sort=False):
        key = (str(identity[0]), str(identity[1]), int(str(identity[2])))
        frame = part.sort_values("row")
        if not np.array_equal(frame["row"], rows):
            raise HissError(
                f"the predictions of {' / '.join(map(str, key))} are not of the split's test set; "
                "delete the test tables in evaluation and rerun"
            )
        found[key] = (frame["prediction"] - frame["truth"]).to_numpy(dtype=np.float64)
    return found


def _pairs(errors: Mapping[Key, Doubles]) -> Iterator[tuple[Key, Doubles, Doubles]]:
    """Yield model, rival and zoom, and the errors of early fusion and of the rival."""
    models = model_order(model for model, modality, _ in errors if modality == FUSED)
    for model in models:
        for zoom in sorted(zoom for name, modality, zoom in errors if (name, modality) == (model, FUSED)):
            for rival in RIVALS:
                if (model, rival, zoom) in errors:
                    yield (model, rival, zoom), errors[model, FUSED, zoom], errors[model, rival, zoom]


def _difference(
    one: Doubles,
    other: Doubles,
    inside: NDArray[np.bool_],
    rest: NDArray[np.bool_],
    counts: NDArray[np.int64],
    index: NDArray[np.int64],
) -> dict[str, Any]:
    here = _Part(one, other, inside, counts, index)
    there = _Part(one, other, rest, counts, index)
    change, resampled = here.delta - there.delta, here.resampled - there.resampled
    groups = min(here.groups, there.groups)
    low, high = interval(here.resampled)
    rest_low, rest_high = interval(there.resampled)
    change_low, change_high = interval(resampled)
    return {
        "rmse_early": here.one,
        "rmse_against": here.other,
        "delta_rmse": here.delta,
        "low": low,
        "high": high,
        "p": p_value(here.delta, here.resampled, here.groups),
        "detectable": detectable(here.resampled, here.groups),
        "rmse_early_rest": there.one,
        "rmse_against_rest": there.other,
        "delta_rest": there.delta,
        "low_rest": rest_low,
        "high_rest": rest_high,
        "change": change,
        "change_low": change_low,
        "change_high": change_high,
        "change_p": p_value(change, resampled, groups),
    }


class _Part:
    """Two runs on some of the objects: their RMSE, and its difference in every resample that has some of them."""

    def __init__(
        self,
        one: Doubles,
        other: Doubles,
        chosen: NDArray[np.bool_],
        counts: NDArray[np.int64],
        index: NDArray[np.int64],
    ) -> None:
        self.groups = len(np.unique(index[chosen]))
        self.one, self.other = (rmse(np.zeros(int(chosen.sum())), error[chosen]) for error in (one, other))
        self.delta = self.one - self.other
        with np.errstate(invalid="ignore"):
            first, second = (bootstrap_rmse(error[chosen], counts, index[chosen]) for error in (one, other))
        self.resampled = first - second


def p_value(value: float, resampled: ArrayLike, groups: int) -> float:
    """Return the two-sided p of a value that is nothing but chance, by Student's t of its bootstrap standard error.

    The share of resamples beyond zero would be no smaller than one over their number, too coarse to be adjusted for
    many comparisons.
    """
    error, freedom = _standard_error(resampled), groups - 1
    if not np.isfinite(error) or freedom < 1:
        return np.nan
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return float(2 * student.sf(abs(value) / error, freedom))


def detectable(resampled: ArrayLike, groups: int) -> float:
    """Return the difference that eight of ten samples of this size would tell from none at 5 %."""
    error, freedom = _standard_error(resampled), groups - 1
    if not np.isfinite(error) or freedom < 1:
        return np.nan
    return float((student.ppf(1 - LEVEL / 2, freedom) + student.ppf(_POWER, freedom)) * error)


def _standard_error(resampled: ArrayLike) -> float:
    values = np.asarray(resampled, dtype=np.float64)
    finite = values[np.isfinite(values)]
    return float(finite.std(ddof=1)) if 2 * len(finite) >= len(values) and len(finite) > 1 else np.nan


def holm(p: ArrayLike) -> Doubles:
    """Return p values adjusted for their number, so that none of those that mean nothing passes 5 % in 95 % of all
    studies, however they depend on each other; NaN stays, and counts for nothing.
    """
    values = np.asarray(p, dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = (len(order) - np.arange(len(order))) * values[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1) if len(order) else steps
    return adjusted


def _judged(table: pd.DataFrame) -> pd.DataFrame:
    numbers = [name for name in CASE_COLUMNS if name not in _TEXT]
    table = table.astype(dict.fromkeys(numbers, "float64")).astype(dict.fromkeys(_COUNTS, "int64"))
    for value, p, adjusted, verdict in (
        ("delta_rmse", "p", "p_holm", "verdict"),
        ("change", "change_p", "change_p_holm", "change_verdict"),
    ):
        table[adjusted] = holm(table[p])
        told = zip(*(table[name] for name in (value, p, adjusted)), strict=True)
        table[verdict] = pd.Series([_verdict(*one) for one in told], index=table.index, dtype=object)
    return table


_TEXT: Final = ("case", "column", "side", "model", "against", "verdict", "change_verdict")
_COUNTS: Final = ("zoom", "n", "n_rest", "n_unknown")


def _verdict(value: float, p: float, adjusted: float) -> str:
    if not (np.isfinite(p) and np.isfinite(adjusted)):
        return TOO_FEW
    if p >= LEVEL:
        return UNTOLD
    return (LOWER if value < 0 else HIGHER) + ("" if adjusted < LEVEL else UNADJUSTED)
