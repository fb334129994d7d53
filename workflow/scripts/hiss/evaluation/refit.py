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
from hiss.models.base import Data, Model, build
from hiss.models.checkpoint import Checkpoint
from hiss.models.features import told_treatment
from hiss.models.metrics import LABEL_UNIT, scores
from hiss.models.train import fit_and_score, open_parts, with_weights
from hiss.progress import say
from hiss.provenance import digest, provenance
from hiss.script import Stopwatch, peak_memory_mb

OUT_OF_FOLD_COLUMNS = ["target_id", "row", "truth", "prediction", "fold"]

_LEAST_SHARE = 10  # training objects, of however small a share of however few


def cross_validate_selected(
    kind: type[Model],
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
    kind
        The model's class.
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
    run, settings = told["run"], with_weights(told["run"]["settings"], weights)
    if "cross_validate" in settings:
        settings["cross_validate"] = True
    train, _ = open_parts(features, bins)
    model = build(kind, settings, run["modality"], int(run["seed"]), threads)
    model.best_iteration, model.checkpoint = told["best_iteration"], checkpoint
    prediction = model.out_of_fold(train.data, train.table["fold"].to_numpy())
    if prediction is None:
        raise HissError(
            f"{chosen.parent}: {run['model']} is not cross-validated; say cross_validate: none in the config"
        )
    return train.table.assign(prediction=prediction)[OUT_OF_FOLD_COLUMNS]


def refit_variant(
    kind: type[Model],
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
    kind
        The model's class.
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
        whose mean predicts), ``train_size`` (objects to train on, or None) or ``train_share`` (of all of them), and
        ``draws`` of that share, by seeds ``seed``, ``seed + 1`` ..., each trained on by a model of the same seed;
        ``settings`` are in place of the selected.
    folder
        Of the variant; the models lie in ``models/seed<k>`` below it, those of all draws but the first, which alone
        predicts, in ``models/draw<k>``.
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
    record = provenance(with_weights({"features": features, "base": base}, weights), run, code)
    left = Checkpoint(folder / "checkpoint", digest(record))
    predictions, fits = [], []
    first, draws = int(run["seed"]), int(run.get("draws") or 1)
    data = _drawn(train.data, train.table["row"].to_numpy(), split, run, first)
    for seed in range(first, first + max(int(run["members"]), draws)):
        if draws > 1 and seed > first:
            data = _drawn(train.data, train.table["row"].to_numpy(), split, run, seed)
        model = build(kind, with_weights(settings, weights), run["modality"], seed, threads)
        model.checkpoint = replace(left, folder=left.folder / f"seed{seed}")
        predicted, fitted = fit_and_score(model, data, validation.data)
        model.save(folder / "models" / f"{'draw' if draws > 1 and seed > first else 'seed'}{seed}")
        predictions.append(predicted)
        fits.append(fitted)
    each = np.stack(predictions)
    table = _predicted(validation.table.drop(columns="fold"), each, draws > 1)
    write_table(folder / "validation.parquet", table, dict.fromkeys(table.columns[2:], LABEL_UNIT))
    values = (
        _together(fits, scores(table["truth"], table["prediction"]), load.seconds, draws > 1)
        | {
            "run": {**run, "settings": settings},
            "overrides": dict(run["settings"]),
            "base": relative_folder(base),
            "cv": None,
            "peak_memory_mb": peak_memory_mb() - start_up,
            "threads": threads,
            "provenance": record,
        }
        | told_treatment(features)
    )
    write_json(folder / "metrics.json", values)
    left.clear()
    return values


def _predicted(table: pd.DataFrame, each: NDArray[np.float64], draws: bool) -> pd.DataFrame:
    """Return a table with the predictions (k, n) of k models: of draws the first and all, of seeds mean and spread."""
    if draws:
        return table.assign(prediction=each[0], **{f"draw_{place}": one for place, one in enumerate(each, start=1)})
    table = table.assign(prediction=each.mean(axis=0))
    return table if len(each) == 1 else table.assign(spread=each.std(axis=0, ddof=1))


def _drawn(train: Data, rows: NDArray[np.int64], split: pd.DataFrame, run: Mapping[str, Any], seed: int) -> Data:
    """Return as many training objects as the run asks for, or all of them."""
    share = run.get("train_share")
    size = run["train_size"] if share is None else max(int(share * len(train)), min(_LEAST_SHARE, len(train)))
    if size is None:
        return train
    if size > len(train):
        raise HissError(
            f"{run['name']} asks for {size} training objects and sample {run['sample']} has {len(train)}; "
            "ask for fewer in experiments.variants"
        )
    group = split.set_index("row").loc[rows, "group"].to_numpy()
    drawn = draw_groups(group, size, seed)
    if not len(drawn):
        raise HissError(
            f"{run['name']} asks for {size} training objects, fewer than the group of overlapping cutouts "
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


def _together(
    fits: Sequence[Mapping[str, Any]], validation: Mapping[str, float], load_s: float, draws: bool = False
) -> dict[str, Any]:
    """Return what metrics.json says of one or several fits: costs added, the members beside their mean.

    Of draws it is all of the first, since that one predicts.
    """
    first, alone = fits[0], draws or len(fits) == 1
    if not alone:
        say(f"mean of {len(fits)}: {', '.join(f'{name} {value:.4f}' for name, value in validation.items())}")
    return {
        **{name: first[name] for name in ("n_train", "n_validation", "n_features")},
        "validation": dict(validation),
        "train": first["train"] if alone else None,
        "best_iteration": first["best_iteration"] if alone else None,
        "members": [{name: fit[name] for name in ("n_train", "validation", "best_iteration")} for fit in fits],
        "time": {name: sum(fit["time"][name] for fit in (fits[:1] if draws else fits)) for name in first["time"]}
        | {"load_s": load_s, "cv_s": 0.0},
    }
