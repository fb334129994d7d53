"""Learning curves: what more training objects bring, with the settings that were selected for all of them.

The error of a model usually falls as a power of the number of training objects towards a floor, a + b n^-c (Cortes et
al. 1994; Viering & Loog 2023, IEEE TPAMI 45, 7799, who also show that it need not). Three numbers of a handful of sizes
are often not to be told; then what the last doubling brought is all that is said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.errors import HissError
from hiss.evaluation.collect import modality_order, model_order, relative_folder
from hiss.evaluation.intervals import interval, resample_groups
from hiss.files import read_json, read_table
from hiss.modality import FUSIONS
from hiss.progress import say

Array = NDArray[np.float64]
Key = tuple[str, str, int]

LEARNING_COLUMNS: Final = [
    "model", "modality", "zoom", "train_share", "n_train", "draws", "n_validation", "rmse", "low", "high", "scatter",
]  # fmt: skip
FIT_COLUMNS: Final = [
    "model", "modality", "zoom", "sizes", "floor", "floor_low", "floor_high", "factor", "exponent", "exponent_low",
    "exponent_high", "determined", "n_half", "n_all", "last_doubling", "last_low", "last_high",
    "next_doubling", "next_low", "next_high",
]  # fmt: skip

_EXPONENTS: Final = np.geomspace(0.05, 3.0, 60)
_KNOWN_WITHIN: Final = 4.0
"""An exponent is known whose interval spans no more than this factor: twice or half of it in either direction."""
_LEAST_SIZES: Final = 4
"""One more than the power law has numbers."""


class Size(NamedTuple):
    """The models of one number of training objects."""

    share: float
    n_train: int
    squares: Array
    """(draws, n) squared errors of the validation objects [dex^2]."""


@dataclass(frozen=True)
class _Curve:
    sizes: list[Size]
    """From the fewest training objects to all."""
    target_id: NDArray[np.int64]
    """(n,) of the validation objects."""


def learning_curves(
    selection: pd.DataFrame,
    runs: Iterable[Path | str],
    variants: Iterable[Path | str],
    split: pd.DataFrame,
    n_resamples: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the RMSE on the validation objects against the number of training objects, and what doubling it brings.

    Parameters
    ----------
    selection
        As `hiss.evaluation.selection.select_runs` returns it, for the runs on all training objects.
    runs, variants
        metrics.json of the study's runs and of the variants, of which those count that change nothing but the
        ``train_share``; validation.parquet lies beside each.
    split
        ``target_id, group`` of the sample; the bootstrap draws groups, and draws among the draws.

    Returns
    -------
    points
        `LEARNING_COLUMNS`, a row a model, modality, zoom and number of training objects: ``rmse`` [dex] is the mean
        over the draws, with its 95 % interval, ``scatter`` their standard deviation (NaN of one, whose interval takes
        that of the largest share of which there are several).
    fits
        `FIT_COLUMNS`, a row a curve: ``floor + factor n_train^-exponent``, which is ``determined`` where there are at
        least four numbers of training objects and the interval of the exponent spans no more than a factor of 4, within
        what was tried (0.05 to 3);
        ``last_doubling`` is the change of the RMSE from half of the training objects to all [dex, paired], NaN without
        a run on half of them (45 to 55 %), ``next_doubling`` that from all to twice as many by the power law where it
        is determined.
    """
    curves = _curves(selection, runs, variants)
    group = split.drop_duplicates("target_id").set_index("target_id")["group"]
    points: list[dict[str, Any]] = []
    fits: list[dict[str, Any]] = []
    for (model, modality, zoom), curve in curves.items():
        named = {"model": model, "modality": modality, "zoom": zoom}
        counts, index = resample_groups(group.reindex(curve.target_id), n_resamples, seed)
        scatter = _scatter_of_draws(curve.sizes)
        resampled = np.stack(
            [_resampled_rmse(size, counts, index, (seed, place), scatter) for place, size in enumerate(curve.sizes)]
        )
        points += [named | row for row in _points(curve, resampled)]
        fits.append(named | _fit(curve, resampled))
    say(f"{len(curves)} learning curves")
    return pd.DataFrame(points, columns=LEARNING_COLUMNS), pd.DataFrame(fits, columns=FIT_COLUMNS)


def _curves(selection: pd.DataFrame, runs: Iterable[Path | str], variants: Iterable[Path | str]) -> dict[Key, _Curve]:
    folders = {relative_folder(path): Path(path).parent for path in runs}
    samples = {Path(path).parts[2] for path in selection["path"]}  # runs/<target>/<sample>/...
    parts: dict[Key, list[Path]] = {}
    for path in map(Path, variants):
        told = read_json(path)
        run = told["run"]
        if run["sample"] in samples and _is_a_share(run, told["overrides"]):
            parts.setdefault((run["model"], run["modality"], int(run["zoom"])), []).append(path.parent)
    chosen = {
        (str(row["model"]), str(row["modality"]), int(row["zoom"])): str(row["path"])
        for row in selection[~selection["modality"].isin(FUSIONS)].to_dict("records")
    }
    models, modalities = model_order(key[0] for key in parts), modality_order(key[1] for key in parts)
    curves = {}
    for key in sorted(parts, key=lambda key: (models.index(key[0]), modalities.index(key[1]), key[2])):
        if chosen.get(key) not in folders:
            raise HissError(f"the study has no selected run of {key[0]}, {key[1]}, zoom {key[2]}; rerun the selection")
        curves[key] = _curve([*parts[key], folders[chosen[key]]])
    return curves


def _is_a_share(run: Mapping[str, Any], overrides: Mapping[str, Any]) -> bool:
    """Say whether a variant differs from the selected run by its share of the training objects alone."""
    other = run["modality"] != run["base"] or run["members"] > 1 or overrides
    return run.get("train_share") is not None and not other


def _curve(folders: list[Path]) -> _Curve:
    sizes, target_id = [], None
    for folder in folders:
        metrics = read_json(folder / "metrics.json")
        table = read_table(folder / "validation.parquet").sort_values("target_id")
        own = table["target_id"].to_numpy(dtype=np.int64)
        if target_id is not None and not np.array_equal(own, target_id):
            raise HissError(f"{folder}: other validation objects than the study's; delete it and run again")
        target_id = own
        draws = [name for name in table if str(name).startswith("draw_")] or ["prediction"]
        errors = table[draws].to_numpy() - table[["truth"]].to_numpy()
        share = metrics["run"].get("train_share")
        n_train = [one.get("n_train", metrics["n_train"]) for one in metrics.get("members", ())]
        n_mean = round(float(np.mean(n_train))) if n_train else int(metrics["n_train"])
        sizes.append(Size(1.0 if share is None else float(share), n_mean, (errors**2).T))
    if target_id is None:
        raise HissError("a learning curve needs at least one run")
    return _Curve(sorted(sizes, key=lambda size: (size.n_train, size.share)), target_id)


def _scatter_of_draws(sizes: list[Size]) -> float:
    """Return the standard deviation of the RMSE from draw to draw, of the largest share with several; 0 without."""
    several = [size for size in sizes if len(size.squares) > 1]
    return float(_rmse(several[-1]).std(ddof=1)) if several else 0.0


def _resampled_rmse(
    size: Size, counts: NDArray[np.int64], index: NDArray[np.int64], seed: tuple[int, int], scatter: float
) -> Array:
    """Return (n_resamples,), the mean RMSE of draws drawn with replacement on groups drawn with replacement.

    Of k draws k - 1 are drawn: the mean of k would scatter by (k - 1) / k of the variance of a mean of k draws, since
    each is counted from the mean of these very draws (Rao & Wu 1988, JASA 83, 231). Which they are is the same for all
    sizes, whose draws of one seed lie within each other. One fit alone, as that of all training objects, is given the
    scatter of others, each size its own: it too might have come otherwise.

    Parameters
    ----------
    seed
        Of the draws, and the size's own place.
    """
    sums = np.stack([np.bincount(index, one, counts.shape[1]) for one in size.squares])
    each = np.sqrt(sums @ counts.T / (counts @ np.bincount(index, minlength=counts.shape[1])))
    if len(each) == 1:
        alone: Array = each[0] + np.random.default_rng(seed).normal(0, scatter, len(counts))
        return alone
    drawn = np.random.default_rng(seed[0]).integers(0, len(each), (len(counts), len(each) - 1))
    mean: Array = np.take_along_axis(each.T, drawn, axis=1).mean(axis=1)
    return mean


def _rmse(size: Size) -> Array:
    each: Array = np.sqrt(size.squares.mean(axis=1))
    return each


def _points(curve: _Curve, resampled: Array) -> list[dict[str, Any]]:
    rows = []
    for size, values in zip(curve.sizes, resampled, strict=True):
        each, (low, high) = _rmse(size), interval(values)
        told = {"train_share": size.share, "n_train": size.n_train, "draws": len(each)}
        told |= {"n_validation": len(curve.target_id), "rmse": each.mean(), "low": low, "high": high}
        rows.append(told | {"scatter": each.std(ddof=1) if len(each) > 1 else np.nan})
    return rows


def _fit(curve: _Curve, resampled: Array) -> dict[str, Any]:
    n = np.array([size.n_train for size in curve.sizes], dtype=np.float64)
    rmse = np.array([_rmse(size).mean() for size in curve.sizes])
    told: dict[str, Any] = {"sizes": len(n), "n_all": int(n[-1])} | _last_doubling(curve, rmse, resampled)
    if len(np.unique(n)) < _LEAST_SIZES:
        return told | {"determined": False}
    floor, factor, exponent = power_law(n, rmse[:, None])
    floors, factors, exponents = power_law(n, resampled)
    ends = interval(exponents)
    inside = _EXPONENTS[0] < ends[0] and ends[1] < min(_EXPONENTS[-1], _KNOWN_WITHIN * ends[0])
    known = bool(inside and (factors > 0).mean() > 0.975)
    next_ = _doubled(n[-1], factors, exponents)
    told |= {"floor": floor[0], "factor": factor[0], "exponent": exponent[0], "determined": known}
    told |= dict(zip(("floor_low", "floor_high"), interval(floors), strict=True))
    told |= dict(zip(("exponent_low", "exponent_high"), ends, strict=True))
    if known:
        told |= {"next_doubling": _doubled(n[-1], factor, exponent)[0]}
        told |= dict(zip(("next_low", "next_high"), interval(next_), strict=True))
    return told


def _last_doubling(curve: _Curve, rmse: Array, resampled: Array) -> dict[str, Any]:
    shares = np.array([size.n_train for size in curve.sizes]) / curve.sizes[-1].n_train
    half = np.flatnonzero((shares >= 0.45) & (shares <= 0.55))
    if not len(half):
        return {}
    place = int(half[0])
    low, high = interval(resampled[-1] - resampled[place])
    told = {"n_half": curve.sizes[place].n_train, "last_doubling": rmse[-1] - rmse[place]}
    return told | {"last_low": low, "last_high": high}


def power_law(n: Array, rmse: Array) -> tuple[Array, Array, Array]:
    """Return a, b and c of ``a + b n^-c`` by least squares, a and b not below 0, for each column of RMSEs.

    Parameters
    ----------
    n
        (k,) numbers of training objects.
    rmse
        (k, m).

    Returns
    -------
    floor, factor, exponent
        (m,) each; the exponent is one of 60 from 0.05 to 3.
    """
    best = np.full(rmse.shape[1], np.inf)
    found = np.zeros((3, rmse.shape[1]))
    for exponent in _EXPONENTS:
        x = (n / n[-1]) ** -exponent
        slope = ((x - x.mean())[:, None] * rmse).sum(axis=0) / ((x - x.mean()) ** 2).sum()
        level = rmse.mean(axis=0) - slope * x.mean()
        slope_alone = (x[:, None] * rmse).sum(axis=0) / (x * x).sum()  # where the floor would be below 0
        slope, level = np.where(level < 0, slope_alone, slope), np.maximum(level, 0)
        level, slope = np.where(slope < 0, rmse.mean(axis=0), level), np.maximum(slope, 0)
        left = ((rmse - level - slope * x[:, None]) ** 2).sum(axis=0)
        better = left < best
        best[better] = left[better]
        found[:, better] = np.stack([level, slope * n[-1] ** exponent, np.full_like(level, exponent)])[:, better]
    return found[0], found[1], found[2]


def _doubled(n: float, factor: Array, exponent: Array) -> Array:
    """Return the change of ``a + b n^-c`` from n to twice as many."""
    change: Array = factor * ((2 * n) ** -exponent - n**-exponent)
    return change
