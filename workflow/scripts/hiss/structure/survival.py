"""What of the structure of the finest zoom is left at a coarser one."""

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import procrustes
from sklearn.manifold import trustworthiness

from hiss.structure import clusters, near
from hiss.structure.draws import Measured, by_chance, half_sampled, mean_of, resampled
from hiss.structure.explore import FEWEST, Known, Options, classes_are_told, coded
from hiss.structure.features import Doubles

_CHANCE_DRAWS: Final = 50

COLUMNS: Final = ["modality", "zoom", "reference", "measure", "space", "value", "low", "high", "chance", "n"]


def rv_coefficient(first: Doubles, second: Doubles) -> float:
    """Return the RV coefficient of two sets of points of the same objects: 1 the same but for turn, shift and scale.

    Escoufier 1973, Biometrics 29, 751: the cosine between both matrices of inner products.
    """
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    norm = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    return float(np.linalg.norm(a.T @ b) ** 2 / norm) if norm > 0 else np.nan


def procrustes_likeness(first: Doubles, second: Doubles) -> float:
    """Return 1 less Procrustes' disparity: 1 where one set of points is the other turned, shifted and scaled."""
    return 1 - float(procrustes(first, second)[2])


def coordinates(places: pd.DataFrame, name: str) -> Doubles:
    """Return the points (n, d) of the columns ``<name>_1`` to ``<name>_d``."""
    form = re.compile(rf"{name}_\d+")
    own = [column for column in places.columns if form.fullmatch(column)]
    return places[own].to_numpy(dtype=np.float64)


def survival(places: Mapping[int, pd.DataFrame], known: Known, options: Options) -> pd.DataFrame:
    """Return what is left of the structure of the finest zoom at each other one, and what its neighbours tell less.

    Parameters
    ----------
    places
        By zoom, as `hiss.structure.explore.explore` returns them, of the same objects.

    Returns
    -------
    DataFrame
        ``zoom reference measure space value low high chance n``. Measures: ``neighbours`` (mean Jaccard index of the
        nearest neighbours at both zooms), ``trustworthiness``, ``rv``, ``procrustes`` of the components, ``ari_zooms``
        of the clusters; ``change_purity``, ``change_told_log_sfr`` and ``change_told_z``, coarse less fine, by the
        paired bootstrap.
    """
    finest, *coarser = sorted(places)
    reference = places[finest]
    rows: list[dict[str, Any]] = []
    if len(reference) < FEWEST:
        return pd.DataFrame(columns=COLUMNS[1:])
    for zoom in coarser:
        for measure, space, measured in _compared(reference, places[zoom], known, options):
            rows.append({"zoom": zoom, "reference": finest, "measure": measure, "space": space} | measured)
    return pd.DataFrame(rows, columns=COLUMNS[1:])


def _compared(
    fine: pd.DataFrame, coarse: pd.DataFrame, known: Known, options: Options
) -> list[tuple[str, str, Measured]]:
    n, k, draws, seed = len(fine), min(options.neighbours, len(fine) - 1), options.draws, options.seed
    found: list[tuple[str, str, Measured]] = []
    for space in ("pca", "tsne", "umap"):
        name = "pc" if space == "pca" else space
        a, b = coordinates(fine, name), coordinates(coarse, name)
        if not (a.shape[1] and b.shape[1]):
            continue
        shared = near.jaccard(near.nearest(a, k), near.nearest(b, k))
        found.append(("neighbours", space, mean_of(shared, draws, seed, near.jaccard_by_chance(n, k))))
    a, b = coordinates(fine, "pc"), coordinates(coarse, "pc")
    trust = trustworthiness(a, b, n_neighbors=min(k, (n - 1) // 2))
    found.append(("trustworthiness", "pca", {"value": trust, "low": np.nan, "high": np.nan, "chance": 0.5, "n": n}))
    for measure, likeness in (("rv", rv_coefficient), ("procrustes", procrustes_likeness)):
        low, high = half_sampled(lambda rows, of=likeness: of(a[rows], b[rows]), n, draws, seed)  # type: ignore[misc]
        chance = by_chance(lambda rows, of=likeness: of(a[rows], b), n, _CHANCE_DRAWS, seed)  # type: ignore[misc]
        found.append((measure, "pca", {"value": likeness(a, b), "low": low, "high": high, "chance": chance, "n": n}))
    for name in ("kmeans", "hdbscan"):
        own = clusters.compared(clusters.adjusted_rand, fine[name].to_numpy(), coarse[name].to_numpy(), draws, seed)
        found.append(("ari_zooms", name, own))
    return found + _changes(a, b, known, k, draws, seed)


def _changes(a: Doubles, b: Doubles, known: Known, k: int, draws: int, seed: int) -> list[tuple[str, str, Measured]]:
    """Return what the neighbours of the coarse zoom tell of an object more than those of the fine one."""
    found: list[tuple[str, str, Measured]] = []
    if classes_are_told(known):
        kind = coded(known.kind[known.counted])
        shares = [near.same_class(near.nearest(points[known.counted], k), kind) for points in (a, b)]
        found.append(
            (
                "change_purity",
                "pca",
                _difference(lambda rows, one: near.class_mean(shares[one], kind, rows), len(kind), draws, seed),
            )
        )
    for name, (values, whose) in known.quantities.items():
        if whose.sum() < FEWEST:
            continue
        truth = values[whose]
        told = [near.told_by(near.nearest(points[whose], k), truth) for points in (a, b)]
        measured = _difference(
            lambda rows, one, truth=truth, told=told: near.r_squared(truth, told[one], rows),
            len(truth),
            draws,
            seed,
        )
        found.append((f"change_told_{name}", "pca", measured))
    return found


def _difference(statistic: Any, n: int, draws: int, seed: int) -> Measured:
    """Return a statistic of (objects drawn, 1) less that of (objects drawn, 0), with its interval."""

    def change(rows: NDArray[np.int64]) -> float:
        return float(statistic(rows, 1) - statistic(rows, 0))

    low, high = resampled(change, n, draws, seed)
    return {"value": change(np.arange(n)), "low": low, "high": high, "chance": 0.0, "n": n}
