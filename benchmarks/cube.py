"""The sparse cube's build against decompressing its own input, 1 rank against 2, and a rank's memory.

    python benchmarks/cube.py --sdss ../shared/sdss --copies 4

The frames of a folder (all bzip2) are linked under new field numbers until there are enough. Every ratio is of
two wall-clock times of one run of this program; each time is the best of ``--repeat``.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
SCRIPTS = REPO / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

DECOMPRESS = "import bz2, sys\nfor path in sys.argv[1:]:\n    bz2.decompress(open(path, 'rb').read())"
MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
}


def link_frames(sdss: Path, copies: int, sky: Path) -> list[Path]:
    """Link every frame under so many field numbers, and all spectra."""
    frames = []
    for path in sorted(sdss.rglob("frame-*.fits.bz2")):
        stem, field = path.name.removesuffix(".fits.bz2").rsplit("-", 1)
        for copy in range(copies):
            link = sky / f"{stem}-{int(field) + 1000 * copy:04d}.fits.bz2"
            link.symlink_to(path.resolve())
            frames.append(link)
    for path in sorted(sdss.rglob("spec-*.fits")):
        (sky / path.name).symlink_to(path.resolve())
    return sorted(frames)


def prepare(folder: Path, sdss: Path, copies: int) -> list[Path]:
    """Make the sky, its manifests (with and without frames) and the catalogue."""
    from hiss.files import write_table
    from hiss.sdss.catalogue import catalogue_from_csv, write_sfr_catalogue
    from hiss.sdss.manifest import make_manifest

    sky = folder / "sky"
    sky.mkdir()
    frames = link_frames(sdss, copies, sky)
    catalogue = catalogue_from_csv(next(sdss.rglob("mpajhu_dr7_sfr_*.csv")))
    write_sfr_catalogue(catalogue, folder / "gal_info_dr7_v5_2.fit", folder / "gal_totsfr_dr7_v5_2.fits")
    manifest = make_manifest(sky)
    write_table(folder / "all.parquet", manifest)
    write_table(folder / "spectra.parquet", manifest[manifest["kind"] == "spectrum"])
    return frames


def decompress(frames: list[Path], processes: int) -> None:
    """Decompress the frames with so many processes at once."""
    running = [
        subprocess.Popen([sys.executable, "-c", DECOMPRESS, *map(str, frames[rank::processes])])
        for rank in range(processes)
    ]
    if any(process.wait() for process in running):
        raise SystemExit("decompressing failed")


def cube_options() -> str:
    """Return the config's defaults."""
    from hiss.config.cube import Cube

    return Cube().for_build()


def build(folder: Path, manifest: str, ranks: int) -> None:
    """Build the sparse cube as its rule does."""
    line = [
        "mpirun", "-n", str(ranks), sys.executable, SCRIPTS / "build_sparse.py", "--ranks", str(ranks),
        "--manifest", folder / manifest, "--root", folder / "sky",
        "--gal-info", folder / "gal_info_dr7_v5_2.fit", "--gal-totsfr", folder / "gal_totsfr_dr7_v5_2.fits",
        "--settings", cube_options(), "--output", folder / "sparse.h5",
        "--rejects", folder / "rejects.parquet", "--log", folder / "log",
    ]  # fmt: skip
    subprocess.run([str(part) for part in line], check=True, stderr=subprocess.DEVNULL, env={**os.environ, **MPI})


def processor_time() -> float:
    """Return what all finished children have used [s]."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def best(repeat: int, work: Callable[[], None]) -> tuple[float, float]:
    """Return the shortest wall-clock and processor times [s]; the second bears a busy machine better."""
    times = []
    for _ in range(repeat):
        start, used = time.perf_counter(), processor_time()
        work()
        times.append((time.perf_counter() - start, processor_time() - used))
    return min(wall for wall, _ in times), min(cpu for _, cpu in times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sdss", type=Path, default=Path(os.environ.get("HISS_SDSS", REPO.parent / "shared" / "sdss")))
    parser.add_argument("--copies", type=int, default=4, help="times each frame is used")
    parser.add_argument("--repeat", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frames = prepare(folder, args.sdss, args.copies)
        print(f"{len(frames)} frames, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        whole, net = {}, {}
        for ranks in (1, 2):
            floor, floor_cpu = best(args.repeat, partial(decompress, frames, ranks))
            start, start_cpu = best(args.repeat, partial(build, folder, "spectra.parquet", ranks))
            whole[ranks], cpu = best(args.repeat, partial(build, folder, "all.parquet", ranks))
            net[ranks] = whole[ranks] - start
            print(
                f"{ranks} rank(s): build {whole[ranks]:.1f} s ({start:.1f} s of it start and end), decompression alone "
                f"{floor:.1f} s: {whole[ranks] / floor:.2f} x; without start and end {net[ranks] / floor:.2f} x, "
                f"{(cpu - start_cpu) / floor_cpu:.2f} x in processor time"
            )
        print(f"2 ranks against 1: {whole[1] / whole[2]:.2f} x, {net[1] / net[2]:.2f} x without start and end")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    print(f"peak memory of a rank: {peak:.0f} MB")


if __name__ == "__main__":
    main()
