"""Whose fault it is: the output's disk, a file of the cube, a raw file, or ours; each is said as what it is."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from cube_programs import MPI, SCRIPTS

from hiss.cube.comm import Alone
from hiss.cube.dense_plan import plan_dense
from hiss.cube.hdf5 import read_provenance, readable
from hiss.cube.layout import COVERAGE, SPECTRUM_TABLE
from hiss.cube.links import build_links
from hiss.cube.shared import shared_temporary
from hiss.cube.sparse_frames import fill_frames
from hiss.errors import HissError
from hiss.files import atomic


def hdf5_error(act) -> OSError:
    with pytest.raises(OSError, match=r"Unable|Can't") as caught:
        act()
    return caught.value


def errors_of_reading(folder: Path) -> list[OSError]:
    """What h5py and Python raise where an input cannot be read."""
    (folder / "text.h5").write_text("no HDF5")
    return [
        hdf5_error(lambda: h5py.File(folder / "text.h5", "r")),
        hdf5_error(lambda: h5py.File(folder / "gone.h5", "r")),
        FileNotFoundError(errno.ENOENT, "No such file or directory", str(folder / "manifest.parquet")),
        OSError(errno.EIO, os.strerror(errno.EIO)),
    ]


def test_an_input_that_cannot_be_read_is_not_said_to_be_a_full_disk(tmp_path):
    out = tmp_path / "out.h5"
    for error in errors_of_reading(tmp_path):
        with pytest.raises(type(error), match=re.escape(str(error))) as caught, shared_temporary(out, Alone()):
            raise error
        assert caught.value is error


def test_an_output_that_cannot_be_written_is(tmp_path):
    wanted = tmp_path / "out.h5"
    (tmp_path / "a file").touch()
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for error in (full, hdf5_error(lambda: h5py.File(tmp_path / "a file" / "out.h5", "w"))):
        with pytest.raises(HissError, match=r"out\.h5: could not be written"), shared_temporary(wanted, Alone()):
            raise error
    assert not wanted.exists()


def test_an_output_that_is_gone_before_its_end_is_said(tmp_path):
    with pytest.raises(HissError, match="could not be written"), shared_temporary(tmp_path / "out.h5", Alone()):
        pass  # nothing was written under the temporary name


def write(path: Path, datasets: dict, record: str | None = '{"inputs": {}}') -> Path:
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file.create_dataset(name, data=values)
        if record is not None:
            file.attrs["provenance"] = record
    return path


def test_a_damaged_file_of_the_cube_is_named_with_the_rule_that_makes_it_again(tmp_path):
    sparse, links = write(tmp_path / "sparse.h5", {}), write(tmp_path / "links.h5", {COVERAGE: np.zeros((0, 5))})
    whole = sparse.read_bytes()
    with pytest.raises(HissError, match=r"sparse\.h5: cannot be read .*; remove it .* build_sparse makes it anew"):
        build_links(sparse, tmp_path / "new.h5", 8.4)  # it lacks its tables
    sparse.write_bytes(whole[: len(whole) // 2])
    for act in (
        lambda: build_links(sparse, tmp_path / "new.h5", 8.4),
        lambda: plan_dense(sparse, links, 1.5),
    ):
        with pytest.raises(HissError, match=r"sparse\.h5: cannot be read .*; remove it .* build_sparse makes it anew"):
            act()
    sparse.write_bytes(whole)
    links.write_bytes(b"no HDF5")
    with pytest.raises(HissError, match=r"links\.h5: cannot be read .* build_links makes it anew") as caught:
        plan_dense(sparse, links, 1.5)
    assert "sparse.h5" not in str(caught.value)
    links.unlink()
    with pytest.raises(HissError, match=r"links\.h5: cannot be read .*No such file"):
        plan_dense(sparse, links, 1.5)
    assert not (tmp_path / "new.h5").exists()


def test_a_damaged_block_says_that_it_is_one_of_two_files(tmp_path):
    links = write(tmp_path / "links.h5", {COVERAGE: np.zeros((0, 5))})
    path = tmp_path / "sparse.h5"
    with h5py.File(path, "w") as file:
        table = file.create_dataset(SPECTRUM_TABLE, data=np.arange(10_000), chunks=(10_000,), compression="gzip")
        place, size = table.id.get_chunk_info(0).byte_offset, table.id.get_chunk_info(0).size
    content = bytearray(path.read_bytes())
    content[place : place + size] = bytes(size)
    path.write_bytes(content)
    with (
        pytest.raises(HissError, match=r"sparse\.h5 or .*links\.h5: .*`snakemake verify_cube` says which"),
        readable(path, links),
        h5py.File(path) as file,
    ):
        file[SPECTRUM_TABLE][:]


def test_a_file_without_provenance_says_so(tmp_path):
    for number, record in enumerate((None, "{")):
        sentence = rf"{number}\.h5: does not say what it was made of; remove it"
        with h5py.File(write(tmp_path / f"{number}.h5", {}, record)) as file, pytest.raises(HissError, match=sentence):
            read_provenance(file)


@pytest.mark.parametrize("mistake", [KeyError("sigma"), RuntimeError("ours"), TypeError("ours")])
def test_a_mistake_of_ours_is_no_damage(mistake, tmp_path):
    with pytest.raises(type(mistake)) as caught, readable(tmp_path / "sparse.h5"):
        raise mistake
    assert caught.value is mistake


class Careless:
    """An image store that fails in its own code."""

    collective = False

    def __init__(self, error):
        self.error = error

    def create(self):
        pass

    def read(self, path):
        raise self.error


@pytest.mark.parametrize("mistake", [TypeError("ours"), KeyError("sigma"), ValueError("ours"), MemoryError()])
def test_a_mistake_in_the_calibration_sets_no_frame_aside(mistake, tmp_path):
    with h5py.File(tmp_path / "sparse.h5", "w") as file, pytest.raises(type(mistake)):
        fill_frames(Alone(), file, tmp_path, ["frame-r-002820-3-0122.fits"], Careless(mistake))


def test_atomic_still_says_what_could_not_be_read(tmp_path):
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "out.txt"):
        (tmp_path / "gone").read_bytes()


IMPORT = """
import os, runpy, sys
sys.path.insert(0, {scripts!r})
sys.argv[0] = {program!r}
if os.environ["OMPI_COMM_WORLD_RANK"] == "1":
    from mpi4py import MPI  # as h5py has begun the world by then
    sys.modules[{module!r}] = None
runpy.run_path({program!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("program", "module"), [("build_sparse.py", "hiss.cube.sparse"), ("build_dense.py", "hiss.cube.dense"),
                            ("build_dense.py", "h5py")],
)  # fmt: skip
def test_a_module_missing_on_one_node_ends_every_rank(program, module, tmp_path):
    """The other rank waits at the log's barrier: without an end put to it, for ever."""
    start = tmp_path / "start.py"
    start.write_text(IMPORT.format(scripts=str(SCRIPTS), program=str(SCRIPTS / program), module=module))
    names = {
        "build_sparse.py": ("manifest", "root", "gal-info", "gal-totsfr", "output", "rejects", "log"),
        "build_dense.py": ("sparse", "links", "output", "rejects", "log"),
    }[program]
    more = [part for name in names for part in (f"--{name}", tmp_path / name)]
    line = ["mpirun", "-n", 2, sys.executable, start, "--ranks", 2, "--settings", "{}", *more]
    done = subprocess.run(
        [str(part) for part in line], env={**os.environ, **MPI}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode != 0
    assert "a module cannot be loaded" in done.stderr
    assert module in done.stderr
    assert "give every node the same software" in done.stderr
