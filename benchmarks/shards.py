"""What shards cost beside building them: planning 1,000, planning their jobs, stitching them and reading through them.

    python benchmarks/shards.py
    python benchmarks/shards.py --parts plan --files 1000000

Parts: ``plan`` (a synthetic manifest, half frames), ``stitch`` (copies of one small shard, whose arrays are cut to a
few columns: what is stitched is rows) and ``jobs`` (dry runs of Snakemake, to 3 jobs a shard). Prints a table.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
sys.path.insert(0, str(REPO / "workflow" / "scripts"))

import h5py
import numpy as np
import pandas as pd
from astropy_healpix import HEALPix

from hiss.bands import BANDS
from hiss.config.cube import Cube
from hiss.cube.comm import Alone
from hiss.cube.dense import build_dense
from hiss.cube.intact import SUFFIX, row_checksums, verify
from hiss.cube.layout import IMAGE_TABLE, SPECTRUM_TABLE, TARGETS, images_group, ml_spectrum_data
from hiss.cube.links import build_links
from hiss.cube.options import Options
from hiss.cube.order import ORDER, fine_cells
from hiss.cube.shard_files import write_shards
from hiss.cube.shards import field_centers, plan_shards
from hiss.cube.sparse import SparseInputs, build_sparse
from hiss.cube.stitch import shards_of, stitch_dense, stitch_links, stitch_sparse
from hiss.files import write_table
from hiss.sdss.catalogue import read_sfr_catalogue, write_sfr_catalogue
from hiss.sdss.manifest import COLUMNS, make_manifest
from hiss.sky.sky import simulate_sky

PARTS = ["plan", "stitch", "jobs"]
SQUARE_DEGREES = 3368  # of the synthetic sky: 1,000 cells of order 5
COPIED = ("Snakefile", "rules", "envs", "config", "workflow", "profiles", "requirements.lock", "CITATION.cff")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print a row of the table: what was done and how long it took."""
    start = time.perf_counter()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"| {what} | {time.perf_counter() - start:.2f} | {peak:.0f} |", flush=True)


def synthetic_manifest(files: int) -> pd.DataFrame:
    """Return a manifest of so many files, half of them frames: strips of fields, spectra anywhere among them."""
    rng = np.random.default_rng(1)
    fields, spectra = files // 10, files // 2
    strips = max(int(np.sqrt(fields / 4)), 1)
    strip, field = np.arange(fields) % strips, np.arange(fields) // strips
    ra, dec = 120 + 120 * field / (field.max() + 1), 30 * strip / strips
    frames = pd.DataFrame({"run": 1 + strip // 6, "camcol": 1 + strip % 6, "field": field, "ra": ra, "dec": dec})
    frames = frames.loc[frames.index.repeat(len(BANDS))].assign(kind="frame", band=list(BANDS) * fields)
    ids = frames[["band", "run", "camcol", "field"]].astype(str)
    frames["path"] = ids["band"].str.cat(ids[["run", "camcol", "field"]], "-")
    number = np.arange(spectra)
    sky = {"ra": rng.uniform(120, 240, spectra), "dec": np.degrees(np.arcsin(rng.uniform(0, 0.5, spectra)))}
    listed = pd.DataFrame({"plate": number // 640, "mjd": 52000, "fiber": number % 640, "kind": "spectrum", **sky})
    listed["path"] = "spec-" + pd.Series(number).astype(str)
    manifest = pd.concat([frames, listed], ignore_index=True).reindex(columns=COLUMNS)
    manifest = manifest.assign(size=3_000_000, sha256="0" * 64)
    return manifest.astype(dict.fromkeys(["run", "camcol", "field", "plate", "mjd", "fiber"], "Int64"))


def plan(folder: Path, files: int, shards: int) -> None:
    """Plan and write shards of a synthetic sky, twice."""
    order = round(np.log2(np.sqrt(shards * 41253 / SQUARE_DEGREES / 12)))
    manifest = synthetic_manifest(files)
    spectra = manifest.loc[manifest["kind"] == "spectrum", ["plate", "mjd", "fiber"]].astype("int64")
    with timed(f"centres of {manifest['field'].notna().sum() // 5:,} fields that the manifest knows"):
        fields = field_centers(manifest, folder)
    with timed(f"{files:,} files cut into cells of order {order}"):
        cut = plan_shards(manifest, fields, order, 1.5)
    copies = (cut.table["frames"].sum() + cut.table["borrowed"].sum()) / cut.table["frames"].sum()
    with timed(f"{len(cut.table):,} shards written ({copies:.2f} copies of a frame)"):
        write_shards(folder / "shards", cut, spectra)
    with timed("the same again, nothing being new"):
        write_shards(folder / "shards", cut, spectra)


def template(folder: Path) -> Path:
    """Build one small shard, and cut its arrays to two columns."""
    simulate_sky(folder / "raw", seed=5, fields=1, n_galaxies=14, n_stars=2, n_quasars=2)
    write_table(folder / "manifest.parquet", make_manifest(folder / "raw"))
    options = Options.of(json.loads(Cube().for_build()))
    sparse, links, dense = (folder / f"{part}.h5" for part in ("sparse", "links", "dense"))
    inputs = SparseInputs(folder / "manifest.parquet", folder / "raw", *rates(folder / "raw" / "catalogue"))
    build_sparse(Alone(), inputs, options, sparse, folder / "sparse_rejects.parquet")
    build_links(sparse, links, options.link_radius_arcmin)
    build_dense(Alone(), sparse, links, options, dense, folder / "dense_rejects.parquet")
    for path in (sparse, dense):
        small = path.with_suffix(".small")
        with h5py.File(path) as source, h5py.File(small, "w") as copy:
            shrink(source, copy)
        small.replace(path)
    return folder


def rates(folder: Path) -> tuple[Path, Path]:
    """Return the paths of the two tables of the catalogue in a folder."""
    return folder / "gal_info_dr7_v5_2.fit", folder / "gal_totsfr_dr7_v5_2.fits"


def shrink(source: h5py.File, copy: h5py.File) -> None:
    """Copy a file with two columns of each large array, and row checksums of those."""
    names: list[str] = []
    source.visititems(lambda name, item: names.append(name))
    copy.attrs.update(dict(source.attrs.items()))
    for name in names:
        item = source[name]
        if isinstance(item, h5py.Group):
            copy.require_group(name)
        elif item.dtype == "f4" and item.ndim > 1:
            copy.create_dataset(
                name, data=item[(..., *[slice(2)] * (item.ndim - 1))] if item.ndim < 3 else item[:, :2, :2]
            )
            copy[f"{name}{SUFFIX}"] = row_checksums(copy[name][:])
        elif not name.endswith(SUFFIX):
            copy.create_dataset(name, data=item[()])


def multiply(folder: Path, shards: int) -> list[Path]:
    """Make copies of the small shard under other plates, runs and places on the sky."""
    found = []
    for number in range(shards):
        shard = folder / "shards" / f"5-{number}"
        shard.mkdir(parents=True)
        for part in ("sparse", "links", "dense"):
            shutil.copy(folder / f"{part}.h5", shard)
        with h5py.File(shard / "sparse.h5", "r+") as file:
            for table, field in ((IMAGE_TABLE, "run"), (SPECTRUM_TABLE, "plate")):
                records = file[table][:]
                records[field] += 10_000 * number
                records["ra"], records["dec"] = moved(records["ra"], records["dec"], number)
                if "objid" in records.dtype.names:
                    records["objid"] = 0
                file[table][:] = records
        found.append(shard / "sparse.h5")
    return found


def moved(ra: np.ndarray, dec: np.ndarray, cell: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions at the same places of another cell of order 5: their order stays what it is."""
    within = fine_cells(ra, dec) % 4 ** (ORDER - 5)
    lon, lat = HEALPix(2**ORDER, "nested").healpix_to_lonlat(within + cell * 4 ** (ORDER - 5))
    return lon.deg, lat.deg


def stitch(folder: Path, shards: int) -> None:
    """Stitch copies of a small shard and read through them."""
    template(folder)
    with timed(f"{shards:,} small shards made"):
        pieces = shards_of(multiply(folder, shards))
    sparse, links, dense = (folder / "all" / f"{part}.h5" for part in ("sparse", "links", "dense"))
    for shard in pieces:
        shard_folder = folder / "all" / "shards"
        shard_folder.mkdir(parents=True, exist_ok=True)
        shard.folder.rename(shard_folder / shard.name)
    pieces = shards_of(folder / "all" / "shards" / shard.name / "sparse.h5" for shard in pieces)
    with timed("sparse.h5 stitched"):
        stitch_sparse(pieces, *rates(folder / "raw" / "catalogue"), sparse)
    with timed("links.h5 stitched"):
        stitch_links(pieces, sparse, links)
    with timed("dense.h5 stitched"):
        stitch_dense(pieces, sparse, links, dense)
    read(sparse, f"{images_group(0)}/data")
    read(dense, ml_spectrum_data(0))
    with timed("all three verified: every row read again"):
        for path in (sparse, links, dense):
            verify(path)
    with h5py.File(dense) as file:
        print(f"\n{len(file[TARGETS]):,} targets, {dense.stat().st_size / 1e6:.1f} MB dense.h5", flush=True)


def read(path: Path, name: str) -> None:
    """Open an array of a stitched file, read one row and read all of it."""
    with h5py.File(path) as file:
        mappings = len(file[name].virtual_sources())
    with timed(f"{name}: {mappings:,} mappings opened and one row read"), h5py.File(path) as file:
        file[name][0]
    with timed("all of it in batches of 1,000 rows"), h5py.File(path) as file:
        for first in range(0, len(file[name]), 1000):
            file[name][first : first + 1000]


def jobs(folder: Path, shards: int) -> None:
    """Time dry runs of the cube in shards: nothing built, and all built."""
    for part in COPIED:
        copy: Any = shutil.copytree if (REPO / part).is_dir() else shutil.copy2
        copy(REPO / part, folder / part)
    raw, results = folder / "raw", folder / "results" / "bench"
    (raw / "catalogue").mkdir(parents=True)
    manifest = synthetic_manifest(1000)
    write_sfr_catalogue(pd.DataFrame({"plate": [1], "mjd": [1], "fiber": [1]}), *rates(raw / "catalogue"))
    config = {
        "results": "results/bench",
        "sky": {"source": "local", "local": {"path": "raw"}},
        "cube": {"shard_order": 5},
        "experiments": None,
    }
    (folder / "config" / "bench.json").write_text(json.dumps(config))
    write_table(results / "sky" / "manifest.parquet", manifest)
    write_table(results / "sky" / "set_aside.parquet", pd.DataFrame({"path": []}))
    catalogue = read_sfr_catalogue(*rates(raw / "catalogue"))
    cut = plan_shards(manifest, field_centers(manifest, raw), 5, 1.5)
    names = [f"5-{number}" for number in range(shards)]
    (one,) = list(cut.manifests.values())[:1]
    table = pd.concat([cut.table[:1]] * shards, ignore_index=True).assign(shard=names, cell=range(shards))
    listed = type(cut)(5, table, dict.fromkeys(names, one))
    write_shards(results / "cube" / "shards", listed, catalogue)
    write_table(results / "cube" / "shards" / "shards.csv", table)
    dry_run(folder, f"dry run, {3 * shards:,} jobs of shards to do")
    built = ("sparse.h5", "links.h5", "dense.h5", "sparse_rejects.parquet", "dense_rejects.parquet")
    for file in built:
        for name in names:
            (results / "cube" / "shards" / name / file).touch()
        time.sleep(0.02)
    for file in ("sparse.h5", "links.h5", "dense.h5", "rejects.parquet", "hiss_cube.h5", "accounts.json"):
        (results / "cube" / file).touch()
        time.sleep(0.02)
    dry_run(folder, "dry run, everything built")


def dry_run(folder: Path, what: str) -> None:
    """Time a dry run of the cube and print how many jobs it plans."""
    line = [str(BIN / "snakemake"), "cube", "--dry-run", "--quiet", "--cores", "1", "--configfile", "config/bench.json"]
    with timed(what):
        done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])


def main(argv: Sequence[str] | None = None) -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    args = parser.parse_args(argv)
    print("| what | s | peak memory so far [MB] |\n|---|---|---|")
    for part in args.parts:
        with tempfile.TemporaryDirectory() as name:
            if part == "plan":
                plan(Path(name), args.files, args.shards)
            elif part == "stitch":
                stitch(Path(name), args.shards)
            else:
                jobs(Path(name), args.shards)


if __name__ == "__main__":
    main()
