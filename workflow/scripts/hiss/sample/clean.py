"""The cleaned sample: which labelled objects a model may learn from, and why the others not."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from hiss.bands import SPECTRUM_SIZE
from hiss.errors import HissError

CLEAN_COLUMNS = ["row", "target_id", "avg", "objid", "ra", "dec"]


def selection(
    objects: pd.DataFrame,
    missing: pd.DataFrame,
    multi: pd.DataFrame,
    gaps: pd.DataFrame | None = None,
    longest: int = 0,
    sources: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return, for each row of the arrays, whether it passes each cut.

    Parameters
    ----------
    objects, missing, multi
        As written by the export, the gap statistics (all zooms) and the multi-object detection.
    gaps
        Of the gap statistics; without it, no gap counts as short.
    longest
        Samples of zoom 0 of the longest gap that is short.
    sources
        As written by the segmentation, where it was made.

    Returns
    -------
    DataFrame
        ``flag0`` (FLAG = 0), ``gap_free`` (no NaN flux at any zoom), ``short_gaps`` (no gap at zoom 0 is long),
        ``bridgeable`` (nor is one at an end of the spectrum), ``whole`` (no pixel of the cutout without a flux),
        ``single`` (one region in the cutout), ``alone`` (no neighbour by segmentation; <NA> where it was not made).
    """
    n = len(objects)
    for table, name in ((multi, "multi_object.parquet"), (sources, "sources.parquet")):
        if not np.array_equal(objects["row"], np.arange(n)) or (table is not None and len(table) != n):
            raise HissError(f"objects.parquet and {name} are of different arrays; make the sample again")
    gap_free = _all_but(n, missing.loc[missing["fraction"] > 0, "row"])
    short, bridgeable = gap_free, gap_free
    if gaps is not None:
        fine = gaps[gaps["zoom"] == 0]
        long = fine["length"] > longest
        at_end = (fine["first"] == 0) | (fine["first"] + fine["length"] == SPECTRUM_SIZE)
        short, bridgeable = _all_but(n, fine.loc[long, "row"]), _all_but(n, fine.loc[long | at_end, "row"])
    alone = np.full(n, pd.NA) if sources is None else ~sources["multi"].to_numpy(dtype=bool)
    return pd.DataFrame(
        {
            "flag0": objects["flag"].to_numpy() == 0,
            "gap_free": gap_free,
            "short_gaps": short,
            "bridgeable": bridgeable,
            "whole": _all_but(n, multi.loc[multi["missing_pixels"] > 0, "row"]),
            "single": _all_but(n, multi.loc[multi["multi"].to_numpy(dtype=bool), "row"]),
            "alone": pd.array(alone, dtype="boolean"),
        }
    )


def _all_but(n: int, rows: pd.Series) -> np.ndarray:
    passes = np.ones(n, dtype=bool)
    passes[rows.to_numpy(dtype=np.int64)] = False
    return passes


def gaps_pass(passes: pd.DataFrame, gaps: str) -> pd.Series:
    """Return which objects (n,) bool a sample takes by the gaps in their spectra.

    Parameters
    ----------
    passes
        Of `selection`.
    gaps
        ``reject`` all gaps, or take those that are short: ``interpolate``, where both sides are known, or ``mask``.
    """
    return passes[{"reject": "gap_free", "interpolate": "bridgeable", "mask": "short_gaps"}[gaps]]


def one_object(passes: pd.DataFrame, detector: str) -> pd.Series:
    """Return which cutouts (n,) bool hold one object, by ``threshold`` or by ``segmentation``.

    Raises
    ------
    HissError
        When there is no segmentation.
    """
    found = passes["alone" if detector == "segmentation" else "single"]
    if found.isna().any():
        raise HissError("the sample asks for the segmentation's neighbours, and there are none; give sources.parquet")
    return found.astype(bool)


def cleaned(objects: pd.DataFrame, passes: pd.DataFrame, choice: Mapping[str, Any]) -> pd.DataFrame:
    """Return the cleaned sample in order of ``row``: ``row target_id avg objid ra dec``.

    Parameters
    ----------
    passes
        Of `selection`.
    choice
        ``flag``, objects of which FLAG are kept: ``zero``, ``nonzero`` or ``any``; ``multi_object``: ``reject`` cutouts
        with more than one object, or ``mask`` the neighbours or ``keep`` them; ``detector`` of the objects; ``gaps``.
    """
    chosen = gaps_pass(passes, choice["gaps"]) & passes["whole"]
    if choice["multi_object"] == "reject":
        chosen &= one_object(passes, choice["detector"])
    if choice["flag"] != "any":
        chosen &= passes["flag0"] == (choice["flag"] == "zero")
    return objects.loc[chosen.to_numpy(dtype=bool), CLEAN_COLUMNS].reset_index(drop=True)
