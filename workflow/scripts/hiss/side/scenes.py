"""How well scenes are told, by what and by which split, beside the thesis's numbers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.evaluation.intervals import interval, resample_groups
from hiss.scenes.split import AT_RANDOM, BY_VIDEO, target_parts

Doubles = NDArray[np.float64]

SCORES: Final = ("accuracy", "balanced_accuracy")

TABLE_COLUMNS: Final = [
    "label", "split", "model", "modality", "n", "videos", "least_videos", "classes",
    *(f"{name}{end}" for name in SCORES for end in ("", "_low", "_high")), "thesis",
]  # fmt: skip
LEAK_COLUMNS: Final = [
    "label", "model", "modality", BY_VIDEO, AT_RANDOM, "leak", "low", "high", "videos_by_video", "videos_at_random",
]  # fmt: skip

THESIS: Final[Mapping[tuple[str, str, str], float]] = {
    ("decision_tree", "spectra", "class1"): 0.81,
    ("decision_tree", "spectra", "class2"): 0.66,
    ("decision_tree", "early", "class1"): 0.97,
    ("decision_tree", "early", "class2"): 0.92,
    **{
        ("vggnet12", modality, label): value
        for label in ("class1", "class2")
        for modality, value in (("spectra", 0.94), ("photo", 0.99), ("early", 0.99))
    },
}
"""Accuracies of the thesis (3.1), by model, modality and label; those of networks are told once, for no label."""

MODALITIES: Final = ("spectra", "photo", "late", "early")
"""Audio, images, the mean of both models' predictions, both in one model."""


class Judged(NamedTuple):
    """What the models of one target said of its test frames."""

    label: str
    split: str
    rows: pd.DataFrame
    """``model modality row truth prediction`` and ``group``, the video of each."""
    n_classes: int


def judged(target: str, test: pd.DataFrame, split: pd.DataFrame) -> Judged:
    """Return a target's predictions with the video of each frame.

    Parameters
    ----------
    test
        The tables of all its models.
    split
        ``sample/<target>/split.parquet``.
    """
    label, how = target_parts(target)
    rows = test.merge(split[["row", "group"]], on="row", how="left", validate="many_to_one")
    return Judged(label, how, rows, int(split["truth"].max()) + 1)


def scores_of(
    truth: Doubles, prediction: Doubles, counts: NDArray[np.int64], index: NDArray[np.int64], n_classes: int
) -> dict[str, Doubles]:
    """Return accuracy and balanced accuracy (n_resamples,) of resampled videos.

    Balanced accuracy is the mean recall of the classes that are in a resample.

    Parameters
    ----------
    truth, prediction
        (n,) codes.
    counts, index
        Of `hiss.evaluation.intervals.resample_groups`.
    """
    n_groups = counts.shape[1]
    code = truth.astype(np.int64)
    of_class, right = np.zeros((n_groups, n_classes)), np.zeros((n_groups, n_classes))
    np.add.at(of_class, (index, code), 1)
    np.add.at(right, (index, code), truth == prediction)
    n, hits = counts @ of_class, counts @ right
    recall = np.divide(hits, n, out=np.full_like(hits, np.nan), where=n > 0)
    return {"accuracy": hits.sum(axis=1) / n.sum(axis=1), "balanced_accuracy": np.nanmean(recall, axis=1)}


def compare(targets: Sequence[Judged], bootstrap: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scores of every label, split, model and modality, and by how much a random split exceeds.

    Intervals are of 95 %, by the bootstrap over videos: frames of one are not independent. The two splits have
    different test frames, so that the interval of the leak is of the difference of independent resamples.

    Returns
    -------
    table
        `TABLE_COLUMNS`.
    leak
        `LEAK_COLUMNS`, of balanced accuracy; empty without both splits.
    """
    rows: list[dict[str, Any]] = []
    drawn: dict[tuple[str, str, str, str], tuple[float, Doubles, int]] = {}
    for place, target in enumerate(targets):
        for (model, modality), own in _in_order(target.rows):
            truth, prediction = own["truth"].to_numpy(np.float64), own["prediction"].to_numpy(np.float64)
            counts, index = resample_groups(own["group"], bootstrap, seed + place)
            whole = scores_of(truth, prediction, np.ones((1, counts.shape[1]), dtype=np.int64), index, target.n_classes)
            resampled = scores_of(truth, prediction, counts, index, target.n_classes)
            row: dict[str, Any] = {
                "label": target.label, "split": target.split, "model": model, "modality": modality, "n": len(own),
                "videos": counts.shape[1], "least_videos": int(own.groupby("truth")["group"].nunique().min()),
                "classes": target.n_classes,
                "thesis": THESIS.get((model, modality, target.label), np.nan),
            }  # fmt: skip
            for name in SCORES:
                row[name] = float(whole[name][0])
                row[f"{name}_low"], row[f"{name}_high"] = interval(resampled[name])
            rows.append(row)
            told = float(whole["balanced_accuracy"][0]), resampled["balanced_accuracy"], counts.shape[1]
            drawn[target.label, model, modality, target.split] = told
    classes_of = {(target.label, target.split): target.n_classes for target in targets}
    return pd.DataFrame(rows, columns=TABLE_COLUMNS), _leaks(drawn, classes_of)


def _leaks(
    drawn: Mapping[tuple[str, str, str, str], tuple[float, Doubles, int]], classes_of: Mapping[tuple[str, str], int]
) -> pd.DataFrame:
    rows = []
    for (label, model, modality, split), (value, draws, videos) in drawn.items():
        other = drawn.get((label, model, modality, AT_RANDOM))
        if split != BY_VIDEO or other is None:
            continue
        if classes_of[label, split] != classes_of[label, AT_RANDOM]:
            continue  # a scene that only one split can hold: the two are not of the same thing
        low, high = interval(other[1] - draws)
        rows.append((label, model, modality, value, other[0], other[0] - value, low, high, videos, other[2]))
    return pd.DataFrame(rows, columns=LEAK_COLUMNS)


def _in_order(rows: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """Return the rows of each model and modality, models as they come, modalities as in `MODALITIES`."""
    models = list(dict.fromkeys(rows["model"]))
    parts = {(str(key[0]), str(key[1])): own for key, own in rows.groupby(["model", "modality"], sort=False)}
    return [((model, name), parts[model, name]) for model in models for name in MODALITIES if (model, name) in parts]
