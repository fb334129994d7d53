"""Short gaps in spectra: filled by a straight line, or told from the long ones."""

import numpy as np
from numpy.typing import NDArray

from hiss.cube.overlap import edges_of, overlap_matrix
from hiss.sample.gaps import nan_runs

Floats = NDArray[np.float32]


def fill_short(flux: Floats, longest: int) -> Floats:
    """Return spectra (n, m) whose short gaps are bridged by a straight line between the samples on either side.

    A gap of more than ``longest`` samples stays, and so does one at an end of the spectrum, which has one side only.
    """
    filled = flux.copy()
    last = flux.shape[1]
    for row, first, length in zip(*nan_runs(flux), strict=True):
        stop = first + length
        if length > longest or first == 0 or stop == last:
            continue
        left, right = filled[row, first - 1], filled[row, stop]
        filled[row, first:stop] = left + (right - left) * np.arange(1, length + 1) / (length + 1)
    return filled


def has_long_gap(flux: Floats, longest: int) -> NDArray[np.bool_]:
    """Return (n,) whether a spectrum (n, m) has a gap of more than ``longest`` samples."""
    row, _, length = nan_runs(flux)
    long = np.zeros(len(flux), dtype=bool)
    long[row[length > longest]] = True
    return long


def rebinned(flux: Floats, wl: NDArray[np.float64], fine: Floats, fine_wl: NDArray[np.float64]) -> Floats:
    """Return spectra (n, m) whose missing samples are those of a finer zoom, rebinned; the others stay to the bit.

    So a coarse bin of which one native sample is missing is made of the others and of the line that bridges it, not
    of its neighbours. It is the mean over the part of it that the finer zoom covers.

    Parameters
    ----------
    fine
        (n, m') of the same objects at zoom 0, their gaps filled as far as they are to be.
    wl, fine_wl
        Centres of the bins [Angstrom].
    """
    missing = np.isnan(flux)
    if not missing.any():
        return flux
    if len(wl) == len(fine_wl):
        return np.where(missing, fine, flux)
    share = overlap_matrix(edges_of(fine_wl), edges_of(wl))
    covered = np.asarray(share.sum(axis=1))
    mean = (share @ fine.T.astype(np.float64)).T / np.where(covered > 0, covered, np.nan)
    return np.where(missing, mean, flux).astype(np.float32)
