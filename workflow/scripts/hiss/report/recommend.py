"""Which model, modality and zoom to take for a given budget: of time to fit, of time an object, of bytes an object.

Choices are made by validation RMSE alone; the test set only tells what was chosen.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from hiss.bands import BANDS, CUTOUT_SIZE, SPECTRUM_SIZE
from hiss.evaluation.collect import model_name
from hiss.modality import FUSIONS, Modality
from hiss.plots.style import modality_label
from hiss.report.given import StudyTables
from hiss.report.phrases import Row, describe, fixed, records
from hiss.report.tables import Cell, Table, number, text

_FLOAT: Final = 4  # bytes of a flux


@dataclass(frozen=True)
class _Cost:
    """One kind of budget."""

    column: str
    unit: str
    spent: str
    """What the budget is for, in a sentence."""


COSTS: Final = (
    _Cost("fit_s", "s", "fitting, binning included"),
    _Cost("predict_us", "µs", "reading and predicting an object"),
    _Cost("read_kb", "kB", "data an object"),
)
"""The budgets, in the order they are told."""

COLUMNS: Final = [
    "cost", "budget", "value", "model", "modality", "zoom", "settings", "n", "validation_rmse", "rmse", "rmse_low",
    "rmse_high", "r2", "r2_low", "r2_high", "r2_ceiling",
]  # fmt: skip


def recommendations(metrics: pd.DataFrame, n_validation: int) -> pd.DataFrame:
    """Return the run of the lowest validation RMSE within each budget, budgets by decades of each cost.

    A budget that allows nothing better than a smaller one is left out. The mean of the training set, which looks at
    nothing, is no candidate; the other baselines are. Neither is a run, within a budget of what it was not measured to
    cost: the baselines' reading was not.

    Parameters
    ----------
    metrics
        As `hiss.evaluation.summarise.metrics_table` returns it.
    n_validation
        Validation objects, which ``predict_s`` and ``read_s`` are of.

    Returns
    -------
    DataFrame
        `COLUMNS`; ``cost`` is one of the columns of `COSTS`, ``value`` what the run takes of it.
    """
    candidates = with_costs(metrics[(metrics["model"] != "mean") & metrics["validation_rmse"].notna()], n_validation)
    rows = [row for cost in COSTS for row in _within_budgets(candidates, cost.column)]
    return pd.DataFrame(rows, columns=COLUMNS)


def budgets(study: StudyTables) -> pd.DataFrame:
    """Return the `recommendations` of a study."""
    sides = study.split["split"] if len(study.split) else pd.Series(dtype=object)
    return recommendations(study.metrics, int((sides == "validation").sum()))


def with_costs(metrics: pd.DataFrame, n_validation: int) -> pd.DataFrame:
    """Return the metrics with ``fit_s`` (of what is binned, binning in it), ``predict_us`` and ``read_kb`` an object.

    ``predict_us`` is NaN where the reading was not measured, which is part of it.
    """
    known = {name: _times(metrics, name) for name in ("fit_s", "bin_s", "predict_s", "read_s")}
    each = 1e6 / n_validation if n_validation else np.nan
    return metrics.assign(
        fit_s=known["fit_s"] + known["bin_s"].fillna(0.0),
        predict_us=(known["predict_s"] + known["read_s"]) * each,
        read_kb=[data_kb(str(row["modality"]), int(row["zoom"])) for row in records(metrics)],
    )


def _times(metrics: pd.DataFrame, name: str) -> pd.Series:
    """Return a column of times; NaN where it was not measured."""
    return metrics[name] if name in metrics else pd.Series(np.nan, metrics.index)


def data_kb(modality: str, zoom: int) -> float:
    """Return the kilobytes of flux that a prediction is made of; emission lines are measured on spectra of zoom 0."""
    if modality in FUSIONS:
        return data_kb("early", zoom)
    seen = Modality.parse(modality)
    side = CUTOUT_SIZE >> zoom
    values = len(BANDS) * side**2 if seen.images else 0
    if seen.spectra or seen.lines:
        finer = 0 if seen.lines else zoom if seen.spectra_zoom is None else seen.spectra_zoom
        values += SPECTRUM_SIZE >> finer
    return values * _FLOAT / 1000


def _within_budgets(candidates: pd.DataFrame, cost: str) -> list[dict[str, Any]]:
    priced = candidates[candidates[cost] > 0].sort_values(["validation_rmse", cost], kind="stable")
    if priced.empty:
        return []
    decades = np.arange(np.ceil(np.log10(priced[cost].min())), np.ceil(np.log10(priced[cost].max())) + 1)
    rows: list[dict[str, Any]] = []
    for budget in 10.0**decades:
        best = records(priced[priced[cost] <= budget * (1 + 1e-9)])[0]
        if not rows or _which(best) != _which(rows[-1]):
            rows.append({**best, "cost": cost, "budget": float(budget), "value": best[cost]})
    return rows


def _which(row: Row) -> tuple[Any, ...]:
    return row["model"], row["modality"], row["zoom"], row["settings"]


def sentences(table: pd.DataFrame) -> list[str]:
    """Say what is recommended within each budget, a sentence a kind of cost."""
    said = []
    for cost in COSTS:
        rows = records(table[table["cost"] == cost.column])
        if rows:
            steps = "; ".join(_step(row, cost) for row in rows)
            said.append(f"For {cost.spent}: {steps}.")
    if said:
        said.append(
            "Within each budget it is the run of the lowest validation RMSE that fits into it; a larger one that is "
            "not named brings nothing more. RMSE in dex on the test set, with its 95\u00a0% interval."
        )
    return said


def _step(row: Row, cost: _Cost) -> str:
    return f"at most {_plain(row['budget'])} {cost.unit}, {describe(row)}, RMSE {_measured(row, 'rmse')}"


def _plain(value: float) -> str:
    """Return a number without an exponent: ``1,000,000``, ``2.35``, ``0.00001``."""
    return f"{value:,.0f}" if value >= 1000 else str(np.format_float_positional(value, trim="-"))


def _measured(row: Row, name: str) -> str:
    """Return ``0.456 (0.385 to 0.542)``; the value alone where there is no interval."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return fixed(row[name]) + (f" ({fixed(low)} to {fixed(high)})" if np.isfinite(low) else "")


def recommendations_table(table: pd.DataFrame) -> Table:
    """Return the recommendations as a table of the report."""
    costs = {cost.column: cost for cost in COSTS}
    rows = [
        [
            text(costs[row["cost"]].spent),
            Cell(f"{_plain(row['budget'])} {costs[row['cost']].unit}", float(row["budget"])),
            text(model_name(row["model"])),
            text(modality_label(row["modality"])),
            number(row["zoom"]),
            Cell(f"{_plain(float(format(row['value'], '.3g')))} {costs[row['cost']].unit}", float(row["value"])),
            number(row["validation_rmse"], ".3f"),
            Cell(_measured(row, "rmse"), float(row["rmse"])),
            Cell(_measured(row, "r2"), float(row["r2"])),
            Cell(fixed(row["r2_ceiling"], 2) if np.isfinite(row["r2_ceiling"]) else "", float(row["r2_ceiling"])),
        ]
        for row in records(table)
    ]
    columns = [("budget for", False), ("at most", True), ("model", False), ("modality", False), ("zoom", True)]
    columns += [("it takes", True), ("validation RMSE [dex]", True), ("test RMSE [dex]", True), ("test R²", True)]
    columns += [("R² ceiling", True)]
    note = (
        "Times are of selected settings run alone (of baselines as they ran) on the machine of this study; data are "
        "the float32 fluxes of a cutout and a spectrum, without their sigmas. What a run was "
        "not measured to cost it is no candidate for: the reading of the baselines was not. Chosen by validation RMSE; "
        "in parentheses 95\u00a0% intervals."
    )
    return Table("What to take within a given budget", columns, rows, note)
