"""Targets: spectra of one object, by true separation on the sky and by SDSS's own id."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hiss.cube.neighbours import chord, unit_vectors
from hiss.sdss.labels import is_label

FRIENDS_ARCSEC: Final = 30.0
"""Spectra of one SDSS id farther apart are not believed to be of one object; those nearer are kept in one shard."""


@dataclass(frozen=True)
class TargetRows:
    """Objects in order, and the spectra of each, as arrays.

    Attributes
    ----------
    label
        (n_targets,) row of the spectrum that gives position, label and fibre size, int64.
    target
        (n_spectra,) number of the target of each spectrum below, increasing, int64.
    spectrum
        (n_spectra,) row of the spectrum; those of a target together, increasing.
    stacked
        (n_spectra,) whether it is in its target's stack, bool.
    """

    label: np.ndarray
    target: np.ndarray
    spectrum: np.ndarray
    stacked: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    def only(self, kept: np.ndarray) -> "TargetRows":
        """Return some of the targets, (n_targets,) bool, numbered from 0."""
        number = np.cumsum(kept) - 1
        mine = kept[self.target]
        return TargetRows(self.label[kept], number[self.target[mine]], self.spectrum[mine], self.stacked[mine])

    def alone(self, refused: np.ndarray) -> "TargetRows":
        """Return these targets; of those refused, (n_targets,) bool, the label's spectrum alone is stacked."""
        kept = ~refused[self.target] | (self.spectrum == self.label[self.target])
        return TargetRows(self.label, self.target, self.spectrum, self.stacked & kept)


def match_targets(spectra: pd.DataFrame, radius_arcsec: float) -> np.ndarray:
    """Return the number of each spectrum's object, counted from 0 in order of its first spectrum.

    Spectra closer than the radius are of one object, and so are those of one ``objid`` (0 is none) within
    `FRIENDS_ARCSEC`; friends of friends are friends.

    Parameters
    ----------
    spectra
        ``ra dec`` [deg] and ``objid``, one row a spectrum.

    Returns
    -------
    (n,) int64.
    """
    n = len(spectra)
    if n == 0:
        return np.empty(0, np.int64)
    objid = spectra["objid"].to_numpy(np.int64)
    tree = cKDTree(unit_vectors(spectra["ra"].to_numpy(np.float64), spectra["dec"].to_numpy(np.float64)))
    close = tree.query_pairs(chord(radius_arcsec / 3600), output_type="ndarray")
    if objid.any():
        near = tree.query_pairs(chord(FRIENDS_ARCSEC / 3600), output_type="ndarray")
        same = (objid[near[:, 0]] == objid[near[:, 1]]) & (objid[near[:, 0]] != 0)
        close = np.concatenate([close, near[same]])
    graph = coo_array((np.ones(len(close), np.int8), (close[:, 0], close[:, 1])), shape=(n, n))
    found = connected_components(graph, directed=False)[1]
    _, earliest, group = np.unique(found, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(earliest))[group].astype(np.int64)


def find_targets(spectra: pd.DataFrame, radius_arcsec: float, mix_fibers: bool = False) -> TargetRows:
    """Return the objects behind a table of spectra, in order of their first spectrum.

    Parameters
    ----------
    spectra
        ``ra dec objid fiber_arcsec sn_median avg flag``, one row a spectrum. The label spectrum of an object is
        the one of highest S/N among those with an SFR and FLAG = 0, else among those with an SFR, else among all.
    mix_fibers
        Whether spectra of all fibre sizes are stacked, or only those of the label's.
    """
    group = match_targets(spectra, radius_arcsec)
    order = np.argsort(group, kind="stable")
    target = group[order]
    label = label_rows(group, spectra)
    fiber = spectra["fiber_arcsec"].to_numpy(np.float64)
    stacked = np.ones(len(order), dtype=bool) if mix_fibers else fiber[order] == fiber[label[target]]
    return TargetRows(label, target, order, stacked)


def label_rows(group: np.ndarray, spectra: pd.DataFrame) -> np.ndarray:
    """Return the row of each object's label spectrum, (n_targets,) int64, in order of their numbers.

    Parameters
    ----------
    group
        (n,) number of each spectrum's object, from 0 without gaps.
    spectra
        ``sn_median avg flag``, a row each, see `find_targets`.
    """
    labelled = is_label(spectra["avg"].to_numpy(np.float64))
    merit = labelled.astype(int) + (labelled & (spectra["flag"].to_numpy(np.float64) == 0))
    signal = np.nan_to_num(spectra["sn_median"].to_numpy(np.float64), nan=-np.inf)
    best_first = np.lexsort((-signal, -merit, group))  # of equals the first row comes first
    return best_first[np.flatnonzero(np.diff(group[best_first], prepend=-1))]


def label_scatter(target_spectra: pd.DataFrame) -> tuple[float, int]:
    """Return the scatter of AVG between spectra of one target, and how many differences it is made of.

    Parameters
    ----------
    target_spectra
        ``target_id`` and ``avg``, one row a spectrum, as in ``dense_cube/target_spectra``.

    Returns
    -------
    Standard deviation [dex] of one label about its target's mean, sqrt(sum (avg - mean)^2 / sum (n - 1)): for pairs,
    the scatter of their differences over sqrt 2. It is the noise floor of a prediction; NaN where no target has two
    labels. The number is sum (n - 1).
    """
    labelled = target_spectra[is_label(target_spectra["avg"].to_numpy(np.float64))]
    by_target = labelled.groupby("target_id")["avg"]
    differences = int((by_target.size() - 1).sum())
    if differences == 0:
        return float("nan"), 0
    deviations = labelled["avg"] - by_target.transform("mean")
    return float(np.sqrt((deviations**2).sum() / differences)), differences
