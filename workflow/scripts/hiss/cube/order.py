"""The order of rows in a cube: near on the sky is near in the file, on any number of ranks and shards."""

import numpy as np
import pandas as pd

from hiss.bands import BAND_INDEX
from hiss.cube.index import healpix_cell

ORDER: int = 29
"""Finest HEALPix order, whose NESTED cells begin with the number of each coarser cell they lie in."""

NOWHERE: int = np.iinfo(np.int64).max
"""In place of a cell where the position is not known: such rows come last."""


def fine_cells(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return the NESTED cell of order `ORDER` of positions [deg], int64; `NOWHERE` for those not finite."""
    ra, dec = np.asarray(ra, np.float64), np.asarray(dec, np.float64)
    known = np.isfinite(ra) & np.isfinite(dec)
    cells = np.full(len(ra), NOWHERE, np.int64)
    cells[known] = healpix_cell(ra[known], dec[known], ORDER)
    return cells


def in_frame_order(frames: pd.DataFrame) -> pd.DataFrame:
    """Return rows of a manifest, frames, by run, camcol, field and band (u g r i z), numbered from 0."""
    keyed = frames.assign(_band=frames["band"].map(BAND_INDEX))
    keyed = keyed.sort_values(["run", "camcol", "field", "_band", "path"], ignore_index=True)
    return keyed.drop(columns="_band")


def in_spectrum_order(spectra: pd.DataFrame) -> pd.DataFrame:
    """Return rows of a manifest, spectra, by their place on the sky, then plate, MJD and fiber, numbered from 0."""
    keyed = spectra.assign(_cell=fine_cells(spectra["ra"].to_numpy(), spectra["dec"].to_numpy()))
    keyed = keyed.sort_values(["_cell", "plate", "mjd", "fiber", "path"], ignore_index=True)
    return keyed.drop(columns="_cell")
