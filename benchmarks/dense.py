"""The dense cube's build against one sequential read and write of its bytes, at several numbers of targets.

    python benchmarks/dense.py --targets 1000 10000 100000

The sparse cube is made here, without FITS: noise in a pool of frames that the targets of many fields share, so that a
disk that holds the dense cube holds the benchmark. Its frames are in the page cache, and so is what the floor reads.
Every fourth target has a second epoch, every twentieth a second spectrum. Every ratio is of two wall-clock times of
one run of this program.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
SCRIPTS = REPO / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

import h5py
import numpy as np

from hiss.bands import BANDS, CUTOUT_SIZE, FRAME_SHAPE, PIXEL_SCALE
from hiss.config.cube import Cube
from hiss.cube.layout import (
    COVERAGE,
    IMAGE_TABLE,
    IMAGE_TABLE_DTYPE,
    REFERENCE_DTYPE,
    SPECTRA_STAR_FORMATION_RATES,
    SPECTRUM_TABLE,
    SPECTRUM_TABLE_DTYPE,
    WCS_DTYPE,
    ZOOMS,
    cutout_size,
    images_group,
    spectra_group,
    spectrum_size,
)
from hiss.cube.links import create_references
from hiss.cube.rebin import rebin_spectra
from hiss.cube.shared import create_shared
from hiss.provenance import digest
from hiss.sdss.catalogue import SFR_COLUMNS

MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
}
RECORD = {"made by": "benchmarks/dense.py"}
FIELDS = 4  # of the pool; each has two epochs of five bands
WIDTH = 2 * len(BANDS)  # references of a spectrum
CUTOUT = 2 * 4 * CUTOUT_SIZE**2  # bytes of flux and sigma
SPECTRUM = sum(2 * 4 * spectrum_size(zoom) for zoom in ZOOMS)
TARGET = SPECTRUM + sum(2 * 4 * len(BANDS) * cutout_size(zoom) ** 2 for zoom in ZOOMS)
RESAMPLED = 10_000  # spectra
BLOCK = 2**24  # bytes


def make_cube(folder: Path, n: int, a_field: int, compression: str | None) -> int:
    """Write ``sparse.h5`` and ``links.h5`` of so many targets; return the bytes that their stacks are made of."""
    rng = np.random.default_rng(1)
    label = np.arange(n) + np.arange(n) // 20  # rows of the label spectra; a repeat follows every twentieth
    n_spectra = n + n // 20
    target = np.searchsorted(label, np.arange(n_spectra), side="right") - 1
    with h5py.File(folder / "sparse.h5", "w") as file:
        file.attrs["provenance"] = json.dumps(RECORD)
        _write_frames(file, rng, compression)
        _write_spectra(file, rng, target)
    references = _references(label, n_spectra, a_field)
    with h5py.File(folder / "links.h5", "w") as file:
        file.attrs["provenance"] = json.dumps({"inputs": {"sparse": digest(RECORD)}})
        file[COVERAGE] = np.full((n_spectra, len(BANDS)), 2, np.int8)
        create_references(file, f"{spectra_group(0)}/image_cutouts_data", references.shape)[:] = references
    used = int((references["ds_path"][label] != b"").sum())
    return used * CUTOUT + n_spectra * SPECTRUM


def _write_frames(file: h5py.File, rng: np.random.Generator, compression: str | None) -> None:
    n = FIELDS * WIDTH
    table, wcs = np.zeros(n, IMAGE_TABLE_DTYPE), np.zeros(n, WCS_DTYPE)
    number = np.arange(n)
    table["run"], table["field"] = number // len(BANDS) % 2, number // WIDTH
    table["band"] = np.array([band.encode() for band in BANDS])[number % len(BANDS)]
    table["background_sigma"] = 1 + table["run"]
    wcs["NAXIS2"], wcs["NAXIS1"] = FRAME_SHAPE
    wcs["CD1_1"] = wcs["CD2_2"] = PIXEL_SCALE / 3600
    wcs["CTYPE1"], wcs["CTYPE2"] = b"RA---TAN", b"DEC--TAN"
    file[IMAGE_TABLE], file[f"{images_group(0)}/wcs"] = table, wcs
    chunk = (1, 128 if compression else FRAME_SHAPE[0], FRAME_SHAPE[1])
    for name in ("data", "errors"):
        dataset = create_shared(file, f"{images_group(0)}/{name}", (n, *FRAME_SHAPE), "<f4", chunk, compression)
        for row in range(n):
            noise = rng.standard_normal(FRAME_SHAPE, np.float32)
            dataset[row] = noise if name == "data" else 1 + noise**2 / 100


def _write_spectra(file: h5py.File, rng: np.random.Generator, target: np.ndarray) -> None:
    n = len(target)
    table = np.zeros(n, SPECTRUM_TABLE_DTYPE)
    side = int(np.sqrt(target[-1])) + 1
    table["ra"], table["dec"] = target % side * 10 / 3600, target // side * 10 / 3600
    table["plate"], table["fiber_arcsec"], table["sn_median"] = np.arange(n), 3, 10
    rates = np.zeros(n, [("plate", "<i8"), ("has_sfr", "?"), *((name, "<f8") for name in SFR_COLUMNS)])
    file[SPECTRUM_TABLE], file[SPECTRA_STAR_FORMATION_RATES] = table, rates
    for zoom in ZOOMS:
        size = spectrum_size(zoom)
        noise = rng.standard_normal((64, size), np.float32)
        for name, rows in (("data", noise), ("errors", 1 + noise**2 / 100)):
            dataset = create_shared(file, f"{spectra_group(zoom)}/{name}", (n, size), "<f4", (64, size))
            for first in range(0, n, len(rows)):
                dataset[first : first + len(rows)] = rows[: n - first]


def _references(label: np.ndarray, n_spectra: int, a_field: int) -> np.ndarray:
    """Give each label spectrum a window in five bands, every fourth one two, somewhere in its field."""
    rng = np.random.default_rng(2)
    references = np.zeros((n_spectra, WIDTH), REFERENCE_DTYPE)
    band, epoch = np.arange(WIDTH) // 2, np.arange(WIDTH) % 2
    mine = np.zeros((len(label), WIDTH), REFERENCE_DTYPE)
    mine["ds_path"] = f"/{images_group(0)}/data".encode()
    mine["ds_slice_idx"] = (np.arange(len(label)) // a_field % FIELDS)[:, None] * WIDTH + epoch * len(BANDS) + band
    for name, length in (("x", FRAME_SHAPE[0]), ("y", FRAME_SHAPE[1])):
        mine[f"{name}_min"] = rng.integers(0, length - CUTOUT_SIZE, (len(label), 1))
        mine[f"{name}_max"] = mine[f"{name}_min"] + CUTOUT_SIZE
    mine[(np.arange(len(label)) % 4 > 0)[:, None] & (epoch == 1)] = np.zeros((), REFERENCE_DTYPE)
    # A row's references stand at its beginning.
    order = np.argsort(mine["ds_path"] == b"", axis=1, kind="stable")
    references[label] = np.take_along_axis(mine, order, axis=1)
    return references


def floor(folder: Path, read: int, written: int) -> float:
    """Return how long one sequential read and write of so many bytes takes [s], the write down to the disk."""
    source, output = folder / "floor_in", folder / "floor_out"
    block = np.random.default_rng(3).bytes(BLOCK)
    with source.open("wb") as stream:
        for place in range(0, read, BLOCK):
            stream.write(block[: read - place])
    buffer = memoryview(bytearray(BLOCK))
    start = time.perf_counter()
    with source.open("rb", buffering=0) as stream:
        while stream.readinto(buffer):
            pass
    with output.open("wb", buffering=0) as stream:
        for place in range(0, written, BLOCK):
            stream.write(buffer[: written - place])
        os.fsync(stream.fileno())
    taken = time.perf_counter() - start
    source.unlink()
    output.unlink()
    return taken


def build(folder: Path, ranks: int, compression: str | None) -> tuple[float, float, float]:
    """Build the dense cube as its rule does; return its time, its processor time [s] and a rank's peak memory [MB]."""
    options = Cube.model_validate({"compression": compression}).for_build()
    line = [
        "mpirun", "-n", str(ranks), sys.executable, SCRIPTS / "build_dense.py", "--ranks", str(ranks),
        "--sparse", folder / "sparse.h5", "--links", folder / "links.h5", "--settings", options,
        "--output", folder / "dense.h5", "--rejects", folder / "rejects.parquet", "--log", folder / "log",
    ]  # fmt: skip
    start = time.perf_counter()
    with (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen([str(part) for part in line], stderr=stderr, env={**os.environ, **MPI})
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit((folder / "stderr").read_text())
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


def resample(n: int) -> float:
    """Return how long it takes to resample so many spectra to four zooms on one core [s]."""
    loglam = np.arange(35805, 39640) / 1e4
    rng = np.random.default_rng(4)
    batch = [(loglam, flux, np.ones_like(flux)) for flux in rng.standard_normal((64, len(loglam)), np.float32)]
    rebin_spectra(batch)
    start = time.perf_counter()
    for first in range(0, n, len(batch)):
        rebin_spectra(batch[: n - first])
    return time.perf_counter() - start


def measure(folder: Path, n: int, args: argparse.Namespace, empty: tuple[float, float]) -> str:
    """Measure one number of targets; return a row of the table."""
    read = make_cube(folder, n, args.targets_a_field, args.compression)
    before = floor(folder, read, n * TARGET)
    taken, processor, memory = build(folder, args.ranks, args.compression)
    size = (folder / "dense.h5").stat().st_size
    (folder / "dense.h5").unlink()
    least = (before + floor(folder, read, n * TARGET)) / 2
    net, busy = taken - empty[0], processor - empty[1]
    return (
        f"| {n} | {taken:.1f} | {1e3 * net / n:.2f} | {1e3 * busy / n:.2f} | {least:.1f} | {taken / least:.2f} | "
        f"{net / least:.2f} | {memory:.0f} | {size / (n * TARGET):.3f} |"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, nargs="+", default=[1000, 10000, 100000])
    parser.add_argument("--targets-a-field", type=int, default=25)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--compression", choices=["gzip", "lzf"])
    args = parser.parse_args(argv)
    print(f"{RESAMPLED} spectra resampled to four zooms on one core: {resample(RESAMPLED):.1f} s\n")
    print(f"Dense cube on {args.ranks} rank(s), {args.compression or 'not compressed'}:\n")
    print("| targets | build [s] | net [ms each] | of a core | floor [s] | build / floor | net / floor | MB | size |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_cube(folder, 1, 1, args.compression)
        empty = build(folder, args.ranks, args.compression)[:2]
        for n in args.targets:
            # the spectra, and beside them the floor's two files, which are no smaller than the dense cube
            need = int(n * (1.1 * SPECTRUM + 2.1 * TARGET)) + 10**9 * FIELDS // 2
            if (free := shutil.disk_usage(folder).free) < need:
                print(
                    f"\n{n} targets are left out: they need {need / 1e9:.0f} GB in {folder}, {free / 1e9:.0f} are free"
                )
                continue
            print(measure(folder, n, args, empty), flush=True)
    print(f"\nnet: without the {empty[0]:.1f} s that a cube of one target takes; of a core: processor time of the same")
    print("floor: the mean of one before and one after the build; size: of the file over that of its data")


if __name__ == "__main__":
    main()
