"""Coarser images of the same sky: means over blocks of native pixels, with their true sigma and WCS."""

import numpy as np

from hiss.bands import N_ZOOMS
from hiss.cube.options import Missing


def sum_blocks(array: np.ndarray) -> np.ndarray:
    """Return the sums over blocks of 2 x 2 of the last two axes; an odd row or column at the end is left out."""
    rows, columns = array.shape[-2] // 2 * 2, array.shape[-1] // 2 * 2
    pairs = array[..., 0:rows:2, :columns] + array[..., 1:rows:2, :columns]
    return pairs[..., 0::2] + pairs[..., 1::2]


def zoom_images(flux: np.ndarray, sigma: np.ndarray, missing: Missing = "any") -> list[tuple[np.ndarray, np.ndarray]]:
    """Return flux and sigma at every zoom: the mean of 2^k x 2^k native pixels, and its sigma.

    Parameters
    ----------
    flux, sigma
        (..., ny, nx) float32 at zoom 0, pixels independent of each other.
    missing
        ``any``: a block is NaN where any of its native pixels is. ``measured``: it is the mean of those that are
        not, and NaN where all are.

    Returns
    -------
    A pair for each zoom, (..., ny >> zoom, nx >> zoom).

    Notes
    -----
    Sums of flux and of variance over the native pixels are carried from zoom to zoom, so that each mean and
    each sigma, sqrt(sum sigma^2) / n, is over native pixels; nothing is averaged twice.
    """
    if missing == "measured":
        return _zoom_measured(flux, sigma)
    zooms = [(flux, sigma)]
    total, variance = flux, np.square(sigma)
    for zoom in range(1, N_ZOOMS):
        total, variance = sum_blocks(total), sum_blocks(variance)
        share = np.float32(0.25**zoom)
        zooms.append((total * share, np.sqrt(variance) * share))
    return zooms


def _zoom_measured(flux: np.ndarray, sigma: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Give the zooms whose blocks are means of the pixels that were measured, however few."""
    measured = np.isfinite(flux) & np.isfinite(sigma)
    if measured.all():
        return zoom_images(flux, sigma)
    zooms = [(flux, sigma)]
    total, variance = np.where(measured, flux, np.float32(0)), np.square(np.where(measured, sigma, np.float32(0)))
    count = measured.astype(np.float32)
    for _ in range(1, N_ZOOMS):
        total, variance, count = sum_blocks(total), sum_blocks(variance), sum_blocks(count)
        share = np.divide(np.float32(1), count, out=np.full_like(count, np.nan), where=count > 0)
        zooms.append((total * share, np.sqrt(variance) * share))
    return zooms


def zoom_wcs(wcs: np.ndarray, zoom: int) -> np.ndarray:
    """Return WCS records of dtype ``WCS_DTYPE`` at a zoom, from those at zoom 0.

    A block's centre is the mean of its pixels' centres: CRPIX_k = (CRPIX - 1/2) / 2^k + 1/2, CD_k = 2^k CD.
    """
    zoomed = wcs.copy()
    side = 2**zoom
    for axis in ("1", "2"):
        zoomed[f"NAXIS{axis}"] = wcs[f"NAXIS{axis}"] >> zoom
        zoomed[f"CRPIX{axis}"] = (wcs[f"CRPIX{axis}"] - 0.5) / side + 0.5
        for other in ("1", "2"):
            zoomed[f"CD{axis}_{other}"] = wcs[f"CD{axis}_{other}"] * side
    return zoomed
