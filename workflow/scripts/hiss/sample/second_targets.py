"""Which objects of a cube a further target is learned from, and how many are left out and why."""

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.bands import BANDS
from hiss.errors import HissError
from hiss.sample.second_labels import Label, label_of
from hiss.sample.usable import few_gaps, known_targets, whole_cutout

NO_LABEL: Final = "no label"
"""Name of the last row of the counts: objects that the label says nothing of."""

COUNT_COLUMNS: Final = ["name", "objects", "used", "why"]
OBJECT_COLUMNS: Final = ["row", "target_id", "truth", "class", "ra", "dec", "z", "objid", "sn_median", "r_magnitude"]
TARGET_UNITS: Final = {"ra": "deg", "dec": "deg", "r_magnitude": "mag"}

_LEAST_CLASSES: Final = 2


def choose_target(
    targets: pd.DataFrame, measured: pd.DataFrame, target: str, label: str, max_missing: float, min_class: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the objects that a target is learned from, in order of ``row``, and what became of all others.

    Parameters
    ----------
    targets
        ``dense_cube/targets``, whose ``target_id`` is the row in ``<results>/targets/zoom<k>.h5``.
    measured
        Of `hiss.sample.usable.measure_targets`, of the same rows.
    target
        Its name, for messages.
    label
        Of `hiss.sample.second_labels.LABELS`.
    max_missing
        Largest share of a spectrum's samples without a flux; those are bridged, so that none may be at an end.
    min_class
        A class of fewer objects is left out.

    Returns
    -------
    objects
        ``row target_id truth class ra dec z objid sn_median r_magnitude``: ``truth`` is the number, or the code of the
        class among those that are left; of a number there is no ``class``.
    counts
        ``name objects used why``: a row a class in order of their codes, or one of the number; ``objects`` is how many
        targets of the cube have that label, ``used`` how many of them are learned from. Then `NO_LABEL`.

    Raises
    ------
    HissError
        Where fewer than two classes are left, or no object.
    """
    if len(measured) != len(targets):
        raise HissError(f"{len(measured)} targets are measured and the cube has {len(targets)}; measure them again")
    magnitudes = measured[list(BANDS)].add_prefix("mag_").set_axis(targets.index)
    table = known_targets(targets).join(magnitudes)
    kind = label_of(label)
    value, without = kind.of(table)
    out = np.where(without == "", _unusable(measured, max_missing), without).astype(object)
    counts, kept = _counts(kind, label, value, without, out, min_class)
    _demand(counts, kind, target, min_class)
    objects = table.assign(row=table["target_id"], r_magnitude=table["mag_r"], truth=_truth(kind, value, counts))
    if kind.classes:
        return objects.assign(**{"class": value})[OBJECT_COLUMNS][kept].reset_index(drop=True), counts
    return objects[[name for name in OBJECT_COLUMNS if name != "class"]][kept].reset_index(drop=True), counts


def _unusable(measured: pd.DataFrame, max_missing: float) -> NDArray[np.object_]:
    """Return why the arrays of each target are of no use, (n,); empty where they are."""
    conditions = [
        ~whole_cutout(measured),
        ~few_gaps(measured, max_missing),
        measured["gap_at_end"].to_numpy(dtype=bool),
    ]
    reasons = ["without a whole cutout", "with too many gaps in the spectrum", "with a gap at an end of the spectrum"]
    return np.select(conditions, reasons, "").astype(object)


def _counts(
    kind: Label, label: str, value: NDArray[Any], without: NDArray[np.object_], out: NDArray[np.object_], min_class: int
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Return the counts, and which targets (n,) bool are learned from."""
    kept = np.zeros(len(out), dtype=bool)
    rows = []
    for name in kind.classes or (label,):
        own = (without == "") & ((value == name) if kind.classes else np.ones(len(out), dtype=bool))
        usable = own & (out == "")
        few = bool(kind.classes) and usable.sum() < min_class
        why = _told(out[own])
        if few:
            left = f"{usable.sum()} left, fewer than {min_class}: not learned" if own.any() else "none in the cube"
            why = "; ".join(part for part in (why, left) if part)
        else:
            kept |= usable
        rows.append((name, int(own.sum()), 0 if few else int(usable.sum()), why))
    rows.append((NO_LABEL, int((without != "").sum()), 0, _told(without)))
    return pd.DataFrame(rows, columns=COUNT_COLUMNS), kept


def _told(reasons: NDArray[np.object_]) -> str:
    names, counts = np.unique(reasons[reasons != ""].astype(str), return_counts=True)
    return "; ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))


def _truth(kind: Label, value: NDArray[Any], counts: pd.DataFrame) -> NDArray[np.float64]:
    """Return the number, or the code of each class among those that are learned, (n,); NaN of the others."""
    if not kind.classes:
        return value.astype(np.float64)
    learned = counts.loc[counts["used"] > 0, "name"].tolist()
    return np.array([learned.index(name) if name in learned else np.nan for name in value], dtype=np.float64)


def _demand(counts: pd.DataFrame, kind: Label, target: str, min_class: int) -> None:
    learned = counts[counts["used"] > 0]
    off = f"take a larger sky, or switch it off by 'side_studies.targets.{target}: null'"
    if not kind.classes and learned.empty:
        raise HissError(f"target {target} has no object to learn from: {_listed(counts)}; {off}")
    if kind.classes and len(learned) < _LEAST_CLASSES:
        raise HissError(
            f"target {target} has {len(learned)} classes of at least {min_class} objects, and two are needed: "
            f"{_listed(counts)}; {off}, or lower its min_class"
        )


def _listed(counts: pd.DataFrame) -> str:
    told = zip(counts["name"], counts["objects"], counts["why"], strict=True)
    return ", ".join(f"{name} {n}" + (f" ({why})" if why else "") for name, n, why in told)
