"""How a number, a run and a difference are said in a sentence."""

from typing import Any

import numpy as np
import pandas as pd

from hiss.evaluation.collect import BASELINE_NAMES, model_name
from hiss.modality import FUSIONS, Modality

Row = dict[Any, Any]
"""One row of a table."""

_TOO_FEW = "too few objects for an interval"
OF_MODELS = "of the models that learn from pixels and spectra"
"""Among which a run is called the best: the baselines are no candidates."""
BASELINES = {
    "mean": "The mean of the training set",
    "magnitudes": "A linear regression on five magnitudes",
    "halpha": "The H-alpha luminosity",
}
"""What each baseline is, at the start of a sentence."""
_MODALITY = {
    "photo": "the images alone",
    "spectra": "the spectra alone",
    "early": "early fusion",
    "attention": "attention fusion",
    "late": "late fusion",
    "stacked": "stacked fusion",
    "lines": "the emission lines",
    "none": "no features",
}


def modality_phrase(name: str) -> str:
    """Return what a modality is called in a sentence."""
    if name in FUSIONS:
        return _MODALITY[name]
    modality = Modality.parse(name)
    added = [
        *([f"the spectra of zoom {modality.spectra_zoom}"] if modality.spectra_zoom is not None else []),
        *(["the spectra at rest"] if modality.rest_frame else []),
        *(["the redshift"] if modality.redshift else []),
        *(["the densities of neighbours"] if modality.environment else []),
    ]
    return _MODALITY[modality.base] + (f" with {' and '.join(added)}" if added else "")


def records(table: pd.DataFrame) -> list[Row]:
    """Return the rows of a table as dictionaries."""
    return table.to_dict("records")


def lowest(table: pd.DataFrame, column: str) -> Row | None:
    """Return the row with the lowest value of a column, the first of equal ones; None where there is no value."""
    known = table[table[column].notna()].sort_values(column, kind="stable")
    return records(known)[0] if len(known) else None


def lower_baselines(metrics: pd.DataFrame, best: Row) -> str:
    """Name the baselines whose validation RMSE is lower than that of the best learned run; empty where none is.

    Parameters
    ----------
    metrics
        Of all runs, the baselines among them.
    best
        Row of the learned run of the lowest validation RMSE.
    """
    own = metrics[metrics["model"].isin(BASELINE_NAMES) & (metrics["validation_rmse"] < best["validation_rmse"])]
    rows = records(own.sort_values("validation_rmse", kind="stable"))
    if not rows:
        return ""
    said = [f"{_small(BASELINES[row['model']])} ({fixed(row['validation_rmse'], 4)} dex)" for row in rows]
    what = "A baseline has a lower one" if len(rows) == 1 else "Baselines have a lower one"
    return f"{what} there: {listed(said)} against its {fixed(best['validation_rmse'], 4)} dex."


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]


def describe(row: Row) -> str:
    """Return what a selected run is, in words."""
    return f"{model_name(row['model'])} {looks_at(row['modality'])} at zoom {int(row['zoom'])}"


def looks_at(modality: str) -> str:
    """Return ``on the images alone`` or ``with early fusion``."""
    fused = modality in FUSIONS or Modality.parse(modality).base in ("early", "attention")
    return f"{'with' if fused else 'on'} {modality_phrase(modality)}"


def with_interval(row: Row, name: str, unit: str = "") -> str:
    """Return ``0.31 dex (95\u00a0% interval 0.28 to 0.35)`` of one metric."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    told = f"95\u00a0% interval {fixed(low)} to {fixed(high)}" if np.isfinite(low) else _TOO_FEW
    return f"{fixed(row[name])}{unit} ({told})"


def r2_beside_ceiling(row: Row) -> str:
    """Return R2 with its interval, and the ceiling that the label's own width sets beside it."""
    ceiling = row.get("r2_ceiling", np.nan)
    said = with_interval(row, "r2")
    return said if not np.isfinite(ceiling) else minus(f"{said.removesuffix(')')}; ceiling {ceiling:.2f})")


def verdict(row: Row, a: str, b: str) -> str:
    """Return what a paired difference of RMSE, a less b, says to the question whether a is better."""
    if not np.isfinite(row["low"]):
        return f"cannot tell, there are too few objects for an interval ({signed(row['delta_rmse'])} dex)."
    if same(row):
        return f"no. {a} and {b} predict the same."
    if row["high"] < 0:
        return f"yes. The RMSE of {a} is lower than that of {b} by {-row['delta_rmse']:.3f} dex ({span(row)})."
    if row["low"] > 0:
        return f"no. The RMSE of {a} is higher than that of {b} by {row['delta_rmse']:.3f} dex ({span(row)})."
    return (
        f"the two cannot be told apart. The RMSE of {a} differs from that of {b} by {signed(row['delta_rmse'])} dex, "
        f"and the {span(row)} includes zero."
    )


def which(row: Row, a: str, b: str) -> str:
    """Return which of two is better by a paired difference of RMSE, a less b."""
    told = f"RMSE difference {signed(row['delta_rmse'])} dex, {span(row)}"
    if same(row):
        return f"{a} and {b} predict the same."
    if row["high"] < 0:
        return f"{a} beats {b} ({told})."
    if row["low"] > 0:
        return f"{b} beats {a} ({told})."
    return f"{a} and {b} cannot be told apart ({told})."


def same(row: Row) -> bool:
    """Whether two runs predict the same: their difference is zero in every resample."""
    return bool(row["delta_rmse"] == row["low"] == row["high"] == 0)


def span(row: Row) -> str:
    """Return the interval of a difference."""
    if not np.isfinite(row["low"]):
        return _TOO_FEW
    return f"95\u00a0% interval {signed(row['low'])} to {signed(row['high'])}"


def are_halvings(comparisons: pd.DataFrame) -> bool:
    """Say whether each zoom is compared with the very next one, of twice the resolution."""
    steps = records(comparisons[comparisons["kind"] == "zooms"])
    return all(int(str(row["a"]).split()[-1]) - int(str(row["b"]).split()[-1]) == 1 for row in steps)


def signed(value: float) -> str:
    """Return a number with its sign."""
    return minus(f"{value:+.3f}")


def fixed(value: float, digits: int = 3) -> str:
    """Return a number with that many decimals; what rounds to zero has no sign."""
    return minus(f"{round(value, digits) + 0.0:.{digits}f}")


def minus(shown: str) -> str:
    """Return a number as text with a minus sign in place of the hyphen."""
    return shown.replace("-", "−")


def percent(share: float) -> str:
    """Return ``90\u00a0%`` of 0.9, with a decimal where it needs one."""
    return f"{100 * share:.1f}".removesuffix(".0") + "\u00a0%"


def count(number: int, singular: str, plural: str = "") -> str:
    """Return ``1 object`` or ``2 objects``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def listed(words: list[str]) -> str:
    """Return ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
