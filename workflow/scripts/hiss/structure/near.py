"""Nearest neighbours: of what class they are, what they tell of an object, whether they stay the same."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom
from sklearn.neighbors import NearestNeighbors

from hiss.structure.draws import Measured, resampled
from hiss.structure.features import Doubles

Rows = NDArray[np.int64]


def nearest(points: NDArray[np.floating], k: int) -> Rows:
    """Return (n, k) the nearest others of each point, nearest first; fewer where there are not so many."""
    k = min(k, len(points) - 1)
    if k < 1:
        return np.empty((len(points), 0), np.int64)
    return np.asarray(NearestNeighbors(n_neighbors=k).fit(points).kneighbors(return_distance=False), dtype=np.int64)


def same_class(neighbours: Rows, kind: Rows) -> Doubles:
    """Return (n,) the share of each object's neighbours that are of its class."""
    return (kind[neighbours] == kind[:, None]).mean(axis=1)


def class_mean(values: Doubles, kind: Rows, rows: Rows) -> float:
    """Return the mean over classes (n,), coded from 0, of their means, so that each counts the same; of rows drawn."""
    place = kind[rows]
    counts = np.bincount(place)
    return float((np.bincount(place, values[rows])[counts > 0] / counts[counts > 0]).mean())


def purity(neighbours: Rows, kind: Rows, draws: int, seed: int) -> Measured:
    """Return how many of an object's neighbours are of its class, each class counting the same.

    By chance it is the mean over the classes of their own shares, one over the number of classes.
    """
    n = len(kind)
    own = same_class(neighbours, kind)
    everyone = np.arange(n)
    low, high = resampled(lambda rows: class_mean(own, kind, rows), n, draws, seed)
    counts = np.unique(kind, return_counts=True)[1]
    chance = float(((counts - 1) / (n - 1)).mean())
    return {"value": class_mean(own, kind, everyone), "low": low, "high": high, "chance": chance, "n": n}


def told_by(neighbours: Rows, values: Doubles) -> Doubles:
    """Return (n,) the mean of a quantity over each object's neighbours, itself left out."""
    return values[neighbours].mean(axis=1)


def r_squared(values: Doubles, told: Doubles, rows: Rows) -> float:
    """Return the share of a quantity's variance that its prediction explains, of the rows drawn; NaN without one."""
    truth = values[rows]
    if not np.ptp(truth) > 0:
        return np.nan
    return 1 - float(((told[rows] - truth) ** 2).mean() / truth.var())


def explained(neighbours: Rows, values: Doubles, draws: int, seed: int) -> Measured:
    """Return the share of a quantity's variance that the mean of an object's neighbours explains.

    Neighbours drawn by lot reach -1/k: the mean of k others errs by the spread and by its own.
    """
    n, told = len(values), told_by(neighbours, values)
    low, high = resampled(lambda rows: r_squared(values, told, rows), n, draws, seed)
    value = r_squared(values, told, np.arange(n))
    return {"value": value, "low": low, "high": high, "chance": -1 / neighbours.shape[1], "n": n}


def jaccard(first: Rows, second: Rows) -> Doubles:
    """Return (n,) the Jaccard index of two sets of neighbours (n, k) of each object: the shared over all in either."""
    k = first.shape[1]
    both = np.sort(np.concatenate([first, second], axis=1), axis=1)
    shared = (both[:, 1:] == both[:, :-1]).sum(axis=1)
    return shared / (2 * k - shared)


def jaccard_by_chance(n: int, k: int) -> float:
    """Return the mean Jaccard index of two sets of k drawn out of the n - 1 others of an object."""
    shared = np.arange(k + 1)
    return float((hypergeom.pmf(shared, n - 1, k, k) * shared / (2 * k - shared)).sum())
