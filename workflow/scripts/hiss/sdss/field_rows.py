"""Where in its field an object lies, out of the catalogue alone: for those who have no list of the survey's fields."""

from typing import Final

import numpy as np
import pandas as pd

from hiss.bands import CUTOUT_SIZE, FRAME_SHAPE, PIXEL_SCALE
from hiss.sdss.fields import ROWS_A_FIELD, great_circle

_NODE: Final = 95.0  # RA at which every stripe of the survey crosses the equator [deg]
_INCLINATIONS: Final = np.arange(-25.0, 90.1, 2.5)  # of the stripes [deg]
_PITCH: Final = 0.42  # between camera columns [deg]
_FIELDS_A_DEGREE: Final = 3600 / (ROWS_A_FIELD * PIXEL_SCALE)
_SCALE_ERROR: Final = 5e-4  # relative, of the scanning rate
_SCATTER: Final = 1 / 12  # variance of a place within a field, in fields
_SAMPLE: Final = 200  # objects of a run by which its stripe is recognised
_MIDDLE: Final = FRAME_SHAPE[0] / 2
_SIGMAS: Final = 3.0


def estimate_rows(objects: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the row [pixel] of each object in its field, and how far off it may be.

    A run scans a great circle at an even rate, so that the field is a straight line in mu; where all of a run's
    objects pin that line down, the place between two fields follows.

    Parameters
    ----------
    objects
        ``ra dec`` [deg], ``run camcol field``: the whole catalogue, for more objects a run say more.
    """
    run, codes = np.unique(objects["run"].to_numpy(), return_inverse=True)
    incl = _inclinations(objects, codes, len(run))
    mu, _ = great_circle(objects["ra"].to_numpy(), objects["dec"].to_numpy(), _NODE, incl[codes])
    first = np.zeros(len(run))
    first[codes[::-1]] = mu[::-1]
    mu = (mu - first[codes] + 180) % 360 - 180  # from the run's first object: none is half a circle long
    field = objects["field"].to_numpy(dtype=float)
    n = np.bincount(codes)
    mean_mu, mean_field = np.bincount(codes, mu) / n, np.bincount(codes, field) / n
    x, y = mu - mean_mu[codes], field - mean_field[codes]
    # a prior of the survey's own rate: a run with few objects says little about it
    weight = _SCATTER / (_SCALE_ERROR * _FIELDS_A_DEGREE) ** 2
    spread = np.bincount(codes, x * x) + weight
    slope = (np.bincount(codes, x * y) + weight * _FIELDS_A_DEGREE) / spread
    left = y - slope[codes] * x
    variance = np.bincount(codes, left * left) / n
    misfit = np.maximum(variance - 1.05 * _SCATTER, 0)
    error = np.sqrt(np.maximum(variance, _SCATTER)[codes] * (1 / n[codes] + x * x / spread[codes]) + misfit[codes])
    return _MIDDLE - ROWS_A_FIELD * left, _SIGMAS * ROWS_A_FIELD * error


def _inclinations(objects: pd.DataFrame, codes: np.ndarray, n_runs: int) -> np.ndarray:
    """The stripe of each run: the one whose middle its camera columns lie beside as the camera has them."""
    place = pd.Series(codes).groupby(codes).cumcount().to_numpy()
    sample = np.flatnonzero(place % np.maximum(np.bincount(codes)[codes] // _SAMPLE, 1) == 0)
    ra, dec = objects["ra"].to_numpy()[sample], objects["dec"].to_numpy()[sample]
    expected = _PITCH * (objects["camcol"].to_numpy()[sample] - 3.5)
    miss = np.empty((len(_INCLINATIONS), n_runs))
    for number, incl in enumerate(_INCLINATIONS):
        _, nu = great_circle(ra, dec, _NODE, incl)
        miss[number] = np.bincount(codes[sample], np.abs(nu - expected), n_runs)
    return np.asarray(_INCLINATIONS[miss.argmin(axis=0)])


def neighbours_needed(row: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whether an object's cutout may cross into the field before its own, and into the one after."""
    half = CUTOUT_SIZE // 2
    return row - error < half, row + error > FRAME_SHAPE[0] - half
