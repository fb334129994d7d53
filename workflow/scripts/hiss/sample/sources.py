"""What is in every cutout of a sample: sources found and kept as masks and a table."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.bands import CUTOUT_SIZE, PIXEL_SCALE
from hiss.files import atomic
from hiss.progress import progress
from hiss.sample.arrays import read_blocks
from hiss.sample.neighbours import CENTRAL, NEIGHBOUR, PIECE, SKY, Floats
from hiss.sample.segmentation import Scene, Segmentation, find_sources, in_noise_units

SOURCE_UNITS: Final = {"central_offset_arcsec": "arcsec", "nearest_arcsec": "arcsec"}

_CHUNK: Final = 64  # masks that are compressed together

_NOTHING: Final = {
    "n_detected": "int64",
    "n_sources": "int64",
    "multi": "bool",
    "central": "bool",
    "central_offset_arcsec": "float64",
    "neighbour_flux_share": "float64",
    "nearest_arcsec": "float64",
    "blended": "bool",
    "at_edge": "bool",
    "masked_pixels": "int64",
}
"""Types of the columns, also of no cutout."""


def find_neighbours(
    arrays: Path | str, settings: Segmentation, out: Path | str, record: Mapping[str, Any]
) -> pd.DataFrame:
    """Write the neighbours of every cutout of the sample's arrays, and return what was found in each.

    The file holds ``mask`` (N, 64, 64) uint8, 1 where a pixel is a neighbour's, grown; ``kind`` (N, 64, 64) uint8, what
    each pixel was detected as (`SKY`, `CENTRAL`, `PIECE`, `NEIGHBOUR`); and ``centre`` (N, 2) float32 of the central
    source, x and y.

    Parameters
    ----------
    arrays
        The sample's arrays at zoom 0.

    Returns
    -------
    DataFrame
        One row a cutout: ``row``; ``n_detected`` sources of any kind, ``n_sources`` (the central one and the neighbours
        that matter), ``multi`` (there are such); ``central`` (there is a central source), ``central_offset_arcsec``,
        ``neighbour_flux_share`` (of central source and neighbours together), ``nearest_arcsec`` (from the centre to the
        next pixel of a neighbour; NaN without), ``blended`` (a neighbour touches the central source), ``at_edge`` (a
        neighbour is cut off by the cutout's edge), ``masked_pixels``.
    """
    with h5py.File(arrays, "r") as file:
        n = len(file["images"])
    rows: list[dict[str, Any]] = []
    blocks = zip(read_blocks(arrays, "images"), read_blocks(arrays, "image_sigma"), strict=True)
    with atomic(out) as temporary, h5py.File(temporary, "w") as file:
        mask, kind, centre = _create(file, n, settings, record)
        for (start, images), (_, sigma) in progress(blocks, n, "cutouts segmented", place=_done):
            scenes = [find_sources(*one, settings) for one in zip(*in_noise_units(images, sigma, settings.band))]
            rows_here = slice(start, start + len(scenes))
            mask[rows_here] = np.stack([scene.mask for scene in scenes]).astype(np.uint8)
            kind[rows_here] = np.stack([kinds_of(scene) for scene in scenes])
            centre[rows_here] = [scene.centre for scene in scenes]
            rows += [_told(scene) for scene in scenes]
    table = pd.DataFrame(rows, columns=list(_NOTHING)).astype(_NOTHING)
    table.insert(0, "row", np.arange(n, dtype=np.int64))
    return table


def _done(blocks: tuple[tuple[int, Floats], tuple[int, Floats]]) -> int:
    start, images = blocks[0]
    return start + len(images)


def _create(
    file: h5py.File, n: int, settings: Segmentation, record: Mapping[str, Any]
) -> tuple[h5py.Dataset, h5py.Dataset, h5py.Dataset]:
    shape = (n, CUTOUT_SIZE, CUTOUT_SIZE)
    chunks = (min(_CHUNK, n), CUTOUT_SIZE, CUTOUT_SIZE) if n else None
    packed = {"compression": "gzip", "shuffle": True} if n else {}
    mask, kind = (file.create_dataset(name, shape, dtype="u1", chunks=chunks, **packed) for name in ("mask", "kind"))
    centre = file.create_dataset("centre", (n, 2), dtype="f4")
    centre.attrs["units"] = "pixel"
    file.attrs["segmentation"] = json.dumps(vars(settings), sort_keys=True)
    file.attrs["provenance"] = json.dumps(record, sort_keys=True, default=str)
    return mask, kind, centre


def kinds_of(scene: Scene) -> NDArray[np.uint8]:
    """Return (side, side) the kind of each pixel of a scene."""
    kind = np.where(scene.labels > 0, PIECE, SKY)
    kind[scene.own] = CENTRAL
    kind[np.isin(scene.labels, scene.neighbours)] = NEIGHBOUR
    return kind.astype(np.uint8)


def _told(scene: Scene) -> dict[str, Any]:
    members = np.isin(scene.labels, scene.neighbours)
    y, x = np.nonzero(members)
    distance = np.hypot(x - scene.centre[0], y - scene.centre[1]) * PIXEL_SCALE
    light = scene.central_flux + scene.neighbour_flux
    return {
        "n_detected": scene.n_detected,
        "n_sources": len(scene.neighbours) + (scene.central > 0),
        "multi": len(scene.neighbours) > 0,
        "central": scene.central > 0,
        "central_offset_arcsec": scene.offset_arcsec,
        "neighbour_flux_share": scene.neighbour_flux / light if light > 0 else 0.0,
        "nearest_arcsec": float(distance.min()) if len(distance) else np.nan,
        "blended": _touch(members, scene.own),
        "at_edge": bool(members[[0, -1]].any() or members[:, [0, -1]].any()),
        "masked_pixels": int(scene.mask.sum()),
    }


def _touch(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    beside = (one[1:] & other[:-1]).any() or (one[:-1] & other[1:]).any()
    return bool(beside or (one[:, 1:] & other[:, :-1]).any() or (one[:, :-1] & other[:, 1:]).any())
