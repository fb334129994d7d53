"""Which frames models learn from: videos as a whole, or, to show what that does, frames at random."""

from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.errors import HissError
from hiss.sample.split import SIDES
from hiss.scenes.layout import LABELS

BY_VIDEO, AT_RANDOM = "by_video", "at_random"
SPLITS: Final = (BY_VIDEO, AT_RANDOM)

_TRAIN: Final = SIDES.index("train")
_OUT: Final = -1
_FEWEST_VIDEOS: Final = len(SIDES)  # of a scene: one a side

LEFT_OUT: Final = {
    "rare": "too few frames of this scene",
    "gap": "between two sides of a video that had to be cut",
    "short": "a video too short to be cut",
}
"""Why a frame is on no side."""

Ints = NDArray[np.int64]


class Shares(NamedTuple):
    """How frames are shared out."""

    train: float
    validation: float
    test: float
    folds: int
    gap: int
    """Frames between the sides of a video that is cut."""
    min_class: int
    """A scene of fewer frames is left out."""
    seed: int


def target_parts(target: str) -> tuple[str, str]:
    """Return the label's column and the split of a target ``scene_<label>_<split>``."""
    for label in LABELS:
        for split in SPLITS:
            if target == f"scene_{label}_{split}":
                return label, split
    raise HissError(f"{target}: is no target of the scenes; they are scene_<class1 or class2>_<by_video or at_random>")


def split_frames(table: pd.DataFrame, split: str, shares: Shares) -> pd.DataFrame:
    """Return the frames that are on a side, and those that are not.

    All labels share one split: strata are the scenes (class2). By video each scene's videos are dealt to the sides,
    at least one to each; a scene of fewer than three videos has none to spare, and each of its videos is cut into
    three pieces of time with a gap between them, which is the most that can be done for it.

    Parameters
    ----------
    table
        Of `hiss.scenes.frames.Frames`.
    split
        ``by_video`` or ``at_random``.

    Returns
    -------
    DataFrame
        ``row target_id group split fold how class1 class2``: ``group`` is the video's number, ``split`` is train,
        validation, test or why a frame is on none (`LEFT_OUT`), ``fold`` is -1 but in train, ``how`` tells what was
        dealt to the sides: videos, pieces (of videos) or frames.
    """
    rng = np.random.default_rng(shares.seed)
    videos, group = np.unique(table["video"].to_numpy(dtype=str), return_inverse=True)
    scene_of = _scenes_of_videos(group, table["class2"].to_numpy(dtype=str), len(videos))
    side = np.full(len(table), _OUT, dtype=np.int64)
    fold = np.full(len(table), -1, dtype=np.int64)
    why = np.full(len(table), "rare", dtype=object)
    how = np.full(len(table), "frames" if split == AT_RANDOM else "videos", dtype=object)
    frame = table["frame"].to_numpy(dtype=np.int64)
    for scene in np.unique(scene_of):
        inside = np.flatnonzero(scene_of[group] == scene)
        if len(inside) < max(shares.min_class, len(SIDES)):
            continue
        own = group[inside]
        if split == AT_RANDOM:
            side[inside] = _deal(len(inside), shares, rng)
        elif len(np.unique(own)) >= _FEWEST_VIDEOS:
            side[inside] = _whole_videos(own, shares, rng)
        else:
            side[inside], why[inside] = _pieces(own, frame[inside], shares)
            how[inside] = "pieces"
        training = inside[side[inside] == _TRAIN]
        if split == AT_RANDOM:
            fold[training] = rng.permutation(np.arange(len(training)) % shares.folds)
        else:
            fold[training] = _folds(group[training], frame[training], shares.folds, how[inside[0]] == "videos", rng)
    names = np.array([*SIDES, ""], dtype=object)[side]
    told = table[["row", "class1", "class2"]].assign(
        target_id=table["row"], group=group, split=np.where(side == _OUT, why, names), fold=_compact(fold), how=how
    )
    return told[["row", "target_id", "group", "split", "fold", "how", *LABELS]]


def of_target(sides: pd.DataFrame, label: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return a target's split, its objects and its counts.

    Returns
    -------
    split
        ``row target_id group truth split fold``: of the frames that are on a side.
    objects
        ``row target_id truth class group how`` of the same.
    counts
        ``name objects used why``, one row a class, with why frames of it are not used.

    Raises
    ------
    HissError
        With fewer than two classes, or a side without one of them.
    """
    on_a_side = sides["split"].isin(SIDES).to_numpy()
    used = sides[on_a_side]
    names = np.unique(used[label].to_numpy(dtype=str))
    if len(names) < 2:
        raise HissError(
            f"{label} has {len(names)} classes among the {len(used)} frames of this split, and two are needed "
            f"({_why_out(sides, label)}); lower side_studies.scenes.min_class or split.gap, take more frames, or leave "
            "the study out by side_studies.scenes: null"
        )
    lacking = [
        f"{side} has no {name}"
        for side in SIDES
        for name in names
        if not ((used["split"] == side) & (used[label] == name)).any()
    ]
    if lacking:
        raise HissError(
            f"the split of {label} leaves {' and '.join(lacking)}: its videos are too few or too uneven; raise "
            "side_studies.scenes.min_class so that this class is left out, or take more videos"
        )
    truth = np.searchsorted(names, used[label].to_numpy(dtype=str)).astype(np.float64)
    split = used[["row", "target_id", "group"]].assign(truth=truth, split=used["split"], fold=used["fold"])
    objects = used[["row", "target_id"]].assign(
        truth=truth, **{"class": used[label]}, group=used["group"], how=used["how"]
    )
    return split.reset_index(drop=True), objects.reset_index(drop=True), _counts(sides, label)


def _why_out(sides: pd.DataFrame, label: str) -> str:
    counts = _counts(sides, label)
    return ", ".join(f"{row['name']}: {row['why'] or 'all used'}" for row in counts.to_dict("records"))


def _counts(sides: pd.DataFrame, label: str) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for name, own in sides.groupby(label, sort=True):
        out = own["split"].value_counts()
        why = [f"{out[key]} {reason}" for key, reason in LEFT_OUT.items() if key in out]
        used = int(own["split"].isin(SIDES).sum())
        rows.append({"name": name, "objects": len(own), "used": used, "why": "; ".join(why)})
    return pd.DataFrame(rows, columns=["name", "objects", "used", "why"])


def _scenes_of_videos(group: Ints, scene: NDArray[np.str_], n_videos: int) -> NDArray[np.str_]:
    """Return the scene (n_videos,) of most frames of each video; of equally many the first in the alphabet."""
    names, code = np.unique(scene, return_inverse=True)
    counts = np.zeros((n_videos, len(names)), dtype=np.int64)
    np.add.at(counts, (group, code), 1)
    return names[counts.argmax(axis=1)]


def _deal(n: int, shares: Shares, rng: np.random.Generator) -> Ints:
    """Return the side (n,) of single things at random, at least one on each."""
    held = [max(1, round(share * n)) for share in (shares.validation, shares.test)]
    sides = np.repeat([1, 2, _TRAIN], [held[0], held[1], n - sum(held)])
    return rng.permutation(sides)


def _whole_videos(video: Ints, shares: Shares, rng: np.random.Generator) -> Ints:
    """Return the side (n,) of each frame: the longest videos first, each to the side that lacks most."""
    names, counts = np.unique(video, return_counts=True)
    order = rng.permutation(len(names))
    order = order[np.argsort(-counts[order], kind="stable")]
    due = np.array([shares.train, shares.validation, shares.test]) * counts.sum()
    held, number = np.zeros(len(SIDES)), np.zeros(len(SIDES), dtype=np.int64)
    side = np.empty(len(names), dtype=np.int64)
    for place, one in enumerate(order):
        empty = np.flatnonzero(number == 0)
        open_sides = empty if len(empty) >= len(order) - place else np.arange(len(SIDES))
        side[one] = open_sides[np.argmax((due - held)[open_sides])]
        held[side[one]] += counts[one]
        number[side[one]] += 1
    return side[np.searchsorted(names, video)]


def _folds(video: Ints, frame: Ints, folds: int, whole: bool, rng: np.random.Generator) -> Ints:
    """Return the fold (n,) of training frames: whole videos are dealt in turn; others are cut into pieces of time."""
    names, member = np.unique(video, return_inverse=True)
    if not whole or len(names) == 1:
        return _places(video, frame) * folds // np.maximum(_lengths(video), 1)
    return np.asarray(rng.permutation(len(names))[member] % folds)


def _pieces(video: Ints, frame: Ints, shares: Shares) -> tuple[Ints, NDArray[np.object_]]:
    """Return the side (n,) of each frame, -1 between pieces, and why those are on none."""
    place, length = _places(video, frame), _lengths(video)
    left = length - 2 * shares.gap
    n_train = np.floor(shares.train * left).astype(np.int64)
    n_validation = np.maximum(np.floor(shares.validation * left), 1).astype(np.int64)
    second = n_train + shares.gap
    third = second + n_validation + shares.gap
    side = np.full(len(video), _OUT, dtype=np.int64)
    side[place < n_train] = _TRAIN
    side[(place >= second) & (place < second + n_validation)] = 1
    side[place >= third] = 2
    short = (n_train < 1) | (length - third < 1)
    side[short] = _OUT
    return side, np.where(short, "short", "gap").astype(object)


def _places(video: Ints, frame: Ints) -> Ints:
    """Return the place (n,) of each frame in its video, in order of time."""
    place = np.empty(len(video), dtype=np.int64)
    for one in np.unique(video):
        inside = np.flatnonzero(video == one)
        place[inside[np.argsort(frame[inside], kind="stable")]] = np.arange(len(inside))
    return place


def _lengths(video: Ints) -> Ints:
    """Return how many frames the video of each frame has (n,)."""
    _, member, counts = np.unique(video, return_inverse=True, return_counts=True)
    return counts[member]


def _compact(fold: Ints) -> Ints:
    """Return folds without numbers that no frame has, so that each holds some out."""
    names = np.unique(fold[fold >= 0])
    return np.where(fold >= 0, np.searchsorted(names, fold), -1)
