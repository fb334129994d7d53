"""Clusters: k-means and HDBSCAN, how well they stand apart, and how they agree with something known."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.metrics import silhouette_score

from hiss.structure.draws import Measured, by_chance, half_sampled
from hiss.structure.features import Doubles

Labels = NDArray[np.int64]
Counts = NDArray[np.int64]

_SILHOUETTE_OBJECTS = 5000  # of which the silhouette is taken, since it looks at all pairs
_CHANCE_DRAWS = 50


def k_means(points: Doubles, numbers: Sequence[int], seed: int) -> tuple[Labels, dict[int, float]]:
    """Return the clusters (n,) of the number that has the highest silhouette, and the silhouette of each number."""
    tried: dict[int, float] = {}
    best = np.zeros(len(points), dtype=np.int64)
    for k in (k for k in numbers if k < len(points)):
        labels = KMeans(k, n_init=4, random_state=seed).fit_predict(points).astype(np.int64)
        tried[k] = silhouette(points, labels, seed)
        if tried[k] >= max(tried.values()):
            best = labels
    return best, tried


def hdbscan(points: Doubles, least: int) -> tuple[Labels, Doubles]:
    """Return the clusters (n,), -1 for objects in none, and how surely each object belongs (0 for those in none)."""
    model = HDBSCAN(min_cluster_size=max(2, min(least, len(points))), copy=True).fit(points)
    return model.labels_.astype(np.int64), np.asarray(model.probabilities_, dtype=np.float64)


def silhouette(points: Doubles, labels: Labels, seed: int) -> float:
    """Return the mean silhouette of the objects that are in a cluster; NaN where fewer than two clusters are told."""
    inside = labels >= 0
    n, k = int(inside.sum()), len(np.unique(labels[inside]))
    if not 2 <= k < n:
        return np.nan
    size = None if n <= _SILHOUETTE_OBJECTS else _SILHOUETTE_OBJECTS
    return float(silhouette_score(points[inside], labels[inside], sample_size=size, random_state=seed))


def counted_together(first: Labels, second: Labels) -> Counts:
    """Return how many objects are in each cluster (rows) and in each class (columns), both coded from 0."""
    width = int(second.max()) + 1
    return np.bincount(first * width + second, minlength=(int(first.max()) + 1) * width).reshape(-1, width)


def adjusted_rand(together: Counts) -> float:
    """Return the adjusted Rand index of a table of counts: 1 the same, 0 by chance.

    Hubert & Arabie 1985, J. Classif. 2, 193, eq. 5; scikit-learn's own takes many times as long a resampling.
    """
    n = int(together.sum())
    pairs, rows, columns = (
        float((count * (count - 1) / 2).sum()) for count in (together, together.sum(axis=1), together.sum(axis=0))
    )
    by_lot = rows * columns / (n * (n - 1) / 2)
    most = (rows + columns) / 2
    return (pairs - by_lot) / (most - by_lot) if most != by_lot else 1.0


def homogeneity(together: Counts) -> float:
    """Return how far each cluster holds one class alone: 1 each does, 0 the clusters say nothing.

    1 - H(class | cluster) / H(class), Rosenberg & Hirschberg 2007, EMNLP-CoNLL, 410.
    """
    classes, of_cluster = together.sum(axis=0), together.sum(axis=1, keepdims=True)
    whole = entr(classes / classes.sum()).sum()
    share = np.divide(together, of_cluster, out=np.zeros(together.shape), where=of_cluster > 0)
    left = (of_cluster / classes.sum() * entr(share)).sum()
    return float(1 - left / whole) if whole > 0 else 1.0


def compared(statistic: Callable[[Counts], float], clusters: Labels, known: NDArray, draws: int, seed: int) -> Measured:
    """Return a statistic of clusters (n,) and something known (n,), its interval, and that of shuffled objects.

    Objects in no cluster count as one of their own.
    """
    n = len(clusters)
    first, second = (np.unique(labels, return_inverse=True)[1] for labels in (clusters, known.astype(str)))
    low, high = half_sampled(lambda rows: statistic(counted_together(first[rows], second[rows])), n, draws, seed)
    chance = by_chance(lambda rows: statistic(counted_together(first[rows], second)), n, _CHANCE_DRAWS, seed)
    value = statistic(counted_together(first, second))
    return {"value": value, "low": low, "high": high, "chance": chance, "n": n}
