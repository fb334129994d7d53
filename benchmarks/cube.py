"""The cube's build at survey speed: every number that docs/results.md and the issue of the cube name, in one run.

    python benchmarks/cube.py --sdss ../shared/sdss
    python benchmarks/cube.py --frames 24 1000 --parts sparse      needs 37 GB of disk

Parts: ``sparse`` (this file), ``dense`` (benchmarks/dense.py, with the resampling of spectra) and ``linking``
(benchmarks/linking.py). The real frames are linked under other field numbers until there are enough; copies of the
real spectra get plates of their own. Each time is the best of ``--repeat``. A floor is measured between the builds it
is compared with, by as many processes: plain files are read and the output's bytes written and synced to disk, bzip2
is decompressed and nothing else.
"""

import argparse
import bz2
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
SCRIPTS = REPO / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

import h5py

from hiss.config.cube import Cube
from hiss.files import write_table
from hiss.sdss.catalogue import catalogue_from_csv, write_sfr_catalogue
from hiss.sdss.manifest import make_manifest

MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
}
DECOMPRESS = "import bz2, sys\nfor path in sys.argv[1:]:\n    bz2.decompress(open(path, 'rb').read())"
READ_AND_WRITE = """
import os, sys
output, size, *paths = sys.argv[1:]
for path in paths:
    with open(path, 'rb') as stream:
        stream.read()
block = bytes(2**24)
with open(output, 'wb', buffering=0) as stream:
    for start in range(0, int(size), len(block)):
        stream.write(block[: int(size) - start])
    os.fsync(stream.fileno())
"""
FRAME_BYTES = 33_400_000  # of one frame at every zoom
OUTPUT = "sparse.h5"
PARTS = ["sparse", "dense", "linking"]


@dataclass(frozen=True)
class Sky:
    """A folder of raw files with its manifests: of all files, and of one frame."""

    folder: Path
    frames: list[Path]
    files: list[Path]


def make_sky(folder: Path, pool: Sequence[Path], spectra: Sequence[Path], n_frames: int, n_spectra: int) -> Sky:
    """Link frames under so many names and copy so many spectra; write the manifests."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    frames, copies = [], []
    for number in range(n_frames):
        source = pool[number % len(pool)]
        stem, field, suffix = re.fullmatch(r"(.*)-(\d{4})(\.fits.*)", source.name).groups()
        frames.append(raw / f"{stem}-{(int(field) + 7 * (number // len(pool))) % 10000:04d}{suffix}")
        frames[-1].symlink_to(source.resolve())
    for number in range(n_spectra):
        source = spectra[number % len(spectra)]
        plate, rest = int(source.name[5:9]), source.name[9:]
        content = source.read_bytes()
        if number >= len(spectra):
            plate = 4100 + number // len(spectra) if plate > 3500 else 1000 + 10 * (number // len(spectra)) + plate % 7
            start = content.index(b"PLATEID =")
            content = content[:start] + f"PLATEID = {plate:20d}".ljust(80).encode() + content[start + 80 :]
        copies.append(raw / f"spec-{plate:04d}{rest}")
        copies[-1].write_bytes(content)
    manifest = make_manifest(raw)
    write_table(folder / "all.parquet", manifest)
    write_table(folder / "one.parquet", manifest[manifest["kind"] == "frame"][:1])
    return Sky(folder, frames, sorted({*frames, *copies}))


def timed(line: Sequence[str | Path | int]) -> tuple[float, float]:
    """Run a program to its end; return wall-clock seconds and the largest memory of one of its processes [MB]."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in line], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env={**os.environ, **MPI}
    )
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(map(str, line))}")
    return seconds, used.ru_maxrss * 1024 / 1e6


def build(sky: Sky, tables: Path, manifest: str, ranks: int, options: str) -> tuple[float, float]:
    """Build the sparse cube as its rule does; return seconds and the memory of a rank [MB]."""
    return timed(
        [
            "mpirun", "-n", ranks, sys.executable, SCRIPTS / "build_sparse.py", "--ranks", ranks,
            "--manifest", sky.folder / manifest, "--root", sky.folder / "raw",
            "--gal-info", tables / "gal_info_dr7_v5_2.fit", "--gal-totsfr", tables / "gal_totsfr_dr7_v5_2.fits",
            "--settings", options, "--output", sky.folder / OUTPUT,
            "--rejects", sky.folder / "rejects.parquet", "--log", sky.folder / "log",
        ]
    )  # fmt: skip


def floor(sky: Sky, packed: bool, processes: int, size: int) -> float:
    """Return the seconds that so many processes need to decompress, or to read the input and write the output."""
    shares = [(sky.frames if packed else sky.files)[rank::processes] for rank in range(processes)]
    outputs = [sky.folder / f"floor{rank}" for rank in range(processes)]
    heads: list[list[str | Path]] = [
        [DECOMPRESS] if packed else [READ_AND_WRITE, output, str(size // processes)] for output in outputs
    ]
    start = time.perf_counter()
    running = [
        subprocess.Popen([sys.executable, "-I", "-S", "-c", *map(str, [*head, *share])])
        for head, share in zip(heads, shares, strict=True)
    ]
    if any(process.wait() for process in running):
        raise SystemExit("the floor could not be measured")
    seconds = time.perf_counter() - start
    for output in outputs:
        output.unlink(missing_ok=True)
    return seconds


def measure(sky: Sky, tables: Path, packed: bool, ranks: int, repeat: int) -> tuple[float, float, str]:
    """Return the best build, the best one without start and end, and a line of the table."""
    options = Cube().for_build()
    whole, ends, floors, memory = [], [], [], 0.0
    for _ in range(repeat):
        seconds, used = build(sky, tables, "all.parquet", ranks, options)
        whole.append(seconds)
        memory = max(memory, used)
        size = (sky.folder / OUTPUT).stat().st_size
        (sky.folder / OUTPUT).unlink()
        floors.append(floor(sky, packed, ranks, size))
        ends.append(build(sky, tables, "one.parquet", ranks, options)[0])
    best, end, least = min(whole), min(ends), min(floors)
    line = (
        f"| {'bzip2' if packed else 'plain'} | {len(sky.frames)} | {ranks} | {best:.1f} | {end:.1f} | {least:.1f} | "
        f"{best / least:.2f} | {(best - end) / least:.2f} | {memory:.0f} |"
    )
    return best, best - end, line


def measure_sizes(sky: Sky, tables: Path) -> None:
    """Print the apparent and the true size of files with and without compression against their arrays' bytes."""
    print(
        f"\nSize of {OUTPUT}, {len(sky.frames)} frames and {len(sky.files) - len(sky.frames)} spectra:\n\n"
        "| options | arrays [MB] | apparent size / arrays | true size / arrays | build, 2 ranks [s] |\n"
        "|---|---|---|---|---|"
    )
    for compression, bits in ((None, None), ("gzip", None), ("lzf", None), ("gzip", 10), ("lzf", 10)):
        options = Cube(compression=compression, mantissa_bits=bits).for_build()
        seconds, _ = build(sky, tables, "all.parquet", 2, options)
        state = (sky.folder / OUTPUT).stat()
        arrays = array_bytes(sky.folder / OUTPUT)
        named = f"{compression or 'none'}{f', {bits} bits of mantissa' if bits else ''}"
        apparent, true = state.st_size / arrays, state.st_blocks * 512 / arrays
        print(f"| {named} | {arrays / 1e6:.0f} | {apparent:.3f} | {true:.3f} | {seconds:.1f} |", flush=True)


def array_bytes(path: Path) -> int:
    """Return the bytes of flux and sigma in a cube."""
    sizes: list[int] = []

    def note(name: str, item: h5py.HLObject) -> None:
        if name.endswith(("/data", "/errors")):
            sizes.append(item.nbytes)

    with h5py.File(path) as file:
        file.visititems(note)
    return sum(sizes)


def measure_sparse(folder: Path, args: argparse.Namespace) -> None:
    """Print the tables of the sparse build."""
    packed_pool = sorted(args.sdss.rglob("frame-*.fits.bz2"))
    spectra = sorted(args.sdss.rglob("spec-*.fits"))
    plain_pool = []
    (folder / "pool").mkdir()
    for path in packed_pool:
        plain_pool.append(folder / "pool" / path.stem)
        plain_pool[-1].write_bytes(bz2.decompress(path.read_bytes()))
    catalogue = catalogue_from_csv(next(args.sdss.rglob("mpajhu_dr7_sfr_*.csv")))
    write_sfr_catalogue(catalogue, folder / "gal_info_dr7_v5_2.fit", folder / "gal_totsfr_dr7_v5_2.fits")
    print(
        f"Sparse cube, {args.spectra} spectra beside the frames, load {os.getloadavg()[0]:.1f} on "
        f"{os.cpu_count()} cores:\n\n"
        "| input | frames | ranks | build [s] | of it start and end | floor [s] | build / floor "
        "| without start and end | MB a rank |\n|---|---|---|---|---|---|---|---|---|"
    )
    cases = [(False, n) for n in args.frames] + [(True, n) for n in args.packed_frames]
    gains = []
    for packed, n in cases:
        need = int(2.2 * n * FRAME_BYTES)  # a cube and the floor's file
        if (free := shutil.disk_usage(folder).free) < need:
            print(
                f"| {n} frames left out: {need / 1e9:.0f} GB are needed, {free / 1e9:.0f} are free ||||||||", flush=True
            )
            continue
        sky = make_sky(folder / f"{packed}{n}", packed_pool if packed else plain_pool, spectra, n, args.spectra)
        best: dict[int, tuple[float, float]] = {}
        for ranks in args.ranks:
            *best[ranks], line = measure(sky, folder, packed, ranks, args.repeat)
            print(line, flush=True)
        if {1, 2} <= best.keys():
            whole, net = (one / two for one, two in zip(best[1], best[2], strict=True))
            gains.append(f"{n} {'bzip2' if packed else 'plain'} frames {whole:.2f} ({net:.2f})")
        shutil.rmtree(sky.folder)
    if gains:
        print(f"\n1 rank's time over that of 2 (without start and end): {', '.join(gains)}")
    n = min([24, *args.frames])
    measure_sizes(make_sky(folder / "sizes", plain_pool, spectra, n, args.spectra), folder)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sdss", type=Path, default=Path(os.environ.get("HISS_SDSS", REPO.parent / "shared" / "sdss")))
    parser.add_argument(
        "--parts", nargs="+", choices=["sparse", "dense", "linking"], default=["sparse", "dense", "linking"]
    )
    parser.add_argument("--frames", type=int, nargs="*", default=[10, 24, 100], help="numbers of plain frames")
    parser.add_argument("--packed-frames", type=int, nargs="*", default=[24, 48], help="numbers of bzip2 frames")
    parser.add_argument("--spectra", type=int, default=100)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--targets", type=int, nargs="+", default=[1000, 10000, 100000], help="of the dense part")
    args = parser.parse_args(argv)
    if "sparse" in args.parts:
        with tempfile.TemporaryDirectory() as name:
            measure_sparse(Path(name), args)
    if "dense" in args.parts:
        import dense

        print(flush=True)
        dense.main(["--targets", *map(str, args.targets)])
    if "linking" in args.parts:
        import linking

        print(flush=True)
        linking.main([])


if __name__ == "__main__":
    main()
