"""The tables of the study of structure: scores at every zoom, what is left of it, and the oddest objects."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from hiss.structure.explore import Options, known_of
from hiss.structure.survival import COLUMNS, survival

SCORE_COLUMNS: Final = [
    "modality", "zoom", "measure", "space", "value", "low", "high", "chance", "n", "n_features", "peak_memory_mb",
]  # fmt: skip

OUTLIER_COLUMNS: Final = [
    "modality", "zoom", "rank", "target_id", "plate", "mjd", "fiber", "class", "z", "log_sfr", "ra", "dec", "oddness",
    "reason",
]  # fmt: skip

Key = tuple[str, int]


def scores_table(numbers: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row a number, `SCORE_COLUMNS`: the scores, the explained variance (one row a component), the times.

    ``space`` tells of what: of the features, the components, an embedding, or of clusters by their name; of a time
    it is the step.
    """
    rows: list[dict[str, Any]] = []
    for each in numbers:
        own = {name: each[name] for name in ("modality", "zoom", "n", "n_features", "peak_memory_mb")}
        rows += [own | score for score in each["scores"]]
        rows += [
            own | {"measure": "explained_variance", "space": f"pc_{place}", "value": share}
            for place, share in enumerate(each["explained"], 1)
        ]
        rows += [
            own | {"measure": "silhouette_tried", "space": f"kmeans {k}", "value": value}
            for k, value in each["clusters_tried"].items()
        ]
        rows += [own | {"measure": "seconds", "space": step, "value": value} for step, value in each["seconds"].items()]
    table = pd.DataFrame(rows, columns=SCORE_COLUMNS)
    return table.astype(dict.fromkeys(("value", "low", "high", "chance"), "float64"))


def survival_table(places: Mapping[Key, pd.DataFrame], objects: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return what is left of the structure of the finest zoom, all modalities; of `hiss.structure.survival`."""
    known = known_of(objects, options.min_class)
    tables = []
    for modality in dict.fromkeys(modality for modality, _ in places):
        own = {zoom: table for (name, zoom), table in places.items() if name == modality}
        tables.append(survival(own, known, options).assign(modality=modality))
    rows = [table for table in tables if len(table)]
    return pd.concat(rows, ignore_index=True)[COLUMNS] if rows else pd.DataFrame(columns=COLUMNS)


def outliers_table(places: Mapping[Key, pd.DataFrame], objects: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the oddest objects of each modality at its finest zoom, `OUTLIER_COLUMNS`."""
    tables = []
    for modality in dict.fromkeys(modality for modality, _ in places):
        zoom = min(zoom for name, zoom in places if name == modality)
        table = places[modality, zoom]
        odd = table.sort_values("oddness", ascending=False, kind="stable").head(most)
        odd = odd[["target_id", "oddness", "reason"]]
        odd = odd.assign(modality=modality, zoom=zoom, rank=range(1, len(odd) + 1))
        tables.append(odd.astype({"target_id": "int64"}).merge(objects, on="target_id", how="left"))
    rows = [table for table in tables if len(table)]
    return pd.concat(rows, ignore_index=True)[OUTLIER_COLUMNS] if rows else pd.DataFrame(columns=OUTLIER_COLUMNS)
