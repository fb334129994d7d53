"""The rows of the sample's arrays that a model asks for, in one matrix."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiss.bands import BANDS
from hiss.errors import HissError
from hiss.models.base import Data, sky_sigma_of
from hiss.sample.arrays import Objects, load_rows

_BLOCK_BYTES = 64 * 2**20


def load_data(
    arrays: Path | str, rows: ArrayLike, modality: str, target: ArrayLike | None = None, sky: bool = False
) -> tuple[Data, NDArray[np.int64]]:
    """Return rows of the arrays of one zoom as a model's data, and their target_id (n,).

    They are read block by block into the matrix of features, so that memory holds them once, and their sigmas
    never whole.

    Parameters
    ----------
    arrays
        ``<results>/sample/zoom<k>.h5``.
    rows
        (n,) rows of the arrays, in the order wanted.
    target
        (n,) labels of those rows; NaN where not given.
    sky
        Whether the sky noise of the cutouts is wanted, for which their sigmas are read.

    Raises
    ------
    HissError
        When there is no row.
    """
    rows = np.asarray(rows, dtype=np.int64)
    if not len(rows):
        raise HissError(f"{arrays}: no row is asked for; the sample has no object on this side of its split")
    sky = sky and modality != "spectra"
    data = _allocate(load_rows(arrays, rows[:1], modality, sigma=False), len(rows), target, sky)
    target_id = np.empty(len(rows), dtype=np.int64)
    step = max(1, _BLOCK_BYTES // (4 * data.features.shape[1]))
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        objects = load_rows(arrays, rows[block], modality, sigma=sky)
        target_id[block] = objects.target_id
        if objects.images is not None:
            data.features[block, : data.n_pixels] = objects.images.reshape(len(objects.images), -1)
        if objects.image_sigma is not None and data.sky_sigma is not None:
            data.sky_sigma[block] = sky_sigma_of(objects.image_sigma)
        if objects.spectra is not None:
            data.features[block, data.n_pixels :] = objects.spectra
    return data, target_id


def _allocate(one: Objects, n: int, target: ArrayLike | None, sky: bool) -> Data:
    n_pixels = 0 if one.images is None else one.images[0].size
    n_samples = 0 if one.spectra is None else one.spectra.shape[1]
    return Data(
        features=np.empty((n, n_pixels + n_samples), dtype=np.float32),
        side=0 if one.images is None else one.images.shape[-1],
        target=np.full(n, np.nan) if target is None else np.asarray(target, dtype=np.float64),
        sky_sigma=np.empty((n, len(BANDS)), dtype=np.float32) if sky else None,
    )
