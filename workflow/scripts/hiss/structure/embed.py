"""Points brought to few dimensions: principal components, t-SNE, and UMAP where it is installed."""

from importlib import import_module
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from hiss.structure.features import Doubles, Floats


def has_umap() -> bool:
    """Return whether umap-learn, which the environments do not ask for, is there to be used."""
    return find_spec("umap") is not None


def principal_components(values: Floats, most: int, seed: int) -> tuple[Doubles, Doubles]:
    """Return scores (n, d) and the share of the total variance (d,) of each component, d at most ``most``."""
    d = min(most, values.shape[1], len(values) - 1)
    pca = PCA(n_components=d, random_state=seed).fit(values)
    return pca.transform(values).astype(np.float64), pca.explained_variance_ratio_.astype(np.float64)


def residuals(values: Floats, components: int, seed: int) -> Floats:
    """Return what principal components leave over (n, m): those of one half of the objects, of the other half.

    So no object brings the component that explains it.
    """
    n = len(values)
    half = np.random.default_rng(seed).permutation(n) % 2
    left = np.empty_like(values)
    for side in (0, 1):
        own = values[half == side]
        others = values[half != side]
        pca = PCA(n_components=min(components, *others.shape), random_state=seed).fit(others)
        left[half == side] = own - pca.inverse_transform(pca.transform(own))
    return left


def tsne(scores: Doubles, perplexity: float, iterations: int, seed: int) -> Doubles:
    """Return the t-SNE (n, 2) of principal components; the perplexity is less where there are few objects."""
    fitting = min(perplexity, (len(scores) - 1) / 3)
    model = TSNE(perplexity=fitting, max_iter=iterations, init="pca", random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(scores), dtype=np.float64)


def umap(scores: Doubles, neighbours: int, seed: int) -> Doubles:
    """Return the UMAP (n, 2) of principal components."""
    kind = import_module("umap").UMAP
    embedded = kind(n_neighbors=min(neighbours, len(scores) - 1), random_state=seed, n_jobs=1).fit_transform(scores)
    return np.asarray(embedded, dtype=np.float64)


def columns(name: str, points: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    """Return the coordinates of points (n, d) as columns ``<name>_1`` to ``<name>_d``."""
    return {f"{name}_{place + 1}": points[:, place] for place in range(points.shape[1])}
