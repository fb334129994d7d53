"""All targets of a cube, labelled or not: which have a whole cutout and a spectrum with hardly a gap, how bright."""

from pathlib import Path
from typing import Final

import h5py
import numpy as np
import pandas as pd

from hiss.bands import BANDS
from hiss.sample.arrays import read_blocks
from hiss.sample.diagnostics import measure_magnitudes
from hiss.sample.gaps import nan_runs
from hiss.sdss.labels import is_label

UNKNOWN_CLASS: Final = "unknown"
"""Stands for a class that the cube does not tell."""

MEASURED_UNITS: Final = dict.fromkeys(BANDS, "mag")


def measure_targets(arrays: Path | str, fiber_arcsec: float | None) -> pd.DataFrame:
    """Return ``row``, what of each target is missing (`missing_flux`) and its AB magnitudes ``u g r i z``.

    Parameters
    ----------
    arrays
        ``<results>/targets/zoom0.h5``.
    fiber_arcsec
        Of `hiss.sample.diagnostics.measure_magnitudes`.
    """
    magnitudes = measure_magnitudes(arrays, fiber_arcsec)
    return pd.concat([magnitudes[["row"]], missing_flux(arrays), magnitudes[list(BANDS)]], axis=1)


def missing_flux(arrays: Path | str) -> pd.DataFrame:
    """Return what each row of the arrays lacks.

    Returns
    -------
    DataFrame
        ``missing_samples`` (share of the spectrum, 0 to 1), ``gap_at_end`` (whether its first or last sample is
        missing, so that no line bridges the gap) and ``missing_pixels``.
    """
    with h5py.File(arrays, "r") as file:
        n = len(file["target_id"])
    share, at_end, pixels = np.zeros(n), np.zeros(n, dtype=bool), np.zeros(n, dtype=np.int64)
    for start, flux in read_blocks(arrays, "spectra"):
        row, first, length = nan_runs(flux)
        share[start : start + len(flux)] = np.bincount(row, weights=length, minlength=len(flux)) / flux.shape[1]
        at_end[start + row[(first == 0) | (first + length == flux.shape[1])]] = True
    for start, images in read_blocks(arrays, "images"):
        pixels[start : start + len(images)] = np.isnan(images).sum(axis=(1, 2, 3))
    return pd.DataFrame({"missing_samples": share, "gap_at_end": at_end, "missing_pixels": pixels})


def known_targets(targets: pd.DataFrame) -> pd.DataFrame:
    """Return ``dense_cube/targets`` with ``class`` stripped, and ``log_sfr``: AVG where it is a label, else NaN."""
    kind = targets["class"].astype(str).str.strip().replace("", UNKNOWN_CLASS)
    return targets.assign(**{"class": kind, "log_sfr": targets["avg"].where(is_label(targets["avg"]))})


def whole_cutout(missing: pd.DataFrame) -> np.ndarray:
    """Return whether no pixel of a cutout is missing, (n,) bool.

    Parameters
    ----------
    missing
        As `missing_flux` returns it.
    """
    return missing["missing_pixels"].to_numpy() == 0


def few_gaps(missing: pd.DataFrame, max_missing: float) -> np.ndarray:
    """Return whether at most that share of a spectrum's samples is missing, (n,) bool."""
    return missing["missing_samples"].to_numpy() <= max_missing
