"""Cutouts that hold more than one object, by counting bright regions."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from hiss.bands import BAND_INDEX
from hiss.sample.arrays import read_blocks

_WITHIN_ONE_IMAGE = np.array([np.zeros((3, 3)), [[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.zeros((3, 3))], dtype=int)


def normalise(images: np.ndarray) -> np.ndarray:
    """Return each image of (n, y, x) scaled linearly to [0, 1] (float64); NaN, or no contrast at all, becomes 0."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    finite = np.isfinite(flat)
    low = np.where(finite, flat, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(finite, flat, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    usable = high > low
    low, span = np.where(usable, low, 0.0), np.where(usable, high - low, 1.0)
    scaled = (np.where(finite & usable, flat, low) - low) / span
    return scaled.reshape(images.shape)


def count_regions(images: np.ndarray, threshold: float) -> np.ndarray:
    """Return how many 4-connected regions of each image (n, y, x) lie above a threshold of its range (n,) int64."""
    labels = ndimage.label(normalise(images) > threshold, structure=_WITHIN_ONE_IMAGE)[0]
    pixels = np.flatnonzero(labels)
    _, one_each = np.unique(labels.ravel()[pixels], return_index=True)
    image = pixels[one_each] // max(1, images[0].size if len(images) else 1)
    return np.bincount(image, minlength=len(images)).astype(np.int64)


def find_multi_objects(arrays: Path | str, threshold: float, band: str) -> pd.DataFrame:
    """Return ``row n_regions multi missing_pixels`` of every cutout of the sample's arrays.

    The band's cutout is scaled to its own range, so that colour does not decide; one object is one region. Missing
    pixels are those of any band without a flux.
    """
    n_regions, missing = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for _, block in read_blocks(arrays, "images"):
        n_regions.append(count_regions(block[:, BAND_INDEX[band]], threshold))
        missing.append((~np.isfinite(block)).sum(axis=(1, 2, 3)))
    table = pd.DataFrame({"n_regions": np.concatenate(n_regions)})
    table.insert(0, "row", np.arange(len(table), dtype=np.int64))
    return table.assign(multi=table["n_regions"] > 1, missing_pixels=np.concatenate(missing))
