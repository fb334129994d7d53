"""Which of the cutouts around a target are stacked: independent of each other, and of one orientation."""

from dataclasses import dataclass
from typing import Final

import h5py
import numpy as np

from hiss.bands import BAND_INDEX, BANDS
from hiss.cube.layout import IMAGE_TABLE, WINDOW_TABLE, images_group
from hiss.cube.wcs import handedness, north_angle

MOST_TURNED_DEG: Final = 0.5
"""Epochs turned against each other by less are stacked: a quarter of a pixel at the edge of a cutout."""


@dataclass(frozen=True)
class Frames:
    """What the choice of epochs needs to know of the frames of a sparse cube, one row each.

    Attributes
    ----------
    band
        Band number, int64.
    exposure
        Number of the run, camcol and band, int64.
    noise
        Sigma of the background, float64.
    wcs
        WCS records at zoom 0.
    window
        (n_windows,) frame of each window of a cube of mode ``targets``; None where it holds whole frames.
    """

    band: np.ndarray
    exposure: np.ndarray
    noise: np.ndarray
    wcs: np.ndarray
    window: np.ndarray | None

    @classmethod
    def of(cls, sparse: h5py.File) -> "Frames":
        """Read them from an open sparse cube."""
        images = sparse[IMAGE_TABLE].fields(["run", "camcol", "band", "background_sigma"])[:]
        _, exposure = np.unique(images[["run", "camcol", "band"]], return_inverse=True)
        band = np.array([BAND_INDEX[name.decode()] for name in images["band"]], dtype=np.int64)
        window = sparse[WINDOW_TABLE].fields("frame")[:] if WINDOW_TABLE in sparse else None
        return cls(band, exposure, images["background_sigma"], sparse[f"{images_group(0)}/wcs"][:], window)

    def of_references(self, references: np.ndarray) -> np.ndarray:
        """Return the frame, a row of ``image_table``, that each reference to pixels leads to: int64."""
        slices = references["ds_slice_idx"]
        return np.asarray(slices if self.window is None else self.window[slices])

    def stacked(self, target: np.ndarray, frame: np.ndarray, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which cutouts are stacked, (n,) bool.

        Parameters
        ----------
        target, frame
            (n,) number of the target and frame of each cutout, sorted by target; of a target, earliest of a band
            first.
        ra, dec
            (n_targets,) positions [deg].
        """
        kept = independent(target, self.exposure[frame])
        target, frame = target[kept], frame[kept]
        wcs = self.wcs[frame]
        north = north_angle(wcs, ra[target], dec[target])
        kept[kept] = aligned(target, self.band[frame], north, handedness(wcs))
        return kept


def independent(target: np.ndarray, exposure: np.ndarray) -> np.ndarray:
    """Return which cutouts of a target do not show the same photons as an earlier one of it, (n,) bool.

    Neighbouring fields of a run overlap by 128 rows that were read from the chip once: a stack of both would
    think itself sqrt(2) better than it is.

    Parameters
    ----------
    target, exposure
        (n,) number of the target, and of the run, camcol and band of the frame.
    """
    return _first_of_each(target * (exposure.max(initial=0) + 1) + exposure)


def aligned(target: np.ndarray, band: np.ndarray, north: np.ndarray, handed: np.ndarray) -> np.ndarray:
    """Return which cutouts of a target show the sky in one orientation, (n,) bool.

    Cutouts are stacked pixel by pixel, unturned and not mirrored. Those turned by less than `MOST_TURNED_DEG` from
    the first in r, and of its handedness, are kept; of a band that has none, those that are like its own first.

    Parameters
    ----------
    target, band
        (n,) numbers, sorted by target, earliest cutout of a band first.
    north
        (n,) direction of north in the cutouts' pixels [deg].
    handed
        (n,) 1 or -1, see `handedness`.
    """
    group = target * len(BANDS) + band
    in_r = band == BAND_INDEX["r"]
    as_first_in_r = _like(_first_rows(np.where(in_r, target, -1), target), north, handed)
    found = np.zeros(group.max(initial=-1) + 1, dtype=bool)
    found[group[as_first_in_r]] = True
    return np.where(found[group], as_first_in_r, _like(_first_rows(group, group), north, handed))


def least_noisy(target: np.ndarray, band: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return which cutout of each target and band has the least background sigma, the earliest of equals: (n,) bool."""
    group = target * len(BANDS) + band
    order = np.lexsort((noise, group))
    kept = np.zeros(len(group), dtype=bool)
    kept[order[_first_of_each(group[order])]] = True
    return kept


def _first_of_each(values: np.ndarray) -> np.ndarray:
    """Tell which values have not come before."""
    first = np.zeros(len(values), dtype=bool)
    first[np.unique(values, return_index=True)[1]] = True
    return first


def _first_rows(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Give the first row that has each wanted value (0 or more), -1 where none has."""
    found, rows = np.unique(values, return_index=True)
    table = np.full(wanted.max(initial=-1) + 1, -1)
    table[found[found >= 0]] = rows[found >= 0]
    return np.asarray(table[wanted])


def _like(first: np.ndarray, north: np.ndarray, handed: np.ndarray) -> np.ndarray:
    """Tell which cutouts have the orientation of another each, where there is one."""
    turned = np.abs((north - north[first] + 180) % 360 - 180)
    return (first >= 0) & (turned < MOST_TURNED_DEG) & (handed == handed[first])
