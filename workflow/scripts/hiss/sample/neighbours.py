"""Neighbours in the cutouts of a sample: masks made by `hiss.sample.sources`, taken out where a sample wants it.

No line here needs the library that finds them, since models read features in environments without it.
"""

from pathlib import Path
from typing import Any, Final, NamedTuple

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiss.cube.rows import gather
from hiss.errors import HissError

Floats = NDArray[np.float32]

SKY, CENTRAL, PIECE, NEIGHBOUR = range(4)
"""Kinds of pixel: sky, the central source, a source that does not matter or is the central one's light, a neighbour."""

_FRAME: Final = 8  # pixels at a cutout's edge, which tell its sky
_SHARED: Final = np.sqrt(3.0)
"""Sigma of a copied pixel over its twin's: the two are one measurement, whose sum has twice the twin's sigma."""


class Masks(NamedTuple):
    """Neighbours of some objects."""

    mask: NDArray[np.bool_]
    """(n, 64, 64) pixels of other sources."""
    centre: NDArray[np.float32]
    """(n, 2) x and y of the central source [pixel]."""


def frame(image: NDArray[Any]) -> NDArray[Any]:
    """Return the pixels (n,) of an image (side, side) within eight of its edge."""
    inner = np.zeros(image.shape, dtype=bool)
    inner[_FRAME:-_FRAME, _FRAME:-_FRAME] = True
    return image[~inner]


def mirrored(image: NDArray[Any], centre: tuple[float, float]) -> NDArray[Any]:
    """Return an image (..., side, side) turned by half a turn about a centre, to the nearest half pixel.

    What lies outside the image is NaN.
    """
    side = image.shape[-1]
    columns, rows = (round(2 * place) - np.arange(side) for place in centre)
    turned = image[..., rows.clip(0, side - 1), :][..., columns.clip(0, side - 1)].astype(np.float64)
    turned[..., (rows < 0) | (rows >= side), :] = np.nan
    turned[..., (columns < 0) | (columns >= side)] = np.nan
    return turned


def load_masks(path: Path | str, rows: ArrayLike) -> Masks:
    """Return the neighbours of some rows of the sample's arrays, in the order asked for.

    Raises
    ------
    HissError
        A row that the file does not have.
    """
    wanted = np.asarray(rows, dtype=np.int64)
    with h5py.File(path, "r") as file:
        if len(wanted) and wanted.max() >= len(file["mask"]):
            raise HissError(f"{path}: has no row {wanted.max()}; delete it and run the same command again")
        return Masks(gather(file["mask"], wanted).astype(bool), gather(file["centre"], wanted))


def take_out(images: Floats, sigma: Floats | None, masks: Masks) -> tuple[Floats, Floats | None]:
    """Return cutouts (n, 5, 64, 64) and their sigmas without the neighbours.

    A pixel of a neighbour takes the flux of the pixel opposite the central source, which holds the same wing of that
    source and the same sky. Where that one is a neighbour's too, missing, or outside the cutout, it takes the level of
    the sky: the band's median in the pixels within eight of the edge that are no neighbour's.

    A copied pixel has the sigma of its twin times the square root of 3: the two are one measurement, and so the sigma
    of every sum that holds both, as the total flux, is true. One at the level of the sky keeps the sigma that was
    measured there; the neighbour's own photons are in it, so that it is never too small.
    """
    images, sigma = images.copy(), None if sigma is None else sigma.copy()
    for row in np.flatnonzero(masks.mask.any(axis=(1, 2))):
        hidden = masks.mask[row]
        place = (float(masks.centre[row, 0]), float(masks.centre[row, 1]))
        twin = mirrored(np.where(hidden, np.nan, images[row]), place)
        copied = hidden & np.isfinite(twin).all(axis=0)
        level = [_sky_level(band, hidden) for band in images[row]]
        images[row] = np.where(copied, twin, np.where(hidden, np.array(level)[:, None, None], images[row]))
        if sigma is not None:
            sigma[row] = np.where(copied, _SHARED * mirrored(sigma[row], place), sigma[row])
    return images, sigma


def _sky_level(image: Floats, hidden: NDArray[np.bool_]) -> float:
    seen = frame(np.where(hidden, np.nan, image))
    seen = seen[np.isfinite(seen)]
    return float(np.median(seen)) if len(seen) else 0.0


def without_neighbours(
    images: Floats, sigma: Floats | None, fine: Floats, fine_sigma: Floats | None, masks: Masks
) -> tuple[Floats, Floats | None]:
    """Return cutouts of any zoom without the neighbours that were found at zoom 0, so that all zooms agree.

    The neighbours are taken out at zoom 0, and each pixel that a neighbour reaches is the mean of its block there, as
    in the dense cube; the others are left to the bit.

    Parameters
    ----------
    images, sigma
        (n, 5, side, side) at the zoom wanted.
    fine, fine_sigma
        (n, 5, 64, 64) of the same objects at zoom 0.
    """
    side = images.shape[-1]
    step = fine.shape[-1] // side
    clean, clean_sigma = take_out(fine, fine_sigma, masks)
    reached = np.asarray(_blocks(masks.mask, step).any(axis=(-3, -1)))[:, None]
    images = np.where(reached, _blocks(clean, step).mean(axis=(-3, -1), dtype=np.float64), images).astype(np.float32)
    if sigma is None or clean_sigma is None:
        return images, sigma
    squares = _blocks(clean_sigma.astype(np.float64) ** 2, step).sum(axis=(-3, -1))
    return images, np.where(reached, np.sqrt(squares) / step**2, sigma).astype(np.float32)


def _blocks(images: NDArray[Any], step: int) -> NDArray[Any]:
    """Return images (..., y, x) as (..., y / step, step, x / step, step)."""
    *rest, height, width = images.shape
    return images.reshape(*rest, height // step, step, width // step, step)
