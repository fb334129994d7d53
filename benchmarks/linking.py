"""Linking at the survey's scale: time, memory and the floor, at several numbers of spectra.

    python benchmarks/linking.py --spectra 10000 100000 --frames 10000

The frames are laid out as SDSS's: overlapping fields in five bands, with so many epochs, no pixels. The floor is to
pack and write the same tables, ready in memory, once. Every ratio is of two wall-clock times of one run of this
program; each number of spectra runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO / "workflow" / "scripts"))

import h5py
import numpy as np

from hiss.bands import BANDS, FRAME_SHAPE, PIXEL_SCALE
from hiss.cube.layout import (
    IMAGE_TABLE,
    IMAGE_TABLE_DTYPE,
    SPECTRUM_TABLE,
    SPECTRUM_TABLE_DTYPE,
    WCS_DTYPE,
    images_group,
)
from hiss.cube.links import build_links, create_references

T = TypeVar("T")

RADIUS = 8.4
OVERLAP = 0.9  # of a field's sides, to the next field


@dataclass(frozen=True)
class Measured:
    """One run: seconds of linking and of its floor, peak memory [MB] and size of links.h5 [MB]."""

    seconds: float
    floor: float
    memory: float
    size: float


def make_sparse(path: Path, n_spectra: int, n_frames: int, epochs: int) -> None:
    """Write what linking reads of a sparse cube: frames of fields on a square, spectra anywhere in it."""
    width, height = (OVERLAP * length * PIXEL_SCALE / 3600 for length in FRAME_SHAPE)
    pointings = max(n_frames // len(BANDS) // epochs, 1)
    across = int(np.ceil(np.sqrt(pointings)))
    field = np.arange(n_frames) // len(BANDS) % pointings
    images, wcs = np.zeros(n_frames, IMAGE_TABLE_DTYPE), np.zeros(n_frames, WCS_DTYPE)
    images["ra"], images["dec"] = 10 + field % across * width, -5 + field // across * height
    images["band"] = np.resize([band.encode() for band in BANDS], n_frames)
    images["tai"] = np.arange(n_frames)
    wcs["NAXIS1"], wcs["NAXIS2"], wcs["CRPIX1"], wcs["CRPIX2"] = FRAME_SHAPE[1], FRAME_SHAPE[0], 1025, 745
    wcs["CD1_2"] = wcs["CD2_1"] = PIXEL_SCALE / 3600  # as SDSS's: rows run east, columns north
    wcs["CRVAL1"], wcs["CRVAL2"], wcs["CTYPE1"], wcs["CTYPE2"] = images["ra"], images["dec"], b"RA---TAN", b"DEC--TAN"
    rng = np.random.default_rng(1)
    spectra = np.zeros(n_spectra, SPECTRUM_TABLE_DTYPE)
    near = np.sort(rng.integers(0, pointings, n_spectra))  # in order of the sky, as rows of a cube are
    spectra["ra"] = 10 + (near % across + rng.uniform(-0.5, 0.5, n_spectra)) * width
    spectra["dec"] = -5 + (near // across + rng.uniform(-0.5, 0.5, n_spectra)) * height
    with h5py.File(path, "w") as file:
        file.attrs["provenance"] = "{}"
        file[IMAGE_TABLE], file[SPECTRUM_TABLE], file[f"{images_group(0)}/wcs"] = images, spectra, wcs


def pack_again(path: Path, output: Path) -> float:
    """Return how long it takes to pack and write the tables of a links.h5 once more, out of memory [s]."""
    seconds = 0.0
    with h5py.File(path) as links, h5py.File(output, "w") as file:
        tables: list[str] = []
        links.visititems(lambda name, item: tables.append(name) if "image_cutouts" in name else None)
        for name in tables:
            copy = create_references(file, name, links[name].shape)
            for first in range(0, len(copy), 1024):
                rows = links[name][first : first + 1024]
                start = time.perf_counter()
                copy[first : first + 1024] = rows
                seconds += time.perf_counter() - start
    return seconds


def measure(folder: Path) -> Measured:
    """Link the spectra of a folder's cube, in this process."""
    start = time.perf_counter()
    build_links(folder / "sparse.h5", folder / "links.h5", RADIUS)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    size = (folder / "links.h5").stat().st_size / 1e6
    return Measured(seconds, pack_again(folder / "links.h5", folder / "again.h5"), memory, size)


def alone(work: Callable[..., T], *arguments: Any) -> T:
    """Return what a function returns in a process of its own; the peak memory of a process counts its parent's too."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spectra", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=1, help="of each field")
    args = parser.parse_args(argv)
    print(f"{args.frames} frames, epochs: {args.epochs}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| spectra | linked in s | times packing and writing the tables | peak memory MB | links.h5 MB |")
    print("|---|---|---|---|---|")
    for n_spectra in args.spectra:
        with tempfile.TemporaryDirectory() as folder:
            alone(make_sparse, Path(folder) / "sparse.h5", n_spectra, args.frames, args.epochs)
            found = alone(measure, Path(folder))
        ratio = found.seconds / found.floor
        print(
            f"| {n_spectra} | {found.seconds:.1f} | {ratio:.2f} | {found.memory:.0f} | {found.size:.1f} |", flush=True
        )


if __name__ == "__main__":
    main()
