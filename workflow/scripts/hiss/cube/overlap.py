"""How bins of two grids lie over each other."""

from typing import Final

import numpy as np
from scipy.sparse import csr_array

LEAST_OVERLAP: Final = 1e-9
"""Share of a bin; less is rounding."""


def edges_of(centers: np.ndarray) -> np.ndarray:
    """Return edges midway between centres, the outer ones as far from theirs as the next: (n + 1,)."""
    middle = (centers[1:] + centers[:-1]) / 2
    first = centers[0] - (middle[0] - centers[0])
    last = centers[-1] + (centers[-1] - middle[-1])
    return np.concatenate([[first], middle, [last]])


def overlap_matrix(source: np.ndarray, target: np.ndarray) -> csr_array:
    """Return the share of each target bin's width that each source pixel covers.

    Parameters
    ----------
    source, target
        Increasing edges, (n + 1,) and (m + 1,).

    Returns
    -------
    (m, n) sparse float64. Flux densities times this matrix keep the integral over what both cover.
    """
    low, high = max(source[0], target[0]), min(source[-1], target[-1])
    cuts = np.union1d(source, target)
    cuts = cuts[(cuts >= low) & (cuts <= high)]
    middle, length = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
    pixel = np.searchsorted(source, middle) - 1
    bin_ = np.searchsorted(target, middle) - 1
    share = length / np.diff(target)[bin_]
    kept = share > LEAST_OVERLAP
    shape = (len(target) - 1, len(source) - 1)
    return csr_array((share[kept], (bin_[kept], pixel[kept])), shape=shape)
