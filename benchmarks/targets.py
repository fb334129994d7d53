"""Mode ``targets`` against mode ``full``: time and bytes on a simulated sky, from plain frames and from bzip2.

    python benchmarks/targets.py --fields 6 --galaxies 60

Each build is its MPI program on so many ranks, as its rule runs it; each time is the best of ``--repeat``, and the
two modes take turns. The dense cubes of the two modes are compared byte for byte.
"""

import argparse
import bz2
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cube
import linking

sys.path.insert(0, str(cube.SCRIPTS))

import h5py

from hiss.config.cube import Cube
from hiss.cube.layout import IMAGE_TABLE, TARGETS, ZOOMS, ml_image_data, ml_image_group
from hiss.cube.links import build_links
from hiss.files import write_table
from hiss.sdss.manifest import make_manifest
from hiss.sky.sky import simulate_sky

MODES = ("full", "targets")


@dataclass(frozen=True)
class Built:
    """What a mode cost: seconds of the sparse build, of links and dense build, memory of a rank [MB], bytes."""

    sparse: float
    rest: float
    memory: float
    size: int


def build(raw: Path, out: Path, mode: str, ranks: int) -> Built:
    """Build the whole cube in a mode."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    options = Cube(mode=mode).for_build()
    tables = raw / "catalogue"
    sparse = [
        "--manifest", raw.parent / f"{raw.name}.parquet", "--root", raw, "--rejects", out / "sparse_rejects.parquet",
        "--gal-info", tables / "gal_info_dr7_v5_2.fit", "--gal-totsfr", tables / "gal_totsfr_dr7_v5_2.fits",
        "--output", out / "sparse.h5",
    ]  # fmt: skip
    dense = [
        "--sparse", out / "sparse.h5", "--links", out / "links.h5", "--output", out / "dense.h5",
        "--rejects", out / "dense_rejects.parquet",
    ]  # fmt: skip
    seconds, memory = run("build_sparse.py", ranks, options, out, sparse)
    start = time.perf_counter()
    build_links(out / "sparse.h5", out / "links.h5", 8.4)
    run("build_dense.py", ranks, options, out, dense)
    return Built(seconds, time.perf_counter() - start, memory, (out / "sparse.h5").stat().st_size)


def run(program: str, ranks: int, options: str, out: Path, arguments: Sequence[str | Path]) -> tuple[float, float]:
    """Run one of the cube's programs."""
    head = ["mpirun", "-n", ranks, sys.executable, cube.SCRIPTS / program, "--ranks", ranks]
    return cube.timed([*head, "--settings", options, "--log", out / "log", *arguments])


def demand_same(one: Path, other: Path) -> None:
    """Stop where two dense cubes differ in an array or the targets."""
    names = [TARGETS, *(name for zoom in ZOOMS for name in (ml_image_data(zoom), f"{ml_image_group(zoom)}/errors"))]
    with h5py.File(one / "dense.h5") as first, h5py.File(other / "dense.h5") as second:
        for name in names:
            if first[name][()].tobytes() != second[name][()].tobytes():
                raise SystemExit(f"{name} differs between {one} and {other}")


def measure(folder: Path, raw: Path, packed: str, ranks: int, repeat: int) -> None:
    """Print the lines of one kind of input."""
    write_table(folder / f"{raw.name}.parquet", make_manifest(raw))
    best: dict[str, Built] = {}
    for _ in range(repeat):
        for mode in MODES:
            found = build(raw, folder / mode, mode, ranks)
            if mode not in best or found.sparse + found.rest < best[mode].sparse + best[mode].rest:
                best[mode] = found
    demand_same(folder / "full", folder / "targets")
    with h5py.File(folder / "targets" / "dense.h5") as dense, h5py.File(folder / "targets" / "sparse.h5") as sparse:
        what = f"{len(sparse[IMAGE_TABLE])} {packed} frames, {len(dense[TARGETS])} targets"
    full = best["full"]
    for mode, found in best.items():
        print(
            f"| {what} | {mode} | {found.sparse:.1f} | {found.rest:.1f} | {found.memory:.0f} "
            f"| {found.size / 1e6:.0f} | {found.sparse / full.sparse:.2f} | {found.size / full.size:.4f} |",
            flush=True,
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=6, help="of the simulated sky")
    parser.add_argument("--galaxies", type=int, default=60)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=2)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packed, plain = folder / "packed", folder / "plain"
        others = args.galaxies // 10
        linking.alone(simulate_sky, packed, 1, args.fields, args.galaxies, others, others, args.ranks)
        shutil.copytree(packed, plain, ignore=shutil.ignore_patterns("frame-*"))
        for path in packed.rglob("frame-*.bz2"):
            (plain / path.stem).write_bytes(bz2.decompress(path.read_bytes()))
        print(f"{args.ranks} ranks, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
        print("| sky | mode | sparse s | links and dense s | MB a rank | sparse.h5 MB | time / full | bytes / full |")
        print("|---|---|---|---|---|---|---|---|")
        for raw, kind in ((plain, "plain"), (packed, "bzip2")):
            measure(folder, raw, kind, args.ranks, args.repeat)


if __name__ == "__main__":
    main()
