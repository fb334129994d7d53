"""Structure of one kind of data at one zoom: components, embeddings, clusters, what they tell, and what is odd."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import pandas as pd
from sklearn.manifold import trustworthiness

from hiss.progress import say
from hiss.script import Stopwatch, peak_memory_mb
from hiss.structure import clusters, embed, near, outliers
from hiss.structure.draws import Measured
from hiss.structure.features import Doubles, load_points

T = TypeVar("T")

FEWEST: Final = 20
"""Objects below which nothing is looked for."""

GALAXY: Final = "GALAXY"


@dataclass(frozen=True)
class Options:
    """Settings of the study of structure, as `hiss.config.side` describes them."""

    components: int
    embedded_components: int
    perplexity: float
    iterations: int
    neighbours: int
    most_clusters: int
    min_cluster_size: int
    min_class: int
    draws: int
    outliers: int
    seed: int


@dataclass(frozen=True)
class Known:
    """What is known of the objects, for colours and scores alone.

    Attributes
    ----------
    kind
        (n,) class by the survey.
    counted
        (n,) whether its class has objects enough to be scored.
    quantities
        Name, values (n,) and which objects they are told of: the star formation rate of those that have one, the
        redshift of galaxies.
    redshift
        (n,).
    """

    kind: np.ndarray
    counted: np.ndarray
    quantities: Mapping[str, tuple[Doubles, np.ndarray]]
    redshift: Doubles


def known_of(objects: pd.DataFrame, min_class: int) -> Known:
    """Return what is known of the chosen objects."""
    kind = objects["class"].to_numpy(dtype=object)
    rate, redshift = (objects[name].to_numpy(dtype=np.float64) for name in ("log_sfr", "z"))
    sizes = objects.groupby("class")["class"].transform("size").to_numpy(dtype=np.int64)
    return Known(
        kind=kind,
        counted=sizes >= min_class if len(objects) else np.empty(0, dtype=bool),
        quantities={
            "log_sfr": (rate, np.isfinite(rate)),
            "z": (redshift, np.isfinite(redshift) & (kind == GALAXY)),
        },
        redshift=redshift,
    )


def explore(
    arrays: Path | str, objects: pd.DataFrame, modality: str, zoom: int, options: Options
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return where each object lies at one zoom, and the numbers.

    Parameters
    ----------
    arrays
        ``zoom<k>.h5`` of all targets.
    objects
        Of `hiss.structure.objects.choose_objects`.
    modality
        ``photo``, ``spectra`` or ``early``.

    Returns
    -------
    places
        One row an object: ``target_id``, ``pc_1`` ..., ``tsne_1 tsne_2``, ``umap_1 umap_2`` where UMAP is installed,
        ``kmeans``, ``hdbscan`` (-1: in none), ``hdbscan_probability``, ``left_over lonely oddness reason``.
    numbers
        ``modality zoom n n_features explained clusters_tried scores seconds peak_memory_mb``; of fewer than `FEWEST`
        objects there are no scores and no places.
    """
    n = len(objects)
    numbers: dict[str, Any] = {"modality": modality, "zoom": zoom, "n": n, "umap": embed.has_umap()}
    if n < FEWEST:
        say(f"{n} objects are too few to look for structure, {FEWEST} are needed")
        empty = {"n_features": 0, "knows_noise": False, "explained": [], "clusters_tried": {}, "scores": []}
        return pd.DataFrame(columns=_COLUMNS), numbers | empty | {"seconds": {}, "peak_memory_mb": peak_memory_mb()}
    seconds: dict[str, float] = {}
    points = _timed(seconds, "read", lambda: load_points(arrays, objects["target_id"].to_numpy(np.int64), modality))
    seed = options.seed
    most = max(options.embedded_components, options.components)
    scores, shares = _timed(seconds, "pca", lambda: embed.principal_components(points.values, most, seed))
    main, wide = scores[:, : options.components], scores[:, : options.embedded_components]
    spaces: dict[str, np.ndarray] = {"features": points.values, "pca": main}
    spaces["tsne"] = _timed(seconds, "tsne", lambda: embed.tsne(wide, options.perplexity, options.iterations, seed))
    if numbers["umap"]:
        spaces["umap"] = _timed(seconds, "umap", lambda: embed.umap(wide, options.neighbours, seed))
    tried = range(2, options.most_clusters + 1)
    kmeans, silhouettes = _timed(seconds, "kmeans", lambda: clusters.k_means(main, tried, seed))
    dense, sure = _timed(seconds, "hdbscan", lambda: clusters.hdbscan(main, options.min_cluster_size))
    left = _timed(seconds, "left_over", lambda: embed.residuals(points.values, options.components, seed))
    odd = outliers.oddness(points, left, main)
    known = known_of(objects, options.min_class)
    oddest = np.argsort(-odd.score, kind="stable")[: options.outliers]
    told = outliers.reasons(points, left, main, odd, known.redshift, oddest)
    measured = _timed(seconds, "scores", lambda: _scores(spaces, {"kmeans": kmeans, "hdbscan": dense}, known, options))
    places = pd.DataFrame({"target_id": objects["target_id"].to_numpy(np.int64), **embed.columns("pc", main)})
    for name in ("tsne", "umap"):
        if name in spaces:
            places = places.assign(**embed.columns(name, spaces[name]))
    places = places.assign(kmeans=kmeans, hdbscan=dense, hdbscan_probability=sure)
    numbers |= {
        "n_features": points.values.shape[1],
        "knows_noise": points.knows_noise,
        "explained": shares.tolist(),
        "clusters_tried": {str(k): _plain(value) for k, value in silhouettes.items()},
        "scores": measured,
        "seconds": seconds,
        "peak_memory_mb": peak_memory_mb(),
    }
    odd_columns = outliers.as_columns(odd, dict(zip(oddest.tolist(), told, strict=True)))
    return pd.concat([places, odd_columns], axis=1), numbers


_COLUMNS: Final = [
    "target_id", "pc_1", "pc_2", "tsne_1", "tsne_2", "kmeans", "hdbscan", "hdbscan_probability",
    "left_over", "lonely", "oddness", "reason",
]  # fmt: skip


def _timed(seconds: dict[str, float], name: str, work: Callable[[], T]) -> T:
    with Stopwatch() as watch:
        result = work()
    seconds[name] = watch.seconds
    return result


def _scores(
    spaces: Mapping[str, np.ndarray], found: Mapping[str, clusters.Labels], known: Known, options: Options
) -> list[dict[str, Any]]:
    """Return one entry a number: ``measure space value low high chance n``."""
    rows: list[dict[str, Any]] = []
    draws, seed, main = options.draws, options.seed, spaces["pca"]

    def add(measure: str, space: str, measured: Measured) -> None:
        rows.append({"measure": measure, "space": space} | {name: _plain(value) for name, value in measured.items()})

    for name, labels in found.items():
        n = len(labels)
        add("clusters", name, _bare(len(np.unique(labels[labels >= 0])), n))
        add("in_a_cluster", name, _bare((labels >= 0).mean(), n))
        add("silhouette", name, _bare(clusters.silhouette(main, labels, seed), n))
        if classes_are_told(known):
            own = labels[known.counted], known.kind[known.counted]
            add("ari_class", name, clusters.compared(clusters.adjusted_rand, *own, draws, seed))
            add("homogeneity", name, clusters.compared(clusters.homogeneity, *own, draws, seed))
    for name, points in spaces.items():
        if classes_are_told(known):
            near_it = near.nearest(points[known.counted], options.neighbours)
            add("purity", name, near.purity(near_it, coded(known.kind[known.counted]), draws, seed))
        for quantity, (values, whose) in known.quantities.items():
            if whose.sum() >= FEWEST:
                near_it = near.nearest(points[whose], options.neighbours)
                add(f"told_{quantity}", name, near.explained(near_it, values[whose], draws, seed))
        if name not in ("features", "pca"):
            k = min(options.neighbours, (len(points) - 1) // 2)
            add("trustworthiness", name, _bare(trustworthiness(main, points, n_neighbors=k), len(points), 0.5))
    return rows


def classes_are_told(known: Known) -> bool:
    """Return whether there are two classes or more with objects enough to be scored."""
    return len(set(known.kind[known.counted])) >= 2


def coded(kind: np.ndarray) -> clusters.Labels:
    """Return classes (n,) as numbers from 0, in the order of their names."""
    return np.unique(kind.astype(str), return_inverse=True)[1]


def _bare(value: float, n: int, chance: float = np.nan) -> Measured:
    return {"value": float(value), "low": np.nan, "high": np.nan, "chance": chance, "n": n}


def _plain(value: float) -> float | None:
    """Return a number as JSON has it: what is not known is null."""
    return None if value is None or not np.isfinite(value) else value
