"""The tables of the study: metrics, costs, differences, intervals, cascade, variants."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from hiss.evaluation.collect import BASELINE_NAMES, model_name
from hiss.evaluation.coverage import ALL_OBJECTS
from hiss.modality import FUSIONS, Modality
from hiss.names import split_settings
from hiss.plots.intervals import METHOD_LABEL
from hiss.plots.results import beside
from hiss.plots.style import modality_label
from hiss.report.links import folder_link
from hiss.report.phrases import are_halvings, fixed, minus
from hiss.report.tables import Cell, Table, number, text

_METRICS: Final = {"r2": "R²", "mae": "MAE [dex]", "rmse": "RMSE [dex]", "nmad": "NMAD [dex]"}
_RUN: Final = [("model", False), ("modality", False), ("zoom", True)]
_TIMES: Final = {
    "fit_s": "fit [s]",
    "cpu_s": "fit, processor [s]",
    "gpu_s": "fit, GPU [s]",
    "bin_s": "binning [s]",
}
_INTERVAL: Final = ("95\u00a0% interval", False)
_SHARES: Final = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Shares of the cascade that are shown; all are in its CSV."""


def short_names(runs: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return what is shown for each model's settings: the parts of the folder's name that differ between its runs.

    Where none does, the first part, which is of the grid.
    """
    names = {}
    for model, group in runs[~runs["modality"].isin(FUSIONS)].groupby("model"):
        parts = {name: split_settings(name) for name in group["settings"]}
        common = set.intersection(*map(set, parts.values()))
        for name, pieces in parts.items():
            own = [piece for piece in pieces if piece not in common]
            names[str(model), name] = ", ".join(own or pieces[:1])
    return names


def metrics_table(metrics: pd.DataFrame, model: str, names: Mapping[tuple[str, str], str]) -> Table:
    """Return one model's test metrics with their intervals, a row a modality and zoom.

    Parameters
    ----------
    names
        As `short_names` returns them.
    """
    rows = [
        [
            text(modality_label(row["modality"])),
            number(row["zoom"]),
            *_with_ceiling(row),
            text(names.get((model, row["settings"]), row["settings"])),
        ]
        for row in metrics[metrics["model"] == model].to_dict("records")
    ]
    columns = [*_RUN[1:], *_MEASURED, ("settings", False)]
    return Table(f"{model_name(model)}: metrics on the test set, 95\u00a0% intervals in parentheses", columns, rows)


def _run(row: Mapping[Any, Any] | pd.Series) -> list[Cell]:
    return [text(model_name(row["model"])), text(modality_label(row["modality"])), number(row["zoom"])]


def _measured(row: Mapping[Any, Any], name: str) -> Cell:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    span = "" if pd.isna(low) else f" ({fixed(low)} to {fixed(high)})"
    path = row.get("path", "") if name == "rmse" else ""
    return Cell(f"{fixed(row[name])}{span}", float(row[name]), folder_link(path) if path else "")


_MEASURED: Final = [("R²", True), ("R² ceiling", True), *((label, True) for label in list(_METRICS.values())[1:])]


def _with_ceiling(row: Mapping[Any, Any]) -> list[Cell]:
    """Return the cells of `_MEASURED`: beside R2 what the label's own width allows."""
    first, *others = (_measured(row, name) for name in _METRICS)
    return [first, number(row["r2_ceiling"], ".2f"), *others]


def ceiling_words(ceiling: float) -> str:
    """Say the ceiling of R2 where no column holds it; nothing where it is not known."""
    if not np.isfinite(ceiling):
        return ""
    return minus(f"The width of the test set's labels allows an R² of {ceiling:.2f} at most, taken for noise.")


def cost_table(metrics: pd.DataFrame) -> Table:
    """Return what every selected run and fusion costs, beside what it reaches."""
    times = {name: label for name, label in _TIMES.items() if (metrics[name] > 0).any()}
    rows = [
        [
            *_run(row),
            number(row["rmse"], ".3f"),
            *(number(row[name] or None, ",.3f") for name in times),
            number(row["predict_s"], ",.4f"),
            number(row["peak_memory_mb"]),
        ]
        for row in metrics.to_dict("records")
    ]
    columns = [*_RUN, ("test RMSE [dex]", True), *((label, True) for label in times.values())]
    columns += [("predict [s]", True), ("peak memory [MB]", True)]
    note = (
        "Wall-clock time of the selected setting, fitted once more with nothing beside it, reading apart; processor "
        "time is the sum over all threads. LightGBM's binning is done once for all settings of a modality and zoom. "
        "Memory is what training added to start-up. A fusion of predictions takes the time of both its parts, stacking "
        "that of their folds too, and the memory of the larger one. Baselines keep the times of their own runs."
    )
    return Table("What the selected runs cost", columns, rows, note)


def baselines_table(metrics: pd.DataFrame) -> Table:
    """Return the test metrics of the baselines and of the best run of each model."""
    rows = [[*_run(row), *_with_ceiling(row)] for row in beside(metrics).to_dict("records")]
    columns = [*_RUN, *_MEASURED]
    note = (
        "The best run of each model is that of the lowest validation RMSE. The ceiling is the R² of a perfect "
        "predictor, were the width of the labels (P16 to P84) all noise."
    )
    return Table("The best of each model on the test set, beside the baselines", columns, rows, note)


def baseline_runs_table(runs: pd.DataFrame, ceiling: float = float("nan")) -> Table:
    """Return every run of a baseline on the validation set: the one that is selected was chosen by these."""
    part = runs[runs["model"].isin(BASELINE_NAMES)].to_dict("records")
    rows = [
        [
            text(model_name(row["model"])),
            text(row["settings"], link=f"../{row['path']}/"),
            *(number(row[f"validation_{name}"], ".3f") for name in _METRICS),
        ]
        for row in part
    ]
    columns = [_RUN[0], ("settings", False), *((label, True) for label in _METRICS.values())]
    return Table("All runs of the baselines on the validation set", columns, rows, ceiling_words(ceiling))


def above_baselines_table(metrics: pd.DataFrame, comparisons: pd.DataFrame) -> Table:
    """Return the paired differences between the best run of each model and the baselines."""
    keys = ["model", "modality", "zoom"]
    part = comparisons[comparisons["kind"] == "baselines"].merge(beside(metrics)[keys], on=keys)
    rows = [
        [*_run(row), text(model_name(row["b"])), *_paired(row), text(_reading(row, "the model", "the baseline"))]
        for row in part.to_dict("records")
    ]
    columns = [*_RUN, ("baseline", False), *_PAIRED, ("better", False)]
    return Table("Models less baselines", columns, rows, _PAIRED_NOTE)


_PAIRED: Final = [("difference of RMSE [dex]", True), _INTERVAL]
_PAIRED_NOTE: Final = "Paired bootstrap over the galaxies of the test set. Below zero, the first is better."


def _paired(row: Mapping[Any, Any]) -> list[Cell]:
    span = "" if pd.isna(row["low"]) else minus(f"{row['low']:+.3f} to {row['high']:+.3f}")
    return [number(row["delta_rmse"], "+.3f"), text(span)]


def _reading(row: Mapping[Any, Any], a: str = "a", b: str = "b") -> str:
    if pd.isna(row["low"]):
        return "too few objects"
    if row["high"] < 0:
        return a
    return b if row["low"] > 0 else "cannot tell"


def fusions_table(comparisons: pd.DataFrame) -> Table:
    """Return the paired differences between the fusions and single modalities of each model."""
    rows = [
        [
            text(model_name(row["model"])),
            number(row["zoom"]),
            text(f"{modality_label(row['a'])} − {modality_label(row['b'])}"),
            *_paired(row),
            text(_reading(row, modality_label(row["a"]), modality_label(row["b"]))),
        ]
        for row in comparisons[comparisons["kind"] == "modalities"].to_dict("records")
    ]
    columns = [_RUN[0], _RUN[2], ("compared", False), *_PAIRED, ("better", False)]
    return Table("Fusions and single modalities", columns, rows, _PAIRED_NOTE)


def models_table(comparisons: pd.DataFrame) -> Table:
    """Return the paired differences between models."""
    rows = [
        [
            text(modality_label(row["modality"])),
            number(row["zoom"]),
            text(f"{model_name(row['a'])} − {model_name(row['b'])}"),
            *_paired(row),
            text(_reading(row, model_name(row["a"]), model_name(row["b"]))),
        ]
        for row in comparisons[comparisons["kind"] == "models"].to_dict("records")
    ]
    return Table(
        "Model against model", [*_RUN[1:], ("compared", False), *_PAIRED, ("better", False)], rows, _PAIRED_NOTE
    )


def zooms_table(comparisons: pd.DataFrame, metrics: pd.DataFrame) -> Table:
    """Return the paired differences between a zoom and the next finer one, and what the coarser saves."""
    costs = {(row["model"], row["modality"], int(row["zoom"])): row for row in metrics.to_dict("records")}
    rows = []
    for row in comparisons[comparisons["kind"] == "zooms"].to_dict("records"):
        coarse, fine = (costs[row["model"], row["modality"], int(str(row[side]).split()[-1])] for side in ("a", "b"))
        rows.append(
            [
                text(model_name(row["model"])),
                text(modality_label(row["modality"])),
                text(f"{row['a']} − {row['b']}"),
                *_paired(row),
                text(_reading(row, str(row["a"]), str(row["b"]))),
                *(_share(coarse[name], fine[name]) for name in ("fit_s", "predict_s", "peak_memory_mb")),
            ]
        )
    columns = [*_RUN[:2], ("compared", False), *_PAIRED, ("better", False)]
    columns += [("fit time, of the finer's", True), ("predict time, of it", True), ("memory, of it", True)]
    step = "a halving of the resolution" if are_halvings(comparisons) else "each step to a coarser zoom"
    return Table(f"Zoom against zoom: what {step} costs and saves", columns, rows, _PAIRED_NOTE)


def _share(coarse: float, fine: float) -> Cell:
    return number(coarse / fine if coarse > 0 and fine > 0 else None, ".2f")


def best_table(comparisons: pd.DataFrame) -> Table:
    """Return the paired differences between the run of the lowest validation RMSE and the best of each other kind."""
    rows = [
        [*_named(row["a"]), *_named(row["b"]), *_paired(row), text(_reading(row, "the winner", "the other"))]
        for row in comparisons[comparisons["kind"] == "best"].to_dict("records")
    ]
    columns = [("winner", False), ("zoom of it", True), ("less the best of", False), ("its zoom", True), *_PAIRED]
    note = f"The winner and each other's zoom are chosen by validation RMSE. {_PAIRED_NOTE}"
    return Table(
        "The winner against the best of each other model and modality", [*columns, ("better", False)], rows, note
    )


def _named(run: str) -> list[Cell]:
    """Return the cells of a run told as ``lightgbm/early/zoom0``: model and modality, zoom."""
    model, modality, zoom = run.split("/")
    return [text(f"{model_name(model)}, {modality_label(modality)}"), number(int(zoom.removeprefix("zoom")))]


def intervals_table(intervals: pd.DataFrame) -> Table:
    """Return coverage and width over all test objects, and the bin of AVG where the coverage is lowest."""
    keys = ["model", "modality", "zoom", "method"]
    rows = []
    for _, part in intervals.groupby(keys, sort=False):
        whole, bins = part[part["bin"] == ALL_OBJECTS].iloc[0], part[part["bin"] != ALL_OBJECTS]
        worst = bins.sort_values("coverage", kind="stable").iloc[0]
        rows.append(
            [
                *_run(whole),
                text(METHOD_LABEL[whole["method"]]),
                Cell(_covered(whole), float(whole["coverage"])),
                number(whole["mean_width"], ".2f"),
                number(whole["median_width"], ".2f"),
                Cell(_covered(worst), float(worst["coverage"])),
                text(minus(f"{worst['avg_low']:.1f} to {worst['avg_high']:.1f}")),
            ]
        )
    columns = [
        *_RUN,
        ("method", False),
        ("coverage [%]", True),
        ("mean width [dex]", True),
        ("median width [dex]", True),
    ]
    columns += [("lowest coverage of a bin [%]", True), ("log SFR of that bin", False)]
    note = (
        f"Nominal {100 * float(intervals['level'].iloc[0]):g}\u00a0%, of the test set; in parentheses Wilson's "
        "95\u00a0% interval, which takes galaxies for independent. The lowest of several bins is low by chance too."
    )
    return Table("Coverage and width of prediction intervals", columns, rows, note)


def _covered(row: Mapping[Any, Any] | pd.Series) -> str:
    share, low, high = (100 * row[name] for name in ("coverage", "coverage_low", "coverage_high"))
    return f"{share:.1f} ({low:.1f} to {high:.1f})"


def cascade_table(cascade: pd.DataFrame) -> Table:
    """Return accuracy and cost of the cascade at some shares: the uncertain first, the worthwhile, or at random."""
    orders = ["uncertainty", "expected", "random"]
    wanted = cascade["order"].isin(orders) & cascade["share"].round(6).isin(_SHARES)
    part = cascade[wanted | (cascade["order"] == "fine")]
    names = {"uncertainty": "least certain first", "expected": "largest expected gain first"}
    names |= {"random": "at random", "fine": "fine model alone"}
    rows = [
        [
            text(names[row["order"]]),
            number(100 * row["share"]),
            number(row["rmse"], ".4f"),
            number(row["r2"], ".3f"),
            number(row["cost_us"], ",.1f"),
            *_gain(row),
        ]
        for row in part.to_dict("records")
    ]
    columns = [("order", False), ("sent to the fine zoom [%]", True), ("RMSE [dex]", True), ("R²", True)]
    columns += [("cost [µs/object]", True), ("RMSE below a random order's [dex]", True), _INTERVAL]
    first = cascade.iloc[0]
    note = (
        f"Validation galaxies. LightGBM on {first['cheap']} predicts all of them, on {first['fine']} those that are "
        "sent on. Cost is reading and prediction, both zooms' where both are used."
    )
    return Table("Coarse to fine: accuracy and cost", columns, rows, note)


def _gain(row: Mapping[Any, Any]) -> list[Cell]:
    """Return the gain over a random order, where there is another: not with none of the objects sent on, or all."""
    if row["order"] not in ("uncertainty", "expected") or not 0 < row["share"] < 1:
        return [text(""), text("")]
    return [number(row["gain"], "+.4f"), text(minus(f"{row['gain_low']:+.4f} to {row['gain_high']:+.4f}"))]


def variants_table(variants: pd.DataFrame) -> Table:
    """Return what each variant changes."""
    rows = [
        [
            text(row["variant"]),
            text(row["changed"]),
            text(model_name(row["model"])),
            text(modality_label(row["base"])),
            text(_zooms(row)),
            number(row["n"]),
            number(row["rmse"], ".3f"),
            number(row["n_common"]),
            *_paired(row),
            text(_reading(row, "the variant", "the study")),
        ]
        for row in variants.to_dict("records")
    ]
    columns = [("variant", False), ("what is changed", False), *_RUN[:2], ("zoom", False), ("objects", True)]
    columns += [("RMSE [dex]", True), ("in common", True), *_PAIRED, ("better", False)]
    note = (
        "Validation galaxies: the RMSE is of all of the variant's own, the difference, variant less study, of those "
        "that both have, by a paired bootstrap. Below zero, the variant is better."
    )
    if any(Modality.parse(name).environment for name in variants["modality"]):
        note += f" {_SURROUNDINGS}"
    return Table("Selected settings with one thing changed", columns, rows, note)


_SURROUNDINGS: Final = (
    "Densities of neighbours ask for the redshifts of the galaxy and of those about it, so that part of what they "
    "bring is the redshift: compare them with the variant that adds it alone. The catalogue ends at a magnitude, so "
    "that densities fall with the redshift, and at its edge they are too low."
)


def _zooms(row: Mapping[Any, Any]) -> str:
    own, other = int(row["zoom"]), int(row["against_zoom"])
    return f"{own}" if own == other else f"{own}, less {other}"
