"""Residuals of the best run on the test objects, and how they follow what is known of each."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.bands import BAND_INDEX
from hiss.errors import HissError
from hiss.evaluation.collect import BASELINE_NAMES
from hiss.evaluation.intervals import interval, resample_groups, weighted_median
from hiss.modality import FUSIONS, Modality
from hiss.sample.split import quantile_bins

Array = NDArray[np.float64]

RESIDUAL_COLUMNS: Final = [
    "model", "modality", "zoom", "target_id", "row", "truth", "prediction", "residual", "label_sigma",
    "redshift", "r_magnitude", "signal_to_noise", "kind", "n_spectra", "n_images",
]  # fmt: skip
TREND_COLUMNS: Final = [
    "variable", "part", "name", "x_low", "x_middle", "x_high", "n", "median", "median_low", "median_high",
    "p16", "p84", "slope", "slope_low", "slope_high", "words",
]  # fmt: skip


class Variable(NamedTuple):
    """Something that residuals may follow."""

    name: str
    """Column of the table of residuals."""
    phrase: str
    """In a sentence."""
    unit: str
    """Of the slope's denominator, in a sentence."""
    told_by: str
    """``images`` or ``spectra``, what a run must see to know it; ``prediction`` every run does, ``label`` none."""


CONTINUOUS: Final = (
    Variable("redshift", "redshift", "a unit of redshift", "spectra"),
    Variable("r_magnitude", "r magnitude", "a magnitude", "images"),
    Variable("signal_to_noise", "the log of the spectrum's signal to noise", "a decade of signal to noise", "spectra"),
    Variable("truth", "the catalogue's own log SFR", "a dex of log SFR", "label"),
    Variable("prediction", "the predicted log SFR", "a dex of log SFR", "prediction"),
)
COUNTED: Final = (
    Variable("kind", "class and subclass", "", "spectra"),
    Variable("n_spectra", "the number of spectra", "", "spectra"),
    Variable("n_images", "the number of images in r", "", "images"),
)
_LOGGED: Final = {"signal_to_noise"}
_BINS, _LEAST = 10, 8
"""Bins of a continuous variable, and the fewest objects of one."""
_PLACEHOLDER: Final = -90.0


def best_run(metrics: pd.DataFrame) -> dict[str, Any]:
    """Return model, modality and zoom of the run or fusion of the lowest validation RMSE, the baselines aside.

    Raises
    ------
    HissError
        When there is none.
    """
    learned = metrics[~metrics["model"].isin(list(BASELINE_NAMES)) & metrics["validation_rmse"].notna()]
    if learned.empty:
        raise HissError("no model of this study has a validation RMSE; switch on at least one in experiments")
    best = learned.sort_values("validation_rmse", kind="stable").iloc[0]
    return {"model": str(best["model"]), "modality": str(best["modality"]), "zoom": int(best["zoom"])}


def residual_table(
    tests: pd.DataFrame, objects: pd.DataFrame, magnitudes: pd.DataFrame, run: Mapping[str, Any]
) -> pd.DataFrame:
    """Return `RESIDUAL_COLUMNS` of one run's test objects, in order of row.

    Parameters
    ----------
    tests
        All test_<model>.parquet, one below the other.
    objects
        The sample's, for what is known of each.
    magnitudes
        ``row, r``: of the light in an aperture on the untreated cutout (`hiss.sample.diagnostics`).
    run
        ``model, modality, zoom``.

    Returns
    -------
    DataFrame
        ``residual`` is prediction less truth [dex], ``label_sigma`` (P84 - P16) / 2 [dex], NaN where unknown;
        ``r_magnitude`` is of the cutout before neighbours are masked, where the sample masks them.
    """
    chosen = (tests[list(run)] == pd.Series(dict(run))).all(axis=1)
    table = (
        tests[chosen]
        .merge(objects, on=["target_id", "row"], how="left")
        .merge(magnitudes[["row", "r"]], on="row", how="left")
    )
    sigma = (table["p84"] - table["p16"]) / 2
    kind = table["class"].astype(str).str.strip() + " " + table["subclass"].astype(str).str.strip()
    epochs = table["n_epochs"] if "n_epochs" in table else pd.Series(np.nan, table.index)
    known = {
        "residual": table["prediction"] - table["truth"],
        "label_sigma": sigma.where((table["p16"] > _PLACEHOLDER) & (sigma > 0)),
        "redshift": table["z"],
        "r_magnitude": table["r"],
        "signal_to_noise": table["sn_median"],
        "kind": kind.str.strip().replace("", "unknown"),
        "n_spectra": table.get("n_spectra", np.nan),
        "n_images": epochs.map(lambda each: each[BAND_INDEX["r"]] if np.ndim(each) else each),
    }
    return table.assign(**known).sort_values("row", kind="stable")[RESIDUAL_COLUMNS].reset_index(drop=True)


def trends(residuals: pd.DataFrame, split: pd.DataFrame, n_resamples: int, seed: int) -> pd.DataFrame:
    """Return how residuals follow each variable: a slope in words, then medians in bins or by category.

    Parameters
    ----------
    residuals
        As `residual_table` returns them.
    split
        ``row, group`` of the sample; the bootstrap draws groups.

    Returns
    -------
    DataFrame
        `TREND_COLUMNS`: ``part`` is ``slope``, ``bin`` or ``category``. ``median_low, median_high`` are its 95 %
        interval by bootstrap, ``p16, p84`` percentiles of the residuals. The slope is that of a straight line by least
        squares [dex a unit; of signal to noise, a decade of it], with its 95 % interval.
    """
    group = split.set_index("row")["group"].loc[residuals["row"]].to_numpy()
    counts, index = resample_groups(group, n_resamples, seed)
    rows: list[dict[str, Any]] = []
    modality = str(next(iter(residuals["modality"]), "early"))
    for variable in CONTINUOUS:
        x = residuals[variable.name].to_numpy(dtype=np.float64)
        x = np.log10(np.where(x > 0, x, np.nan)) if variable.name in _LOGGED else x
        rows += _continuous(variable, x, residuals["residual"].to_numpy(), counts, index, modality)
    for variable in COUNTED:
        rows += _by_category(variable, residuals[variable.name], residuals["residual"].to_numpy(), counts, index)
    return pd.DataFrame(rows, columns=TREND_COLUMNS)


def _continuous(
    variable: Variable,
    x: Array,
    residual: Array,
    counts: NDArray[np.int64],
    index: NDArray[np.int64],
    modality: str,
) -> list[dict[str, Any]]:
    known = np.isfinite(x)
    if known.sum() < 3 or np.ptp(x[known]) == 0:
        return []
    x, residual, index = x[known], residual[known], index[known]
    slope, low, high = slope_with_interval(x, residual, counts, index)
    told = {"part": "slope", "n": len(x), "slope": slope, "slope_low": low, "slope_high": high}
    rows = [told | {"words": slope_words(variable, slope, low, high, modality)}]
    place = quantile_bins(x, min(_BINS, max(1, len(x) // _LEAST)))
    for number in np.unique(place):
        inside = place == number
        at = {"x_low": x[inside].min(), "x_middle": np.median(x[inside]), "x_high": x[inside].max()}
        rows.append({"part": "bin", "name": str(number + 1)} | at | _spread(residual, inside, counts, index))
    return [{"variable": variable.name} | row for row in rows]


def _by_category(
    variable: Variable, values: pd.Series, residual: Array, counts: NDArray[np.int64], index: NDArray[np.int64]
) -> list[dict[str, Any]]:
    known = values.notna()
    rows = []
    for place, name in enumerate(sorted(values[known].unique())):
        inside = (values == name).to_numpy()
        shown = name if isinstance(name, str) else f"{name:g}"
        row = {"variable": variable.name, "part": "category", "name": shown, "x_middle": float(place)}
        rows.append(row | _spread(residual, inside, counts, index))
    return rows


def _spread(
    residual: Array, inside: NDArray[np.bool_], counts: NDArray[np.int64], index: NDArray[np.int64]
) -> dict[str, Any]:
    values = residual[inside]
    p16, p84 = np.percentile(values, [16, 84])
    low, high = _median_interval(values, counts, index[inside]) if len(values) >= _LEAST else (np.nan, np.nan)
    middle = {"n": len(values), "median": np.median(values), "median_low": low, "median_high": high}
    return middle | {"p16": p16, "p84": p84}


def _median_interval(values: Array, counts: NDArray[np.int64], index: NDArray[np.int64]) -> tuple[float, float]:
    order = np.argsort(values, kind="stable")
    weight = counts[:, index[order]]
    drawn = weight.sum(axis=1) > 0
    return interval(weighted_median(np.broadcast_to(values[order], weight[drawn].shape), weight[drawn]))


def slope_with_interval(
    x: Array, y: Array, counts: NDArray[np.int64], index: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Return the slope of y on x (n,) by least squares, and its 95 % interval over resamples of groups of objects."""
    x, y = x - x.mean(), y - y.mean()
    sums = np.stack(
        [np.bincount(index, each, counts.shape[1]) for each in (np.ones_like(x), x, y, x * x, x * y)], axis=1
    )
    n, sx, sy, sxx, sxy = (counts @ sums).T.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = (n * sxy - sx * sy) / (n * sxx - sx**2)
    return float((x * y).sum() / (x * x).sum()), *interval(resampled)


def seen_by(variable: Variable, modality: str) -> bool:
    """Return whether a run of a modality sees what tells a variable, so that it could have learned a slope away.

    The redshift is told by the lines of the spectrum, by the redshift as a feature, or by a shift to rest.
    """
    if variable.told_by not in ("images", "spectra"):
        return variable.told_by == "prediction"
    if modality in FUSIONS:
        return True
    seen = Modality.parse(modality)
    if variable.name == "redshift" and (seen.redshift or seen.rest_frame):
        return True
    return seen.images if variable.told_by == "images" else seen.spectra


def slope_words(variable: Variable, slope: float, low: float, high: float, modality: str) -> str:
    """Return what a slope says of a run that looks at a modality, in a sentence."""
    if not np.isfinite(low):
        return f"Against {variable.phrase}: too few objects for an interval of the slope."
    told = f"{_signed(slope)} dex for {variable.unit} (95 % interval {_signed(low)} to {_signed(high)})"
    if low <= 0 <= high:
        return f"Against {variable.phrase} no slope is found: {told}."
    if variable.told_by == "label":
        sign = (
            "as regression to the mean lets one expect" if slope < 0 else "which regression to the mean does not make"
        )
        return f"Against {variable.phrase} the residuals have a slope of {told}, {sign}."
    known = seen_by(variable, modality)
    what = "a bias that a better model would not have" if known else "a slope of what this run does not see"
    return f"Against {variable.phrase} the residuals have a slope of {told}: {what}."


def _signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", "\u2212")
