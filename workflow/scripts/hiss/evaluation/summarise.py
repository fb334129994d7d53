"""The tables of results: metrics of the selected runs on the test set, and paired differences between them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.errors import HissError
from hiss.evaluation.collect import BASELINE_NAMES, modality_order, model_order
from hiss.evaluation.intervals import bootstrap_scores, interval, resample_groups
from hiss.modality import FUSIONS, SINGLE
from hiss.models.metrics import scores

_OF_FITS: Final = ("fit_s", "cpu_s", "gpu_s")
_TIMES: Final = (*_OF_FITS, "predict_s", "predict_cpu_s", "predict_gpu_s", "bin_s", "read_s")
_COSTS: Final = (*_TIMES, "device", "peak_memory_mb")
COMPARISON_COLUMNS: Final = [
    "kind", "model", "modality", "zoom", "a", "b", "n", "delta_rmse", "low", "high", "better_on_validation",
]  # fmt: skip


class Key(NamedTuple):
    """A selected run, a fusion of predictions, or a baseline."""

    model: str
    modality: str
    zoom: int


@dataclass(frozen=True)
class Bootstrap:
    """The test set of every selected run, with the same resamples of its objects for all of them."""

    frames: dict[Key, pd.DataFrame]
    """``truth`` and ``prediction`` of each run, in order of row."""

    samples: dict[Key, dict[str, NDArray[np.float64]]]
    """Each metric's bootstrap values, (n_resamples,)."""


def bootstrap_tests(tests: pd.DataFrame, split: pd.DataFrame, n_resamples: int, seed: int) -> Bootstrap:
    """Resample the test objects, group by group, and score every selected run on each resample.

    Parameters
    ----------
    tests
        All test_<model>.parquet, one below the other.
    split
        The split's table, for ``row`` and ``group``.
    """
    wanted = split.loc[split["split"] == "test", ["row", "group"]].sort_values("row")
    counts, index = resample_groups(wanted["group"], n_resamples, seed)
    frames, samples = {}, {}
    for identity, part in tests.groupby(["model", "modality", "zoom"], sort=False):
        key = Key(str(identity[0]), str(identity[1]), int(str(identity[2])))
        frame = part.sort_values("row").reset_index(drop=True)
        if not np.array_equal(frame["row"], wanted["row"]):
            raise HissError(
                f"the predictions of {' / '.join(map(str, key))} are not of the split's test set; "
                "delete the test tables in evaluation and rerun"
            )
        frames[key] = frame
        samples[key] = bootstrap_scores(frame["truth"], frame["prediction"], counts, index)
    return Bootstrap(frames, samples)


def metrics_table(
    bootstrap: Bootstrap, runs: pd.DataFrame, selection: pd.DataFrame, objects: pd.DataFrame
) -> pd.DataFrame:
    """Return metrics with 95 % intervals, and the costs, of the selected runs, the fusions and the baselines.

    A fusion's costs are those of its two parts together, and of their folds' fits where it is stacked.
    ``validation_rmse`` stands beside, since choices are made by it, and ``r2_ceiling``, what the label's own width
    leaves to be explained.
    """
    costs = _costs(runs, selection)
    rows = []
    for key in _in_order(bootstrap.frames):
        frame = bootstrap.frames[key]
        if key not in costs:
            raise HissError(f"{' / '.join(map(str, key))} has test predictions but no run; rerun the evaluation")
        row = {**key._asdict(), "settings": costs[key]["settings"], "n": len(frame)}
        for name, value in scores(frame["truth"], frame["prediction"]).items():
            low, high = interval(bootstrap.samples[key][name])
            row |= {name: value, f"{name}_low": low, f"{name}_high": high}
        row |= costs[key]
        row["r2_ceiling"] = r2_ceiling(objects, frame["row"])
        rows.append(row)
    return pd.DataFrame(rows)


def with_times(runs: pd.DataFrame, times: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with the times of the selected ones as they were when each ran alone.

    A fusion takes what its two parts take together, and a stacked one the fits of its parts' folds too, in the ratio to
    the parts' own in which they ran. What was not timed alone, as the baselines, keeps the times of its run.

    Parameters
    ----------
    runs
        As `hiss.evaluation.collect.collect_runs` returns it.
    times
        All times of `hiss.evaluation.timing.time_selected`, one below the other.
    """
    columns = [name for name in (*_TIMES, "device") if name in times]
    runs = runs.set_index("path")
    alone = times.set_index("path")
    fused = {}
    for path, run in runs[runs["modality"].isin(FUSIONS)].iterrows():
        here = (alone["model"] == run["model"]) & (alone["zoom"] == run["zoom"])
        parts = alone.loc[here & alone["modality"].isin(SINGLE), columns]
        if len(parts) == len(SINGLE):
            folds = run["cv_s"] / runs.loc[parts.index, "fit_s"].sum() if run["modality"] == "stacked" else 0.0
            fused[path] = {name: _together(parts[name], 1 + folds if name in _OF_FITS else 1.0) for name in columns}
    of_fusions = pd.DataFrame.from_dict(fused, orient="index", columns=columns)
    found = pd.concat([alone[columns], of_fusions]) if fused else alone
    for name in columns:
        of_run = found[name].reindex(runs.index)
        runs[name] = of_run.fillna(runs[name]) if name in runs else of_run
    return runs.reset_index()


def _together(parts: pd.Series, factor: float) -> float | str:
    """Return the sum of two parts' times, or the names of what they ran on."""
    if pd.api.types.is_numeric_dtype(parts):
        return float(parts.sum(min_count=len(SINGLE)) * factor)
    return " and ".join(sorted(set(parts.dropna())))


def r2_ceiling(objects: pd.DataFrame, rows: pd.Series) -> float:
    """Return 1 - <sigma^2> / Var(AVG), the R2 a perfect predictor reaches, sigma = (P84 - P16) / 2.

    Rows whose percentiles are placeholders or missing are left out; NaN where fewer than two remain.
    """
    known = objects[objects["row"].isin(rows)]
    sigma = (known["p84"] - known["p16"]) / 2
    usable = (known["p16"] > -90) & (sigma > 0)
    variance = known.loc[usable, "avg"].var() if usable.sum() > 1 else 0.0
    return float(1 - (sigma[usable] ** 2).mean() / variance) if variance > 0 else float("nan")


def _costs(runs: pd.DataFrame, selection: pd.DataFrame) -> dict[Key, dict[str, Any]]:
    """Settings, costs and validation RMSE of each selected run and fusion."""
    chosen = runs[runs["path"].isin(selection["path"]) | runs["modality"].isin(FUSIONS)]
    wanted = ["settings", *(name for name in _COSTS if name in runs), "validation_rmse"]
    return {
        Key(run["model"], run["modality"], int(run["zoom"])): {name: run[name] for name in wanted}
        for run in chosen.to_dict("records")
    }


def _in_order(keys: dict[Key, pd.DataFrame]) -> list[Key]:
    models, modalities = model_order(key.model for key in keys), modality_order(key.modality for key in keys)
    return sorted(keys, key=lambda key: (models.index(key.model), modalities.index(key.modality), key.zoom))


def better_single(metrics: pd.DataFrame, model: str, zoom: int) -> str | None:
    """Return the single modality with the lower validation RMSE: the choice does not see the test set."""
    part = metrics[(metrics["model"] == model) & (metrics["zoom"] == zoom) & metrics["modality"].isin(SINGLE)]
    return None if part.empty else str(part.sort_values("validation_rmse").iloc[0]["modality"])


def comparisons_table(bootstrap: Bootstrap, metrics: pd.DataFrame) -> pd.DataFrame:
    """Return paired differences of test RMSE, a less b, with 95 % intervals; below zero, a is better.

    Both sides are of the same objects, resampled together, group by group.

    Returns
    -------
    DataFrame
        `COMPARISON_COLUMNS`. ``kind`` tells what a and b are: ``modalities`` of one model and zoom, ``models`` on one
        modality and zoom, ``zooms`` (a coarser than b by one step of the study) of one model and modality,
        ``baselines`` (a the model, b a baseline), or ``best`` (a the run of the lowest validation RMSE of all, b the
        best of another model and modality by the same; both told as `run_name` does). ``better_on_validation`` is the
        side with the lower validation RMSE, which is the one to choose.
    """
    validation = {
        Key(row["model"], row["modality"], int(row["zoom"])): float(row["validation_rmse"])
        for row in metrics.to_dict("records")
    }
    rows = []
    for kind, first, second, a, b in _pairs(bootstrap, metrics):
        one, two = bootstrap.samples[first]["rmse"], bootstrap.samples[second]["rmse"]
        low, high = interval(one - two)
        rows.append(
            {
                "kind": kind,
                "model": first.model if kind != "models" else "",
                "modality": first.modality if kind != "modalities" else "",
                "zoom": first.zoom,
                "a": a,
                "b": b,
                "n": len(bootstrap.frames[first]),
                "delta_rmse": _rmse(bootstrap.frames[first]) - _rmse(bootstrap.frames[second]),
                "low": low,
                "high": high,
                "better_on_validation": a if validation[first] <= validation[second] else b,
            }
        )
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def run_name(model: str, modality: str, zoom: int) -> str:
    """Return how a selected run is told in one word: ``lightgbm/early/zoom0``."""
    return f"{model}/{modality}/zoom{zoom}"


def _rmse(frame: pd.DataFrame) -> float:
    return scores(frame["truth"], frame["prediction"])["rmse"]


_Pair = tuple[str, Key, Key, str, str]


def _pairs(bootstrap: Bootstrap, metrics: pd.DataFrame) -> Iterator[_Pair]:
    """Yield the kind of each comparison, its two sides, and what they are called."""
    ordered = _in_order(bootstrap.frames)
    trained = [key for key in ordered if key.model not in BASELINE_NAMES]
    yield from _best_pairs(trained, metrics)
    yield from _modality_pairs(trained, metrics)
    models = model_order(key.model for key in trained)
    for key in trained:
        for name in models[: models.index(key.model)]:
            other = key._replace(model=name)
            if other in trained:
                yield "models", key, other, key.model, name
        finer = [other for other in trained if other[:2] == key[:2] and other.zoom < key.zoom]
        if finer:
            yield "zooms", key, finer[-1], f"zoom {key.zoom}", f"zoom {finer[-1].zoom}"
        for baseline in ordered[len(trained) :]:
            yield "baselines", key, baseline, key.model, baseline.model


def _best_pairs(trained: list[Key], metrics: pd.DataFrame) -> Iterator[_Pair]:
    """The run of the lowest validation RMSE against the best of each other model and modality, in that order."""
    known = metrics[metrics["validation_rmse"].notna()].sort_values("validation_rmse", kind="stable")
    keys = [Key(row["model"], row["modality"], int(row["zoom"])) for row in known.to_dict("records")]
    best = {key[:2]: key for key in reversed(keys) if key in trained}
    ordered = sorted(best.values(), key=keys.index)
    for other in ordered[1:]:
        yield "best", ordered[0], other, run_name(*ordered[0]), run_name(*other)


def _modality_pairs(trained: list[Key], metrics: pd.DataFrame) -> Iterator[_Pair]:
    """Each fusion against the better of the single modalities, and against the fusions that are simpler."""
    for model, zoom in dict.fromkeys((key.model, key.zoom) for key in trained):
        better = better_single(metrics, model, zoom)
        wanted = [("early", "photo"), ("early", "spectra"), ("early", "late"), ("late", better)]
        wanted += [("attention", better), ("attention", "early")]
        wanted += [("stacked", better), ("stacked", "late"), ("stacked", "early")]
        for a, b in wanted:
            first, second = Key(model, a, zoom), Key(model, str(b), zoom)
            if first in trained and second in trained:
                yield "modalities", first, second, a, str(b)
