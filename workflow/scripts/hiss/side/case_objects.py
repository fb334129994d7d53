"""What is measured of every labelled object, by which science cases are chosen: no label and no prediction."""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hiss.sample.arrays import read_blocks
from hiss.sample.shapes import SHAPE_UNITS, measure_shapes

PROPERTIES: Final = (
    "spectrum_sn",
    "sn_median",
    "r_magnitude",
    "z",
    "outside_fibre",
    "half_light_arcsec",
    "axis_ratio",
    "h_alpha_sn",
    "h_beta_sn",
    "balmer_decrement",
)
"""Columns by which a case may be chosen."""

UNITS: Final = SHAPE_UNITS | {"r_magnitude": "mag"}

LEAST_LINE_SN: Final = 3.0
"""Both lines of a Balmer decrement stand out by so many of their sigmas."""


def measure_properties(
    arrays: Path | str,
    neighbours: Path | str,
    objects: pd.DataFrame,
    magnitudes: pd.DataFrame,
    lines: pd.DataFrame,
    seeing_arcsec: float,
) -> pd.DataFrame:
    """Return ``row target_id`` and the `PROPERTIES` of every labelled object; NaN where one is not known.

    Parameters
    ----------
    arrays
        The sample's arrays at zoom 0.
    neighbours
        neighbours.h5 of the same cutouts.
    objects
        The sample's: ``row target_id z sn_median fiber_arcsec``.
    magnitudes
        ``row r``, of `hiss.sample.diagnostics.measure_magnitudes`.
    lines
        Of `hiss.sample.lines.measure_lines`.
    seeing_arcsec
        What is taken off the axis ratio.
    """
    shapes = measure_shapes(arrays, neighbours, objects["fiber_arcsec"], seeing_arcsec).set_index("row")
    rows = objects["row"].to_numpy()
    of_lines = lines.set_index("row").loc[rows]
    sn = {name: line_sn(of_lines[name], of_lines[f"{name}_sigma"]) for name in ("h_alpha", "h_beta")}
    return pd.DataFrame(
        {
            "row": rows,
            "target_id": objects["target_id"].to_numpy(),
            "spectrum_sn": spectra_sn(arrays)[rows],
            "sn_median": objects["sn_median"].to_numpy(dtype=np.float64),
            "r_magnitude": magnitudes.set_index("row")["r"].loc[rows].to_numpy(dtype=np.float64),
            "z": objects["z"].to_numpy(dtype=np.float64),
            **{name: shapes[name].loc[rows].to_numpy() for name in shapes},
            "h_alpha_sn": sn["h_alpha"],
            "h_beta_sn": sn["h_beta"],
            "balmer_decrement": balmer_decrement(of_lines["h_alpha"], of_lines["h_beta"], *sn.values()),
        }
    )[["row", "target_id", *PROPERTIES]]


def spectra_sn(arrays: Path | str) -> NDArray[np.float64]:
    """Return the median signal to noise of a sample of each spectrum, (n,); NaN where no sigma is known."""
    blocks = zip(read_blocks(arrays, "spectra"), read_blocks(arrays, "spectrum_sigma"), strict=True)
    parts = [median_sn(flux, sigma) for (_, flux), (_, sigma) in blocks]
    return np.concatenate(parts) if parts else np.empty(0)


def median_sn(flux: ArrayLike, sigma: ArrayLike) -> NDArray[np.float64]:
    """Return the median of flux over sigma along the last axis, of the samples that have both; NaN without any.

    Parameters
    ----------
    flux, sigma
        (n, m), NaN for missing samples.
    """
    value, noise = np.asarray(flux, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    ratio = np.full(value.shape, np.nan)
    np.divide(value, noise, out=ratio, where=noise > 0)
    found = np.full(len(ratio), np.nan)
    known = np.isfinite(ratio).any(axis=1)
    found[known] = np.nanmedian(ratio[known], axis=1)
    return found


def line_sn(area: ArrayLike, sigma: ArrayLike) -> NDArray[np.float64]:
    """Return area over sigma (n,) of a line; NaN where it was not measured."""
    value, noise = np.asarray(area, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    ratio = np.full(value.shape, np.nan)
    np.divide(value, noise, out=ratio, where=noise > 0)
    return ratio


def balmer_decrement(
    h_alpha: ArrayLike, h_beta: ArrayLike, h_alpha_sn: ArrayLike, h_beta_sn: ArrayLike
) -> NDArray[np.float64]:
    """Return H-alpha over H-beta (n,), 2.86 without dust (case B, 10^4 K); NaN where a line is lost in the noise."""
    one, other = np.asarray(h_alpha, dtype=np.float64), np.asarray(h_beta, dtype=np.float64)
    sure = (np.asarray(h_alpha_sn) > LEAST_LINE_SN) & (np.asarray(h_beta_sn) > LEAST_LINE_SN)
    ratio = np.full(one.shape, np.nan)
    np.divide(one, other, out=ratio, where=sure)
    return ratio
