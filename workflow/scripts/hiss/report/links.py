"""Where the numbers of a report lead: a run's folder, its log and its metrics.json, all relative to the report."""

import re
from collections.abc import Mapping
from urllib.parse import quote

import pandas as pd

from hiss.modality import FUSIONS
from hiss.report.phrases import describe, records

_SAFE = "/=+,"


def folder_link(path: str) -> str:
    """Return the address of a run's folder, ``path`` being relative to the results folder."""
    return f"../{quote(path, safe=_SAFE)}/"


def log_link(path: str) -> str:
    """Return the address of the log of the job that made a run."""
    return f"../logs/{quote(path, safe=_SAFE)}.log"


def metrics_link(path: str) -> str:
    """Return the address of a run's metrics.json, which holds its provenance."""
    return f"{folder_link(path)}metrics.json"


def survey_page(ra: float, dec: float) -> str:
    """Return the address of the survey's own page, SkyServer, of the object nearest to a position [deg]."""
    return f"https://skyserver.sdss.org/dr17/VisualTools/explore/summary?ra={ra:.6f}&dec={dec:.6f}"


def with_paths(metrics: pd.DataFrame, runs: pd.DataFrame, selection: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics of the selected runs and fusions with the ``path`` of each; empty where it is not known."""
    keys = ["model", "modality", "zoom"]
    if metrics.empty or runs.empty:
        return metrics
    fused = runs.loc[runs["modality"].isin(FUSIONS), [*keys, "path"]]
    known = pd.concat([selection[[*keys, "path"]], fused]).drop_duplicates(keys)
    paths = metrics[keys].merge(known, on=keys, how="left")["path"]
    return metrics.assign(path=paths.fillna("").to_numpy())


def phrase_links(metrics: pd.DataFrame) -> dict[str, str]:
    """Return what the answers call each selected run, ``LightGBM with early fusion at zoom 0``, and where it lies.

    Parameters
    ----------
    metrics
        As `with_paths` returns it.
    """
    if "path" not in metrics:
        return {}
    return {describe(row): folder_link(row["path"]) for row in records(metrics) if row["path"]}


def linked(sentence: str, links: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return a sentence in pieces of text and address; empty where a piece leads nowhere.

    A phrase is linked where it stands as a whole: not the beginning of a longer one.
    """
    if not links:
        return [(sentence, "")]
    phrases = sorted(links, key=len, reverse=True)
    pattern = re.compile(f"({'|'.join(map(re.escape, phrases))})(?![0-9])")
    return [(piece, links.get(piece, "")) for piece in pattern.split(sentence) if piece]
