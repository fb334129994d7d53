"""What a study costs before it starts: disk and core-hours of each stage, and shards to cut the sky into."""

from typing import Any, Final

import numpy as np

from hiss.bands import BANDS, CUTOUT_SIZE, FRAME_SHAPE, N_ZOOMS, SPECTRUM_SIZE
from hiss.sdss.regions import cells_of

_PAIR: Final = 8  # bytes of a flux and its sigma
_PLAIN_FRAME: Final = 12_450_000
_GZIP_FRAME: Final = 5_660_000
_REFERENCE: Final = 800  # bytes of a reference to a cutout at all zooms, with its errors and metadata
_CATALOGUE_ROW: Final = 500

SECONDS: Final = {
    "frame_bzip2": 0.65,
    "frame_gzip": 0.20,
    "frame_plain": 0.12,
    "spectrum": 0.006,
    "link": 0.000035,
    "target": 0.0014,
    "repack": 0.60,
}
"""Core-seconds of one of each, what a plan multiplies: docs/results.md has the measurements.

A spectrum: 4 ms to read, the rest to rebin it to four zooms and write it. A target: `benchmarks/dense.py`.
"""

SHARD_BYTES: Final = 200e9
"""A shard's file is not advised to be larger: it is the unit that is written, checked and built again as a whole."""

SHARD_CORE_HOURS: Final = 64.0
"""Nor to take longer: what 16 ranks do in the four hours of a short partition."""

_FINEST: Final = 8


def frame_bytes() -> int:
    """Return bytes of a frame in the sparse cube: flux and sigma at all zooms."""
    rows, columns = FRAME_SHAPE
    return sum((rows >> zoom) * (columns >> zoom) * _PAIR for zoom in range(N_ZOOMS))


def spectrum_bytes() -> int:
    """Return bytes of a spectrum in a cube: flux and sigma at all zooms."""
    return sum((SPECTRUM_SIZE >> zoom) * _PAIR for zoom in range(N_ZOOMS))


def cutout_bytes() -> int:
    """Return bytes of a target's five stacked cutouts in the dense cube: flux and sigma at all zooms."""
    return sum(len(BANDS) * (CUTOUT_SIZE >> zoom) ** 2 * _PAIR for zoom in range(N_ZOOMS))


def estimate_stages(
    n_spectra: int, n_frames: int, n_windows: int, raw_bytes: int, mode: str, repack: str | None, keep_bz2: bool = True
) -> list[dict[str, Any]]:
    """Return ``stage bytes core_hours`` of each stage.

    Parameters
    ----------
    n_windows
        Cutouts at zoom 0 (one a target, field and band): what a cube of mode ``targets`` keeps of the frames.
    raw_bytes
        To fetch.
    mode
        ``full`` or ``targets`` of the cube.
    repack
        ``gzip``, ``plain`` or None.

    Notes
    -----
    Uncompressed; every spectrum counts as a target of its own, so that these are upper bounds.
    """
    stages: list[tuple[str, float, float]] = [("files as fetched", raw_bytes, 0.0)]
    if repack:
        packed = n_frames * (_GZIP_FRAME if repack == "gzip" else _PLAIN_FRAME)
        left = "" if keep_bz2 else ", in place of the fetched"
        stages.append((f"frames repacked ({repack}{left})", packed, n_frames * SECONDS["repack"]))
    images = n_frames * frame_bytes() if mode == "full" else n_windows * CUTOUT_SIZE**2 * _PAIR
    reading = n_frames * SECONDS[f"frame_{repack or 'bzip2'}"] + n_spectra * SECONDS["spectrum"]
    stages.append((f"sparse cube ({mode})", images + n_spectra * (spectrum_bytes() + _CATALOGUE_ROW), reading))
    stages.append(("links", n_windows * _REFERENCE, n_windows * SECONDS["link"]))
    dense = n_spectra * (cutout_bytes() + spectrum_bytes())
    stages.append(("dense cube", dense, n_spectra * SECONDS["target"]))
    stages.append(("arrays of the sample", dense, n_spectra * SECONDS["target"] / 3))
    return [{"stage": stage, "bytes": int(n_bytes), "core_hours": seconds / 3600} for stage, n_bytes, seconds in stages]


def advise_shards(
    ra: np.ndarray, dec: np.ndarray, sparse_bytes: float, core_hours: float, chosen: int | None
) -> dict[str, Any]:
    """Return the coarsest HEALPix order whose largest shard is small enough, and built soon enough.

    Parameters
    ----------
    ra, dec
        Of the objects [deg]; the sparse cube's bytes and hours are shared out evenly among them.
    chosen
        The config's.

    Returns
    -------
    ``advised`` (None where one piece will do), ``cells``, ``largest_bytes``, ``chosen``.
    """
    known = np.isfinite(ra) & np.isfinite(dec)
    n = int(known.sum())
    shards = max(sparse_bytes / SHARD_BYTES, core_hours / SHARD_CORE_HOURS)
    if shards <= 1 or not n:
        return {"advised": None, "cells": 1, "largest_bytes": int(sparse_bytes), "chosen": chosen}
    finest = cells_of(ra[known], dec[known], _FINEST)
    for order in range(_FINEST + 1):
        counts = np.unique(finest >> 2 * (_FINEST - order), return_counts=True)[1]
        largest = counts.max() / n
        if shards * largest <= 1:
            break
    return {"advised": order, "cells": len(counts), "largest_bytes": int(sparse_bytes * largest), "chosen": chosen}
