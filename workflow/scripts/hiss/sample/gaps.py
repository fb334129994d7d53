"""Gaps in spectra: runs of consecutive samples without a flux."""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from hiss.sample.arrays import read_blocks

GAP_COLUMNS = {"row": "i8", "zoom": "i8", "first": "i8", "length": "i8", "wl_min": "f8", "wl_max": "f8"}


def nan_runs(flux: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, first sample and length (int64) of every run of NaN along the last axis of (n, m) fluxes."""
    missing = np.zeros((len(flux), flux.shape[1] + 2), dtype=np.int8)
    missing[:, 1:-1] = np.isnan(flux)
    edges = np.diff(missing, axis=1)
    row, first = np.nonzero(edges == 1)
    _, stop = np.nonzero(edges == -1)
    return row, first, stop - first


def find_gaps(arrays: Mapping[int, Path | str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the gaps and the missing fractions of every spectrum at every zoom.

    Parameters
    ----------
    arrays
        Zoom to the sample's arrays at it.

    Returns
    -------
    gaps
        One row a gap: ``row zoom first length wl_min wl_max`` (wavelengths of its first and last sample [Angstrom]).
    missing
        One row a spectrum and zoom: ``row zoom fraction``.
    """
    gaps, missing = [], []
    for zoom, path in sorted(arrays.items()):
        with h5py.File(path, "r") as file:
            wl = file["wl"][()]
        for start, flux in read_blocks(path, "spectra"):
            row, first, length = nan_runs(flux)
            gaps.append(
                pd.DataFrame(
                    {
                        "row": row + start,
                        "zoom": zoom,
                        "first": first,
                        "length": length,
                        "wl_min": wl[first],
                        "wl_max": wl[first + length - 1],
                    }
                )
            )
            fraction = np.bincount(row, weights=length, minlength=len(flux)) / flux.shape[1]
            missing.append(pd.DataFrame({"row": np.arange(len(flux)) + start, "zoom": zoom, "fraction": fraction}))
    return (
        _stack(gaps, GAP_COLUMNS),
        _stack(missing, {"row": "i8", "zoom": "i8", "fraction": "f8"}),
    )


def _stack(tables: list[pd.DataFrame], columns: dict[str, str]) -> pd.DataFrame:
    empty = pd.DataFrame({name: np.empty(0, dtype=kind) for name, kind in columns.items()})
    full = [table for table in tables if len(table)]
    return pd.concat(full, ignore_index=True).astype(columns) if full else empty


def gap_table(gaps: pd.DataFrame, rows: np.ndarray, zooms: list[int]) -> pd.DataFrame:
    """Return Table 2.2 for some rows: ``zoom blocks mean_length max_length``, lengths NaN where there is no gap."""
    chosen = gaps[gaps["row"].isin(rows)]
    lengths = chosen.groupby("zoom")["length"].agg(["size", "mean", "max"]).reindex(sorted(zooms))
    return pd.DataFrame(
        {
            "zoom": lengths.index.to_numpy(),
            "blocks": lengths["size"].fillna(0).astype(np.int64).to_numpy(),
            "mean_length": lengths["mean"].to_numpy(dtype=float),
            "max_length": lengths["max"].astype("Int64").to_numpy(),
        }
    )
