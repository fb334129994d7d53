"""What lies within a radius of what on the sky, by k-d trees of directions."""

import numpy as np
from scipy.spatial import cKDTree


def unit_vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return the directions of positions [deg] as (n, 3) float64."""
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def chord(radius_deg: float) -> float:
    """Return the distance between directions so far apart, a rounding error wider."""
    return float(2 * np.sin(np.radians(min(radius_deg, 180.0)) / 2) * (1 + 1e-9))


class Neighbours:
    """Positions on the sky, to be asked which of them lie near others.

    Parameters
    ----------
    ra, dec
        (n,) positions [deg].
    """

    def __init__(self, ra: np.ndarray, dec: np.ndarray) -> None:
        self._tree = cKDTree(unit_vectors(ra, dec).reshape(-1, 3))

    def within(self, ra: np.ndarray, dec: np.ndarray, radius_deg: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the pairs of an asked position and one of these within a radius, sorted.

        Returns
        -------
        Numbers of asked positions and of these, int64.
        """
        found = self._tree.query_ball_point(unit_vectors(ra, dec).reshape(-1, 3), chord(radius_deg), return_sorted=True)
        count = np.fromiter(map(len, found), np.int64, len(found))
        here = np.concatenate([np.empty(0, np.int64), *found]).astype(np.int64)
        return np.repeat(np.arange(len(count)), count), here
