"""The cleaned sample: which labelled objects a model may learn from, and why the others not."""

import numpy as np
import pandas as pd

from hiss.errors import HissError

CLEAN_COLUMNS = ["row", "target_id", "avg", "objid", "ra", "dec"]


def selection(objects: pd.DataFrame, missing: pd.DataFrame, multi: pd.DataFrame) -> pd.DataFrame:
    """Return, for each row of the arrays, whether it passes each cut.

    Parameters
    ----------
    objects, missing, multi
        As written by the export, the gap statistics (all zooms) and the multi-object detection.

    Returns
    -------
    DataFrame
        ``flag0`` (FLAG = 0), ``gap_free`` (no NaN flux at any zoom), ``whole`` (no pixel of the cutout without a
        flux), ``single`` (one region in the cutout).
    """
    n = len(objects)
    if len(multi) != n or not np.array_equal(objects["row"], np.arange(n)):
        raise HissError("objects.parquet and multi_object.parquet are of different arrays; make the sample again")
    gap_free = np.ones(n, dtype=bool)
    gap_free[missing.loc[missing["fraction"] > 0, "row"].to_numpy()] = False
    single = np.ones(n, dtype=bool)
    single[multi.loc[multi["multi"].to_numpy(dtype=bool), "row"].to_numpy()] = False
    whole = np.ones(n, dtype=bool)
    whole[multi.loc[multi["missing_pixels"] > 0, "row"].to_numpy()] = False
    flag0 = objects["flag"].to_numpy() == 0
    return pd.DataFrame({"flag0": flag0, "gap_free": gap_free, "whole": whole, "single": single})


def cleaned(objects: pd.DataFrame, passes: pd.DataFrame, flag: str, multi_object: str) -> pd.DataFrame:
    """Return the cleaned sample in order of ``row``: ``row target_id avg objid ra dec``.

    Parameters
    ----------
    passes
        Of `selection`.
    flag
        Objects of which FLAG are kept: ``zero``, ``nonzero`` or ``any``.
    multi_object
        ``reject`` or ``keep`` cutouts with more than one object.
    """
    chosen = passes["gap_free"] & passes["whole"] & (passes["single"] | (multi_object == "keep"))
    if flag != "any":
        chosen &= passes["flag0"] == (flag == "zero")
    return objects.loc[chosen.to_numpy(dtype=bool), CLEAN_COLUMNS].reset_index(drop=True)
