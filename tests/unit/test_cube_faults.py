"""What must not bring the parallel build down, and what must end it with a sentence: no hang, no half file."""

import bz2
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from cube_programs import MPI, SCRIPTS

from hiss.config.cube import Cube
from hiss.cube.intact import SUFFIX, verify
from hiss.cube.layout import IMAGE_TABLE, SPECTRUM_TABLE, ZOOMS
from hiss.errors import HissError
from hiss.files import read_table, write_table
from hiss.sdss.catalogue import catalogue_from_csv, write_sfr_catalogue
from hiss.sdss.manifest import make_manifest

NO_HANG = 300  # seconds; a build here takes a few


def options(compression=None):
    return Cube(compression=compression, mantissa_bits=8 if compression else None).for_build()


@pytest.fixture(scope="module")
def raw(sdss_files, tmp_path_factory):
    """Three frames and five spectra, and one of each, in the middle, that cannot be read."""
    folder = tmp_path_factory.mktemp("raw")
    sky = folder / "sky"
    sky.mkdir()
    for path in sorted((sdss_files / "images").rglob("frame-[gru]-002820-*.bz2")):
        (sky / path.stem).write_bytes(bz2.decompress(path.read_bytes()))
    (sky / "frame-g-002820-3-0123.fits").write_bytes((sky / "frame-g-002820-3-0122.fits").read_bytes()[:10_000_000])
    for path in sorted((sdss_files / "spectra").glob("spec-041[12]-*"))[:5]:
        shutil.copy(path, sky)
    (sky / "spec-0411-51817-0999.fits").write_bytes((sky / path.name).read_bytes()[:50_000])
    catalogue = catalogue_from_csv(sdss_files / "labels" / "mpajhu_dr7_sfr_107rows.csv")
    write_sfr_catalogue(catalogue, folder / "gal_info_dr7_v5_2.fit", folder / "gal_totsfr_dr7_v5_2.fits")
    write_table(folder / "manifest.parquet", make_manifest(sky))
    return folder


def start(raw, out, ranks, compression=None, program=SCRIPTS / "build_sparse.py", manifest=None, **more):
    """Run the build on so many ranks to its end, or fail where it hangs."""
    line = [
        "mpirun", "-n", ranks, sys.executable, program, "--ranks", ranks,
        "--manifest", manifest or raw / "manifest.parquet", "--root", raw / "sky",
        "--gal-info", raw / "gal_info_dr7_v5_2.fit", "--gal-totsfr", raw / "gal_totsfr_dr7_v5_2.fits",
        "--settings", options(compression), "--output", out / "sparse.h5",
        "--rejects", out / "rejects.parquet", "--log", out / "log",
    ]  # fmt: skip
    return subprocess.run(
        [str(part) for part in line], env={**os.environ, **MPI}, capture_output=True, text=True, timeout=NO_HANG, **more
    )


def build(raw, out, *arguments, **more):
    done = start(raw, out, *arguments, **more)
    assert done.returncode == 0, done.stderr
    return out / "sparse.h5"


def content(path):
    """Name, shape and bytes of every dataset."""
    found = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item.shape, item.dtype, item[()].tobytes()

    with h5py.File(path) as file:
        file.visititems(note)
    return found


@pytest.fixture(scope="module")
def plain(raw, tmp_path_factory):
    return build(raw, tmp_path_factory.mktemp("plain"), 1)


@pytest.fixture(scope="module")
def packed(raw, tmp_path_factory):
    return build(raw, tmp_path_factory.mktemp("packed"), 1, "gzip")


@pytest.mark.parametrize("ranks", [2, 4])
def test_a_plain_file_is_the_same_on_any_number_of_ranks(raw, plain, tmp_path, ranks):
    path = build(raw, tmp_path, ranks)
    assert path.read_bytes() == plain.read_bytes()
    assert verify(path)["rows"] > 0


def test_compressed_data_are_the_same_on_any_number_of_ranks(raw, packed, tmp_path):
    path = build(raw, tmp_path, 4, "gzip")
    assert content(path) == content(packed)
    assert verify(path)["rows"] > 0


def test_compression_changes_the_size_and_the_bits_that_were_given_up(plain, packed):
    assert packed.stat().st_size < 0.6 * plain.stat().st_size
    ours, theirs = content(packed), content(plain)
    assert ours.keys() == theirs.keys()
    for name in ours:
        if name.endswith(("/data", "/errors")):
            pair = (np.frombuffer(found[name][2], np.float32) for found in (ours, theirs))
            np.testing.assert_allclose(*pair, rtol=2**-9, err_msg=name)
        elif not name.endswith(SUFFIX):
            assert ours[name] == theirs[name], name


def test_what_could_not_be_read_is_no_row(plain):
    rejects = read_table(plain.parent / "rejects.parquet")
    assert sorted(rejects["path"]) == ["frame-g-002820-3-0123.fits", "spec-0411-51817-0999.fits"]
    with h5py.File(plain) as file:
        assert len(file[IMAGE_TABLE]) == 3
        assert len(file[SPECTRUM_TABLE]) == 5
        for zoom in ZOOMS:
            for kind, rows in (("images", 3), ("spectra", 5)):
                for name in ("data", "errors"):
                    assert len(file[f"semi_sparse_cube/{zoom}/{kind}/{name}{SUFFIX}"]) == rows


FAULT = """
import os, runpy, signal, sys
sys.path.insert(0, {scripts!r})
from hiss.cube import frames_store, shared, sparse, sparse_frames, sparse_spectra
from hiss.errors import HissError
rank = int(os.environ["OMPI_COMM_WORLD_RANK"])

def before(place, name, when, act):
    true = getattr(place, name)
    def replaced(*arguments, **named):
        if when(*arguments, **named):
            act()
        return true(*arguments, **named)
    setattr(place, name, replaced)

def fail():
    raise HissError("the wall is where the door was")

def crash():
    raise RuntimeError("the wall is where the door was")

def die():
    os.kill(os.getpid(), signal.SIGKILL)

{fault}
sys.argv[0] = {program!r}
runpy.run_path({program!r}, run_name="__main__")
"""

FAULTS = {
    "catalogue": "before(sparse, 'read_sfr_catalogue', lambda *_: True, fail)",
    "a spectrum": "before(sparse_spectra, 'read_spectrum', lambda path: '0412' in path.name, crash)",
    "before the frames": "before(sparse, 'fill_frames', lambda *_: rank == 1, fail)",
    "a frame": "before(frames_store, 'read_frame', lambda path, **_: '-r-' in path.name, crash)",
    "a write": "before(frames_store.WholeFrames, 'write', lambda _, row: row == 1, fail)",
    "the last write": "before(frames_store.WholeFrames, 'gather', lambda *_: rank == 1, crash)",
    "the end": "before(sparse, 'finish_sparse', lambda *_: True, fail)",
    "a rank killed": "before(frames_store.WholeFrames, 'calibrate', lambda _, frame, wcs: frame.band == 'r', die)",
    "rank 1 killed": "before(sparse, 'fill_frames', lambda *_: rank == 1, die)",
}


@pytest.mark.parametrize(
    ("fault", "compression"),
    [*((fault, None) for fault in FAULTS), *((fault, "gzip") for fault in ("a frame", "a write", "rank 1 killed"))],
)
def test_a_fault_on_one_rank_ends_all(raw, tmp_path, fault, compression):
    program = tmp_path / "program.py"
    true = str(SCRIPTS / "build_sparse.py")
    program.write_text(FAULT.format(scripts=str(SCRIPTS), fault=FAULTS[fault], program=true))
    done = start(raw, tmp_path, 2, compression, program)
    assert done.returncode != 0
    assert not (tmp_path / "sparse.h5").exists()
    assert not (tmp_path / "rejects.parquet").exists()
    if "killed" in fault:
        assert "signal 9" in done.stderr
    else:
        assert "the wall is where the door was" in (tmp_path / "log").read_text()
        assert list(tmp_path.glob(".*.part")) == []


def test_a_rerun_after_a_killed_rank_succeeds(raw, plain, tmp_path):
    program = tmp_path / "program.py"
    true = str(SCRIPTS / "build_sparse.py")
    program.write_text(FAULT.format(scripts=str(SCRIPTS), fault=FAULTS["a rank killed"], program=true))
    start(raw, tmp_path, 2, None, program)
    assert len(list(tmp_path.glob(".sparse.h5.*.part"))) == 1
    assert content(build(raw, tmp_path, 2)) == content(plain)
    assert list(tmp_path.glob(".*.part")) == []


@pytest.mark.parametrize(("compression", "limit"), [(None, 60_000_000), ("lzf", 20_000_000)])
def test_a_full_disk_says_so(raw, tmp_path, compression, limit):
    def bound():  # a file that may not grow: what a full disk does to a write, without a disk of one's own
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = start(raw, tmp_path, 2, compression, preexec_fn=bound)
    assert done.returncode != 0
    sentence = (tmp_path / "log").read_text()
    assert f"{tmp_path / 'sparse.h5'}: could not be written" in sentence
    assert "make room" in sentence
    assert [path for path in tmp_path.iterdir() if path.suffix in (".h5", ".part", ".parquet")] == []


@pytest.mark.parametrize(
    ("pattern", "compression"),
    [
        ("frame-u-*122.fits", None),
        ("frame-u-*122.fits", "gzip"),
        ("spec-0412-*", None),
        ("spec-0412-*", "lzf"),
        ("*-*0[19][29][39].fits", None),  # the unreadable ones alone
        ("*-*0[19][29][39].fits", "gzip"),
    ],
)
def test_more_ranks_than_files(raw, tmp_path, pattern, compression):
    manifest = read_table(raw / "manifest.parquet")
    listed = manifest[[Path(path).match(pattern) for path in manifest["path"]]].groupby("kind").head(1)
    assert len(listed) == (2 if pattern.startswith("*") else 1)
    write_table(tmp_path / "manifest.parquet", listed)
    path = build(raw, tmp_path, 3, compression, manifest=tmp_path / "manifest.parquet")
    rejects = read_table(tmp_path / "rejects.parquet")
    with h5py.File(path) as file:
        assert len(file[IMAGE_TABLE]) + len(file[SPECTRUM_TABLE]) + len(rejects) == len(listed)
        assert file["semi_sparse_cube/3/images/data"].shape == (len(file[IMAGE_TABLE]), 186, 256)
        assert json.loads(file.attrs["provenance"])["settings"]["compression"] == compression
    assert verify(path)["datasets"] > 0


def test_no_file_stops_with_a_sentence(raw, tmp_path):
    write_table(tmp_path / "manifest.parquet", read_table(raw / "manifest.parquet")[:0])
    done = start(raw, tmp_path, 2, manifest=tmp_path / "manifest.parquet")
    assert done.returncode != 0
    assert "lists neither frames nor spectra" in (tmp_path / "log").read_text()
    assert not (tmp_path / "sparse.h5").exists()


SILENT_LOSS = """
import sys
sys.path.insert(0, {scripts!r})
import h5py, numpy as np
from hiss.cube.comm import Work, world
from hiss.cube.shared import Rows, create_shared
comm = world()
names = [f"part{{number}}" for number in range(16)]
if comm.rank == 0:
    with h5py.File({path!r}, "w") as file:
        for name in names:
            {create}
comm.barrier()
file = h5py.File({path!r}, "r+", driver="mpio", comm=comm)
for number in Work(comm, len(names)):
    dataset = Rows(file[names[number]], collective=False)  # no rank looks at another's dataset
    for row in range(8):
        dataset.write(row, np.full((1, 500), 100 * number + row, np.float32))
file.close()
"""


CREATE = {
    "ours": 'create_shared(file, name, (8, 500), "<f4", (1, 500))',
    "h5py's": 'file.create_dataset(name, (8, 500), "<f4", chunks=(1, 500))',  # allocated late: the trap itself
}


@pytest.mark.parametrize("create", CREATE)
def test_no_row_is_lost_where_each_rank_opens_its_own_datasets_alone(tmp_path, create):
    program = tmp_path / "program.py"
    path = tmp_path / "parts.h5"
    program.write_text(SILENT_LOSS.format(scripts=str(SCRIPTS), path=str(path), create=CREATE[create]))
    line = ["mpirun", "-n", "4", sys.executable, program]
    done = subprocess.run(line, env={**os.environ, **MPI}, capture_output=True, text=True, timeout=NO_HANG)
    assert done.returncode == 0, done.stderr
    with h5py.File(path) as file:
        lost = [n for n in range(16) if (file[f"part{n}"][:] != 100 * n + np.arange(8)[:, None]).any()]
    assert bool(lost) == (create != "ours"), lost


WORK = """
import sys, time
sys.path.insert(0, {scripts!r})
from hiss.cube.comm import Work, world
comm = world()
for n in (0, 1, 3, 50):
    work = Work(comm, n)
    mine = []
    for item in work:
        mine.append(item)
        assert 0 < work.done(item) <= n
        time.sleep(0.002 if comm.rank else 0)
    every = comm.gather(mine)
    if comm.rank == 0:
        assert sorted(sum(every, [])) == list(range(n)), every
        assert n < 50 or len(every[0]) > len(every[1]), every
    rounds = comm.gather(list(Work(comm, n, in_step=True)))
    if comm.rank == 0:
        assert len(set(map(len, rounds))) == 1, rounds
        assert sorted(item for part in rounds for item in part if item is not None) == list(range(n))
"""


def test_every_item_is_drawn_once_and_most_by_the_rank_that_is_free(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(WORK.format(scripts=str(SCRIPTS)))
    line = ["mpirun", "-n", "3", sys.executable, program]
    done = subprocess.run(line, env={**os.environ, **MPI}, capture_output=True, text=True, timeout=NO_HANG)
    assert done.returncode == 0, done.stderr


def test_a_disk_too_small_is_found_out_before_the_first_frame(tmp_path):
    from hiss.cube.shared import demand_room

    demand_room(tmp_path / "sparse.h5", 1)
    with pytest.raises(HissError, match=r"1000000000\.0 GB are needed there and .* are free; make room"):
        demand_room(tmp_path / "sparse.h5", 10**18)
