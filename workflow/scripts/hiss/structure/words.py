"""What the study of structure found, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from hiss.structure.explore import FEWEST, Options

Row = Mapping[Any, Any]

QUESTION: Final = "Does the structure without labels survive the coarser zooms?"

_OF: Final = {"photo": "The images", "spectra": "The spectra", "early": "Images and spectra together"}
_KINDS: Final = {"GALAXY": "galaxies", "QSO": "quasars", "STAR": "stars"}
_TOLD: Final = {
    "change_purity": "the class",
    "change_told_log_sfr": "the star formation rate",
    "change_told_z": "the redshift of galaxies",
}


def sentences(
    numbers: Sequence[Mapping[str, Any]],
    survival: pd.DataFrame,
    objects: pd.DataFrame,
    counts: Mapping[str, int],
    options: Options,
) -> list[str]:
    """Return what was looked at, what is left of it at the coarsest zoom, and what the numbers do not say.

    Parameters
    ----------
    numbers
        Of `hiss.structure.explore.explore`, of every modality and zoom.
    survival
        Of `hiss.structure.collect.survival_table`.
    objects, counts
        Of `hiss.structure.objects.choose_objects`.
    """
    first = _looked_at(objects, counts)
    if len(objects) < FEWEST:
        return [first, f"That is too few to look for structure: {FEWEST} are needed."]
    modalities = list(dict.fromkeys(str(each["modality"]) for each in numbers))
    own = {name: sorted((n for n in numbers if n["modality"] == name), key=lambda n: n["zoom"]) for name in modalities}
    said = [
        _short(survival, modalities),
        first,
        *(_survives(survival[survival["modality"] == name], name, options) for name in modalities),
    ]
    said += [_clusters(own[name]) for name in modalities]
    said += [_cost(own[name]) for name in modalities]
    return [sentence for sentence in [*said, _rare(objects, options), _umap(numbers)] if sentence]


def _looked_at(objects: pd.DataFrame, counts: Mapping[str, int]) -> str:
    kinds = objects["class"].value_counts()
    told = ", ".join(f"{kinds[name]:,} {_KINDS.get(name, f'of class {name}')}" for name in kinds.index)
    drawn = counts["usable"] - counts["chosen"]
    passed = (
        f"{counts['usable']:,} of the {counts['targets']:,} objects of the cube have a whole cutout and a spectrum "
        "with hardly a gap, with a star formation rate or without"
    )
    if drawn:
        passed += f"; {counts['chosen']:,} of them were drawn by class, so that the rare ones stay"
    return f"{passed}{': ' + told if told else ''}."


def _short(survival: pd.DataFrame, modalities: Sequence[str]) -> str:
    """Return the question, and the answer for every kind of data that was looked at at more than one zoom."""
    parts = {name: survival[survival["modality"] == name] for name in modalities}
    told = [f"{_OF.get(name, name)} {_verdict(own)[0]}" for name, own in parts.items() if len(own)]
    told = [told[0], *(part[0].lower() + part[1:] for part in told[1:])] if told else []
    return f"{QUESTION} {'; '.join(told)}." if told else ""


def _verdict(own: pd.DataFrame) -> tuple[str, dict[tuple[str, str], Row], list[str], list[str]]:
    """Return what is left at the coarsest zoom: in words, its rows, what the neighbours tell less of, and more of."""
    table: list[dict[Any, Any]] = own[own["zoom"] == own["zoom"].max()].to_dict("records")
    rows: dict[tuple[str, str], Row] = {(row["measure"], row["space"]): row for row in table}
    changed = {what: rows[name, "pca"] for name, what in _TOLD.items() if (name, "pca") in rows}
    less = [what for what, row in changed.items() if row["high"] < 0]
    more = [what for what, row in changed.items() if row["low"] > 0]
    near = rows["neighbours", "pca"]
    if not near["low"] > near["chance"]:
        return "do not keep their structure", rows, less, more
    return "keep their structure" + (" in part" if less else ""), rows, less, more


def _survives(own: pd.DataFrame, modality: str, options: Options) -> str:
    """Return whether what one kind of data shows at its finest zoom is there at its coarsest."""
    if own.empty:
        return ""
    zoom = int(own["zoom"].max())
    verdict, rows, lost, gained = _verdict(own)
    near = rows["neighbours", "pca"]
    changes = "; ".join(_change(rows[name, "pca"], what) for name, what in _TOLD.items() if (name, "pca") in rows)
    summary = []
    if lost:
        summary.append(f"the neighbours tell less of {_and(lost)}")
    if gained:
        summary.append(f"{'they' if lost else 'the neighbours even'} tell more of {_and(gained)}")
    return (
        f"{_OF.get(modality, modality)} {verdict} down to zoom {zoom}"
        + (f", where {', and '.join(summary)}" if summary else "")
        + f". Of an object's {options.neighbours} nearest neighbours at zoom {int(near['reference'])} and those at "
        f"zoom {zoom}, the Jaccard index is {_with(near)}, by chance {near['chance']:.3f}; the RV coefficient of the "
        f"components is {_with(rows['rv', 'pca'])}."
        + (f" What the neighbours tell changes thus: {changes}." if changes else "")
    )


def _change(row: Row, what: str) -> str:
    return f"of {what} by {_signed(row['value'])} ({_signed(row['low'])} to {_signed(row['high'])})"


def _clusters(own: Sequence[Mapping[str, Any]]) -> str:
    """Return how the clusters of one kind of data agree with the classes, at both ends of the zooms."""
    if not own[0]["scores"]:
        return ""
    ends = own if len(own) == 1 else [own[0], own[-1]]
    parts = []
    for each in ends:
        found = {(row["measure"], row["space"]): row for row in each["scores"]}
        told = f"at zoom {each['zoom']} k-means finds {found['clusters', 'kmeans']['value']:.0f} clusters"
        height = found["silhouette", "kmeans"]["value"]
        told += f" (silhouette {height:.2f})" if height is not None else ""
        dense, inside = found["clusters", "hdbscan"]["value"], found["in_a_cluster", "hdbscan"]["value"]
        rand = {name: found.get(("ari_class", name)) for name in ("kmeans", "hdbscan")}
        told += _rand(rand["kmeans"])
        told += f", and HDBSCAN {dense:.0f}, with {100 * inside:.0f} % of the objects in them{_rand(rand['hdbscan'])}"
        parts.append(told)
    return f"{_OF.get(str(own[0]['modality']), own[0]['modality'])}: {'; '.join(parts)}."


def _rand(row: Row | None) -> str:
    return f", adjusted Rand index with the classes {_with(row)}" if row and row["value"] is not None else ""


def _cost(own: Sequence[Mapping[str, Any]]) -> str:
    ends = own if len(own) == 1 else [own[0], own[-1]]
    told = [
        f"{_seconds(each):.1f} s and {each['peak_memory_mb']:,.0f} MB at zoom {each['zoom']}"
        for each in ends
        if each["seconds"]
    ]
    return f"{_OF.get(str(own[0]['modality']), own[0]['modality'])} took {', '.join(told)}." if told else ""


def _seconds(each: Mapping[str, Any]) -> float:
    """Return the time of components, embeddings and clusters, without their scores."""
    return float(sum(value for name, value in each["seconds"].items() if name not in ("scores", "left_over")))


def _rare(objects: pd.DataFrame, options: Options) -> str:
    kinds = objects["class"].value_counts()
    rare = [f"{name} ({count})" for name, count in kinds.items() if count < options.min_class]
    if not rare:
        return ""
    told = f"Fewer than {options.min_class} objects are of class {_and(rare)}: drawn, and in no score of classes."
    if (kinds >= options.min_class).sum() < 2:
        told += " So there are no two classes to score, and nothing is said of how clusters agree with classes."
    return told


def _umap(numbers: Sequence[Mapping[str, Any]]) -> str:
    if any(each["umap"] for each in numbers):
        return ""
    return "UMAP is not among these pictures: umap-learn, which the environments do not ask for, is not installed."


MEANING: Final = (
    "No label is used to find the structure: class, redshift and star formation rate only colour and score it. A "
    "cutout is divided by its central brightness in r and a spectrum by its median, both stretched by the inverse "
    "hyperbolic sine: what is left is colour, shape and the form of the spectrum. Spectra stay at their observed "
    "wavelengths, so that the redshift shows. Clusters, neighbours and oddness are those of the first principal "
    "components.",
    "Images and spectra together are scaled to the same total variance at each zoom. Most of that of a fine cutout "
    "is noise, which the components leave aside, so that at fine zooms the spectra, and at coarse ones the images, "
    "weigh more.",
    "Intervals of 95 % are of the bootstrap over objects, those of pairs (Rand index, RV) of halves drawn without "
    "return. They hold for other objects of this sky, not for another one.",
)
"""What the numbers mean, a paragraph an entry."""


def _with(row: Row) -> str:
    low, high = row["low"], row["high"]
    known = low is not None and high is not None and np.isfinite(low)
    return _number(row["value"]) + (f" ({_number(low)} to {_number(high)})" if known else "")


def _number(value: float) -> str:
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
