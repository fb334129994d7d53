"""Selected settings fitted once more: fold by fold, or with one thing changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hiss.errors import HissError
from hiss.evaluation.collect import relative_folder
from hiss.evaluation.selection import selected_metrics
from hiss.files import read_json, read_table, write_json, write_table
from hiss.models.base import Data, build
from hiss.models.checkpoint import Checkpoint
from hiss.models.metrics import LABEL_UNIT, scores
from hiss.models.run import model_type
from hiss.models.train import fit_and_score, open_parts
from hiss.progress import say
from hiss.provenance import digest, provenance
from hiss.script import Stopwatch, peak_memory_mb

OUT_OF_FOLD_COLUMNS = ["target_id", "row", "truth", "prediction", "fold"]


def cross_validate_selected(
    selection: pd.DataFrame,
    metrics: Iterable[Path | str],
    features: Path | str,
    threads: int,
    made: Sequence[Path | str] = (),
    bins: Sequence[Path | str] = (),
    weights: Path | str | None = None,
    checkpoint: Checkpoint | None = None,
) -> pd.DataFrame:
    """Return the selected setting's prediction of each training object by a model that did not see its fold.

    Parameters
    ----------
    selection
        As `hiss.evaluation.selection.select_runs` returns it.
    metrics
        metrics.json of the runs of one model, modality and zoom.
    features
        The prepared features of that modality and zoom; no test object is among them.
    made
        out_of_fold.parquet of the runs that left one behind; the selected one's is taken as it is.
    bins
        LightGBM's bins of the training and of the validation features.
    weights
        File of ImageNet weights in place of what the settings name.
    checkpoint
        Where a long fit leaves what it has; the caller clears it.

    Returns
    -------
    DataFrame
        ``target_id, row, truth, prediction, fold``.

    Raises
    ------
    HissError
        When none or several of the runs are selected, or the model has no folds.
    """
    chosen = selected_metrics(selection, metrics)
    for path in map(Path, made):
        if path.parent == chosen.parent:
            return read_table(path)[OUT_OF_FOLD_COLUMNS]
    told = read_json(chosen)
    run, settings = told["run"], _with_weights(told["run"]["settings"], weights)
    if "cross_validate" in settings:
        settings["cross_validate"] = True
    train, _ = open_parts(features, bins)
    model = build(model_type(run["model"]), settings, run["modality"], int(run["seed"]), threads)
    model.best_iteration, model.checkpoint = told["best_iteration"], checkpoint
    prediction = model.out_of_fold(train.data, train.table["fold"].to_numpy())
    if prediction is None:
        raise HissError(
            f"{chosen.parent}: {run['model']} is not cross-validated; say cross_validate: none in the config"
        )
    return train.table.assign(prediction=prediction)[OUT_OF_FOLD_COLUMNS]


def refit_variant(
    selection: pd.DataFrame,
    metrics: Iterable[Path | str],
    features: Path | str,
    split: pd.DataFrame,
    run: Mapping[str, Any],
    folder: Path | str,
    threads: int,
    code: Iterable[Path | str] = (),
    bins: Sequence[Path | str] = (),
    weights: Path | str | None = None,
) -> dict[str, Any]:
    """Train a selected setting with one thing changed; write its models, validation.parquet and, last, metrics.json.

    Parameters
    ----------
    selection
        Of the study's own sample, as `hiss.evaluation.selection.select_runs` returns it.
    metrics
        metrics.json of the study's runs of the variant's model, base modality and zoom.
    features
        The prepared features of the variant's own sample, modality and zoom.
    split
        Of the variant's sample, for the groups of its objects.
    run
        As any run, and ``base`` (modality of the selected run), ``members`` (models of seeds ``seed``, ``seed + 1`` ...
        whose mean predicts), ``train_size`` (objects to train on, or None); ``settings`` are in place of the selected.
    folder
        Of the variant; the models lie in ``models/seed<k>`` below it.
    code
        Files of the program, for the provenance.
    bins, weights
        As `hiss.models.train.run_experiment` takes them.

    Returns
    -------
    dict
        What metrics.json holds.

    Raises
    ------
    HissError
        When no run or several are selected, or there are fewer training objects than asked for.
    """
    folder, start_up = Path(folder), peak_memory_mb()
    base = selected_metrics(selection, metrics)
    settings = {**read_json(base)["run"]["settings"], **run["settings"]}
    with Stopwatch() as load:
        # Other bins than the study's are made anew.
        train, validation = open_parts(features, () if "max_bin" in run["settings"] else bins)
    inputs = {"features": features, "base": base} | ({} if weights is None else {"weights": weights})
    record = provenance(inputs, run, code)
    left = Checkpoint(folder / "checkpoint", digest(record))
    data = _drawn(train.data, train.table["row"].to_numpy(), split, run)
    predictions, fits = [], []
    for seed in range(int(run["seed"]), int(run["seed"]) + int(run["members"])):
        model = build(model_type(run["model"]), _with_weights(settings, weights), run["modality"], seed, threads)
        model.checkpoint = replace(left, folder=left.folder / f"seed{seed}")
        predicted, fitted = fit_and_score(model, data, validation.data)
        model.save(folder / "models" / f"seed{seed}")
        predictions.append(predicted)
        fits.append(fitted)
    each = np.stack(predictions)
    table = validation.table.drop(columns="fold").assign(prediction=each.mean(axis=0))
    if len(fits) > 1:
        table["spread"] = each.std(axis=0, ddof=1)
    write_table(folder / "validation.parquet", table, dict.fromkeys(("truth", "prediction", "spread"), LABEL_UNIT))
    values = _together(fits, scores(table["truth"], table["prediction"]), load.seconds) | {
        "run": {**run, "settings": settings},
        "overrides": dict(run["settings"]),
        "base": relative_folder(base),
        "cv": None,
        "peak_memory_mb": peak_memory_mb() - start_up,
        "threads": threads,
        "provenance": record,
    }
    write_json(folder / "metrics.json", values)
    left.clear()
    return values


def _with_weights(settings: Mapping[str, Any], weights: Path | str | None) -> dict[str, Any]:
    return dict(settings) | ({} if weights is None else {"weights": str(weights)})


def _drawn(train: Data, rows: NDArray[np.int64], split: pd.DataFrame, run: Mapping[str, Any]) -> Data:
    """Return as many training objects as the run asks for, or all of them."""
    if run["train_size"] is None:
        return train
    if run["train_size"] > len(train):
        raise HissError(
            f"{run['name']} asks for {run['train_size']} training objects and sample {run['sample']} has {len(train)}; "
            "ask for fewer in experiments.variants"
        )
    group = split.set_index("row").loc[rows, "group"].to_numpy()
    drawn = draw_groups(group, int(run["train_size"]), int(run["seed"]))
    if not len(drawn):
        raise HissError(
            f"{run['name']} asks for {run['train_size']} training objects, fewer than the group of overlapping cutouts "
            "that is drawn first; ask for more in experiments.variants"
        )
    return train.take(drawn)


def draw_groups(group: ArrayLike, size: int, seed: int) -> NDArray[np.int64]:
    """Return the positions, ascending, of at most ``size`` objects: whole groups, in an order of the seed's.

    A smaller draw of the same seed is part of a larger one, so that a learning curve adds objects and changes none.

    Parameters
    ----------
    group
        (n,) label of each object's group.
    """
    labels, member = np.unique(np.asarray(group), return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(labels))
    counts = np.bincount(member, minlength=len(labels))[order]
    taken = np.zeros(len(labels), dtype=bool)
    taken[order[np.cumsum(counts) <= size]] = True
    return np.flatnonzero(taken[member])


def _together(fits: Sequence[Mapping[str, Any]], validation: Mapping[str, float], load_s: float) -> dict[str, Any]:
    """Return what metrics.json says of one or several fits: costs added, the members beside their mean."""
    first, alone = fits[0], len(fits) == 1
    if not alone:
        say(f"mean of {len(fits)}: {', '.join(f'{name} {value:.4f}' for name, value in validation.items())}")
    return {
        **{name: first[name] for name in ("n_train", "n_validation", "n_features")},
        "validation": dict(validation),
        "train": first["train"] if alone else None,
        "best_iteration": first["best_iteration"] if alone else None,
        "members": [{name: fit[name] for name in ("validation", "best_iteration")} for fit in fits],
        "time": {name: sum(fit["time"][name] for fit in fits) for name in first["time"]}
        | {"load_s": load_s, "cv_s": 0.0},
    }
