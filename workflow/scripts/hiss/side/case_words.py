"""What the science cases found, in sentences made from the numbers."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from hiss.evaluation.collect import model_name
from hiss.side.cases import FUSED, HIGHER, LEVEL, LOWER, RIVALS, TOO_FEW, Case

Row = dict[Any, Any]

QUESTION: Final = "On which galaxies do images and spectra together beat the combination of separate results?"

_RIVAL: Final = {
    "late": "late fusion",
    "stacked": "stacked fusion",
    "photo": "the images alone",
    "spectra": "the spectra alone",
}
_PROPERTY: Final = {
    "spectrum_sn": "a median signal to noise a sample of the spectrum",
    "sn_median": "a median signal to noise by the survey",
    "r_magnitude": "an r magnitude",
    "z": "a redshift",
    "outside_fibre": "a share of r light outside the fibre",
    "half_light_arcsec": "a half-light radius in r [arcsec]",
    "axis_ratio": "an axis ratio in r",
    "h_alpha_sn": "a signal to noise of H-alpha",
    "h_beta_sn": "a signal to noise of H-beta",
    "balmer_decrement": "a Balmer decrement, H-alpha over H-beta,",
}

MEANING: Final = (
    "Late fusion, the mean of the photo and the spectra prediction, and stacked fusion, which weighs the two, combine "
    "separate results; early fusion is one model of both. A difference is of RMSE on the same test galaxies, early "
    "less the other: below zero, early fusion is better. The change is that difference on the galaxies of a case less "
    "the one on those that are measured and not of it: below zero, fusion gains more on the case than elsewhere.",
    "Intervals of 95 % and standard errors are of a paired bootstrap that draws groups of galaxies with overlapping "
    "cutouts. A p value is by Student's t of the standard error; Holm's correction makes it hold for all comparisons "
    "at once, and is strict, since models and zooms see the same galaxies and do not err independently. A verdict "
    "called unadjusted holds for its own comparison only.",
    "A case is chosen by what is measured, never by a label or a prediction; quantiles are of all galaxies of the "
    "study. Signal to noise is the median of flux over sigma of the spectrum at zoom 0. Sizes and shapes are of the r "
    "cutout without its neighbours: the share of light outside the fibre and the half-light radius with the seeing in "
    "them, the axis ratio by adaptive moments less one usual seeing for all frames. The Balmer decrement is H-alpha "
    "over H-beta in the fibre, where both are above three times their sigma; galaxies without both lines, as most "
    "quiescent ones, are in neither side of that case.",
    "The cases overlap: a galaxy seen edge-on is often dusty too.",
)
"""What the numbers mean, a paragraph an entry."""


def headline(metrics: pd.DataFrame, table: pd.DataFrame) -> tuple[str, int] | None:
    """Return model and zoom of the early fusion of lowest validation RMSE: the choice does not see the test set."""
    early = metrics[(metrics["modality"] == FUSED) & metrics["validation_rmse"].notna()]
    compared = set(zip(table["model"], table["zoom"], strict=True))
    for row in early.sort_values("validation_rmse", kind="stable").to_dict("records"):
        if (row["model"], row["zoom"]) in compared:
            return str(row["model"]), int(row["zoom"])
    return None


def sentences(table: pd.DataFrame, cases: Sequence[Case], metrics: pd.DataFrame) -> list[str]:
    """Return the answer in short, each case with its reason and numbers, and how many comparisons were made.

    Parameters
    ----------
    table
        Of `hiss.side.cases.compare_cases`.
    metrics
        ``model modality zoom validation_rmse`` of the selected runs.
    """
    place = headline(metrics, table)
    if place is None:
        return [f"{QUESTION} This study has no early fusion beside another modality, so that nothing can be compared."]
    own = table[(table["model"] == place[0]) & (table["zoom"] == place[1])]
    told = [_of_case(case, own[own["case"] == case.name]) for case in cases]
    return [_short(own, cases, place), *told, *_counted(table)]


def _short(own: pd.DataFrame, cases: Sequence[Case], place: tuple[str, int]) -> str:
    rows = own[own["against"] == ("late" if (own["against"] == "late").any() else own["against"].iloc[0])]
    rival = _RIVAL[str(rows["against"].iloc[0])]
    by_case: dict[str, Row] = {str(row["case"]): row for row in rows.to_dict("records")}
    sure = [name for name in _names(cases) if by_case[name]["verdict"] == LOWER]
    maybe = [name for name in _names(cases) if by_case[name]["verdict"].startswith(LOWER + ",")]
    worse = [name for name in _names(cases) if by_case[name]["verdict"].startswith(HIGHER)]
    few = [name for name in _names(cases) if by_case[name]["verdict"] == TOO_FEW]
    parts = []
    if sure:
        parts.append(f"it beats {rival} on {_and(sure)}")
    if maybe:
        parts.append(f"its own p value says so on {_and(maybe)}, which so many comparisons may bring by chance")
    if worse:
        parts.append(f"it is worse than {rival} on {_and(worse)}")
    if few:
        parts.append(f"of {_and(few)} there are too few")
    if not (sure or maybe or worse) and len(few) < len(cases):
        parts.insert(0, f"it and {rival} cannot be told apart on any case")
    return (
        f"{QUESTION} Of early fusion by {model_name(place[0])} at zoom {place[1]}, the best by its validation RMSE: "
        f"{'; '.join(parts)}."
    )


def _names(cases: Sequence[Case]) -> list[str]:
    return [case.name for case in cases]


def case_name(name: str) -> str:
    """Return how a case is named in a sentence."""
    return name.replace("_", " ")


def chosen_by(case: Case) -> str:
    """Return how the galaxies of a case are chosen, in words."""
    what = f"{_PROPERTY.get(case.column, case.column.replace('_', ' '))} {case.side} {_number(case.limit)}"
    if case.quantile is None:
        return what
    share = case.quantile if case.side == "below" else 1 - case.quantile
    return f"{what}, the {'lowest' if case.side == 'below' else 'highest'} {100 * share:.3g} % of the study"


def _of_case(case: Case, own: pd.DataFrame) -> str:
    first: Row = own.to_dict("records")[0]
    n, rest, unknown = (int(first[name]) for name in ("n", "n_rest", "n_unknown"))
    measured = n + rest
    if not measured:
        return (
            f"{case_name(case.name).capitalize()}: {case.column} is not known of any of the {unknown:,} test galaxies."
        )
    told = f"{case_name(case.name).capitalize()}: {n:,} of {measured:,} test galaxies have {chosen_by(case)}"
    told += f"; of {unknown:,} more it is not known. " if unknown else ". "
    told += f"{case.reason.strip()} " if case.reason else ""
    if first["verdict"] == TOO_FEW:
        return told + "They are too few to compare on."
    rows: list[Row] = sorted(own.to_dict("records"), key=lambda row: RIVALS.index(row["against"]))
    apart = "; ".join(f"{_RIVAL[row['against']]} {_signed(row['delta_rmse'])} ({_span(row, '')})" for row in rows)
    told += f"RMSE of early fusion {first['rmse_early']:.3f} dex; less that of {apart}. "
    told += " ".join(_change(row) for row in rows[:1])
    return f"{told} {_power(rows[0], n)}"


def _change(row: Row) -> str:
    rival, where = _RIVAL[row["against"]], f"{_signed(row['delta_rest'])} dex on the {int(row['n_rest']):,} others"
    change = f"a change of {_signed(row['change'])} ({_span(row, 'change_')})"
    if row["change_verdict"].startswith(LOWER):
        known = "" if row["change_verdict"] == LOWER else ", before so many comparisons are allowed for"
        return f"Over {rival} it gains more here than elsewhere{known}: {where}, {change}."
    if row["change_verdict"].startswith(HIGHER):
        known = "" if row["change_verdict"] == HIGHER else ", before so many comparisons are allowed for"
        return f"Over {rival} it gains less here than elsewhere{known}: {where}, {change}."
    return f"Whether it gains more over {rival} here than elsewhere cannot be told: {where}, {change}."


def _power(row: Row, n: int) -> str:
    if not np.isfinite(row["detectable"]):
        return ""
    return (
        f"With {n:,} galaxies, a true difference from {_RIVAL[row['against']]} below {row['detectable']:.3f} dex would "
        "be found less than 80 % of the time."
    )


def _counted(table: pd.DataFrame) -> list[str]:
    """Return how many comparisons there are, how many are told, and how many one expects of nothing."""
    known = table[table["p"].notna() & table["low"].notna()]
    few = table[table["verdict"] == TOO_FEW]["case"].unique()
    if known.empty:
        return []
    names = {"case": "case", "model": "model", "zoom": "zoom", "against": "rival"}
    numbers = {name: int(known[column].nunique()) for column, name in names.items()}
    listed = ", ".join(f"{number} {name}{'s' if number > 1 else ''}" for name, number in numbers.items())
    told = (
        f"In all {len(known):,} differences were measured: {listed}"
        + (f" ({_and([str(name) for name in few])} left out)" if len(few) else "")
        + f". Were there none, and were they independent, some {LEVEL * len(known):.0f} would have a p value below "
        f"{LEVEL} by chance; {_below(known, 'delta_rmse', 'p')}, and {_standing(known, 'verdict')} stand after Holm's "
        f"correction. Of the changes from the other galaxies to those of a case, "
        f"{_below(known, 'change', 'change_p')}, and {_standing(known, 'change_verdict')} stand."
    )
    return [told]


def _below(known: pd.DataFrame, value: str, p: str) -> str:
    told = known[known[p] < LEVEL]
    better = int((told[value] < 0).sum())
    return f"{len(told)} do ({better} in favour of early fusion, {len(told) - better} against it)"


def _standing(known: pd.DataFrame, verdict: str) -> str:
    return str(int(known[verdict].isin([LOWER, HIGHER]).sum()))


def _span(row: Row, of: str) -> str:
    return f"{_signed(row[f'{of}low'])} to {_signed(row[f'{of}high'])}"


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _and(names: Sequence[str]) -> str:
    shown = [f"“{case_name(name)}”" for name in names]
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
