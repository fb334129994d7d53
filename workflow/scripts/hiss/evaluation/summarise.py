"""The tables of results: metrics of the selected runs on the test set, and paired differences between them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.errors import HissError
from hiss.evaluation.collect import MODALITIES, model_order
from hiss.evaluation.intervals import bootstrap_scores, interval, resample_groups
from hiss.models.metrics import scores

SINGLE_MODALITIES = ("photo", "spectra")
_COSTS = ("fit_s", "predict_s", "peak_memory_mb")
COMPARISON_COLUMNS = ["kind", "model", "modality", "zoom", "a", "b", "n", "delta_rmse", "low", "high"]


class Key(NamedTuple):
    """A selected run, or late fusion."""

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
    """Return metrics with 95 % intervals, and the costs, of the selected runs and late fusions.

    Late fusion's costs are those of its two parts together. ``validation_rmse`` stands beside, since choices are made
    by it, and ``r2_ceiling``, what the label's own width leaves to be explained.
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
        row |= {name: costs[key][name] for name in (*_COSTS, "validation_rmse")}
        row["r2_ceiling"] = r2_ceiling(objects, frame["row"])
        rows.append(row)
    return pd.DataFrame(rows)


def with_times(runs: pd.DataFrame, times: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with ``fit_s`` and ``predict_s`` of the selected ones as timed alone.

    Late fusion costs what its two parts cost together.

    Parameters
    ----------
    runs
        As `hiss.evaluation.collect.collect_runs` returns it.
    times
        All times_<model>.csv, one below the other.
    """
    columns = ["fit_s", "predict_s"]
    alone = times.set_index("path")[columns]
    parts = times[times["modality"].isin(SINGLE_MODALITIES)].groupby(["model", "zoom"])[columns].sum()
    runs = runs.set_index("path")
    runs.update(alone)
    late = runs["modality"] == "late"
    runs.loc[late, columns] = parts.loc[list(zip(runs["model"][late], runs["zoom"][late]))].to_numpy()
    return runs.reset_index()


def r2_ceiling(objects: pd.DataFrame, rows: pd.Series) -> float:
    """Return 1 - <sigma^2> / Var(AVG), the R2 a perfect predictor reaches, sigma = (P84 - P16) / 2.

    Rows whose percentiles are placeholders or missing are left out; NaN where fewer than two remain.
    """
    known = objects[objects["row"].isin(rows)]
    sigma = (known["p84"] - known["p16"]) / 2
    usable = (known["p16"] > -90) & (sigma > 0)
    variance = known.loc[usable, "avg"].var() if usable.sum() > 1 else 0.0
    return float(1 - (sigma[usable] ** 2).mean() / variance) if variance > 0 else float("nan")


def _costs(runs: pd.DataFrame, selection: pd.DataFrame) -> dict[Key, dict[str, object]]:
    """Settings, costs and validation RMSE of each selected run and late fusion."""
    chosen = runs[runs["path"].isin(selection["path"]) | (runs["modality"] == "late")]
    return {
        Key(run["model"], run["modality"], int(run["zoom"])): {
            name: run[name] for name in ("settings", *_COSTS, "validation_rmse")
        }
        for run in chosen.to_dict("records")
    }


def _in_order(keys: dict[Key, pd.DataFrame]) -> list[Key]:
    models = model_order(key.model for key in keys)
    return sorted(keys, key=lambda key: (models.index(key.model), MODALITIES.index(key.modality), key.zoom))


def better_single(metrics: pd.DataFrame, model: str, zoom: int) -> str | None:
    """Return the single modality with the lower validation RMSE: the choice does not see the test set."""
    part = metrics[
        (metrics["model"] == model) & (metrics["zoom"] == zoom) & metrics["modality"].isin(SINGLE_MODALITIES)
    ]
    return None if part.empty else str(part.sort_values("validation_rmse").iloc[0]["modality"])


def comparisons_table(bootstrap: Bootstrap, metrics: pd.DataFrame) -> pd.DataFrame:
    """Return paired differences of test RMSE, a less b, with 95 % intervals; below zero, a is better.

    ``kind`` tells what a and b are: ``modalities`` of one model and zoom, ``models`` on one modality and zoom, or
    ``zooms`` (a one step coarser than b) of one model and modality.
    """
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
            }
        )
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def _rmse(frame: pd.DataFrame) -> float:
    return scores(frame["truth"], frame["prediction"])["rmse"]


def _pairs(bootstrap: Bootstrap, metrics: pd.DataFrame) -> Iterator[tuple[str, Key, Key, str, str]]:
    have = bootstrap.frames
    ordered = _in_order(have)
    for model, zoom in dict.fromkeys((key.model, key.zoom) for key in ordered):
        better = better_single(metrics, model, zoom)
        wanted = [("early", "photo"), ("early", "spectra"), ("early", "late"), ("late", better)]
        for a, b in wanted:
            first, second = Key(model, a, zoom), Key(model, str(b), zoom)
            if first in have and second in have:
                yield "modalities", first, second, a, str(b)
    models = model_order(key.model for key in ordered)
    for key in ordered:
        for name in models[: models.index(key.model)]:
            other = key._replace(model=name)
            if other in have:
                yield "models", key, other, key.model, name
        finer = key._replace(zoom=key.zoom - 1)
        if finer in have:
            yield "zooms", key, finer, f"zoom {key.zoom}", f"zoom {finer.zoom}"
