"""A cube proves that it is intact: any byte that changed is found, and said where."""

import shutil

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiss.cube.comm import Alone
from hiss.cube.holes import Holes
from hiss.cube.intact import SUFFIX, Checksums, row_checksums, seal, verify, write_checksums
from hiss.errors import HissError


@pytest.fixture
def sealed(tmp_path):
    """A small file with what a cube has: arrays by row, a table, attributes, references, links."""
    path = tmp_path / "cube.h5"
    rows = np.arange(60, dtype=np.float32).reshape(5, 3, 4)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("part/data", data=rows, chunks=(2, 3, 4))
        table = file.create_dataset(
            "part/table", data=np.array([(1, b"u"), (2, b"g")], [("run", "<i8"), ("band", "S1")])
        )
        file.create_dataset("part/none", (0, 4), "f4")
        data.attrs["units"] = "furlong"
        data.attrs["table_ref"] = table.ref
        file.attrs.create("bands", ["u", "g"], dtype=h5py.string_dtype())
        file["again"] = table
        write_checksums(file, "part/data", row_checksums(rows))
        seal(file)
    return path


def test_an_intact_file_is_said_to_be(sealed):
    assert verify(sealed) == {"datasets": 4, "rows": 5 + 5 + 2 + 0, "bytes": 60 * 4 + 5 * 8 + 2 * 9}
    with h5py.File(sealed) as file:
        assert file[f"part/data{SUFFIX}"].dtype == np.uint64


def offset_of(path, name):
    with h5py.File(path) as file:
        dataset = file[name].id
        return dataset.get_chunk_info(1).byte_offset if file[name].chunks else dataset.get_offset()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("part/data", "row 2 of /part/data"),
        ("part/table", "/again is not"),
        (f"part/data{SUFFIX}", "row 0 of /part/data"),
    ],
)
def test_a_flipped_bit_is_found_and_named(sealed, name, sentence):
    offset = offset_of(sealed, name)
    content = bytearray(sealed.read_bytes())
    content[offset] ^= 1
    sealed.write_bytes(content)
    with pytest.raises(HissError, match=sentence) as error:
        verify(sealed)
    assert str(sealed) in str(error.value)
    assert "run the same command again" in str(error.value)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_byte_of_the_content_can_change_unseen(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("flip")
    path = folder / "cube.h5"
    rows = np.random.default_rng(data.draw(st.integers(0, 9))).normal(size=(8, 16)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file["data"] = rows
        write_checksums(file, "data", row_checksums(rows))
        seal(file)
    start = offset_of(path, "data")
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(start, start + rows.nbytes - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(HissError):
        verify(path)


def change_units(file):
    file["part/data"].attrs["units"] = "fortnight"


def change_reference(file):
    file["part/data"].attrs["table_ref"] = file["part/data"].ref


def add_a_group(file):
    file.create_group("part/more")


def rename(file):
    file.move("part/none", "part/nothing")


def cut_off(file):
    del file["part/none"]
    file.create_dataset("part/none", (0, 5), "f4")


@pytest.mark.parametrize("change", [change_units, change_reference, add_a_group, rename, cut_off])
def test_a_change_of_the_tree_is_found(sealed, change):
    with h5py.File(sealed, "r+") as file:
        change(file)
    with pytest.raises(HissError, match="groups or attributes"):
        verify(sealed)


def test_a_file_without_checksums_and_one_that_is_none_say_so(tmp_path):
    path = tmp_path / "cube.h5"
    with pytest.raises(HissError, match="cannot be read throughout"):
        verify(path)
    path.write_bytes(b"no HDF5")
    with pytest.raises(HissError, match="cannot be read throughout"):
        verify(path)
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(HissError, match="holds no checksums"):
        verify(path)


def test_a_truncated_file_says_so(sealed):
    sealed.write_bytes(sealed.read_bytes()[:-300])
    with pytest.raises(HissError, match="cannot be read throughout"):
        verify(sealed)


def test_a_damaged_compressed_chunk_is_found(tmp_path):
    path = tmp_path / "cube.h5"
    rows = np.random.default_rng(1).normal(size=(8, 64)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=rows, chunks=(4, 64), compression="gzip", shuffle=True)
        write_checksums(file, "data", row_checksums(rows))
        seal(file)
    assert verify(path)["rows"] == 16
    content = bytearray(path.read_bytes())
    content[offset_of(path, "data") + 40] ^= 255
    path.write_bytes(content)
    with pytest.raises(HissError):
        verify(path)


def test_what_is_behind_an_external_link_has_to_be_there(sealed, tmp_path):
    master = tmp_path / "master.h5"
    with h5py.File(master, "w") as file:
        file["part"] = h5py.ExternalLink("cube.h5", "/part")
        seal(file)
    assert verify(master)["datasets"] == 0
    shutil.move(sealed, tmp_path / "elsewhere.h5")
    with pytest.raises(HissError, match=r"part leads to /part in cube.h5, which is not there"):
        verify(master)


def test_checksums_of_parts_are_those_of_the_whole_after_holes_are_closed(tmp_path):
    rows = np.random.default_rng(2).normal(size=(7, 5)).astype(np.float32)
    found = Checksums(["data"])
    for first in (4, 0):  # in any order, by any rank; 2 and 3 could not be read
        found.add(first, [rows[first : first + (3 if first else 2)]])
    found.gather(Alone())
    holes = Holes(7, {2, 3})
    with h5py.File(tmp_path / "cube.h5", "w") as file:
        dataset = file.create_dataset("data", data=rows, chunks=(1, 5), maxshape=(None, 5))
        holes.close_in([dataset])
        found.write(file, holes)
        seal(file)
        np.testing.assert_array_equal(dataset[:], rows[[0, 1, 6, 5, 4]])
        np.testing.assert_array_equal(holes.close(rows), dataset[:])
    assert verify(tmp_path / "cube.h5")["rows"] == 10


@settings(deadline=None)
@given(st.integers(0, 30).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, max(n - 1, 0)), max_size=n))))
def test_closing_holes_keeps_every_good_row_once(case):
    n, bad = case
    holes = Holes(n, bad if n else set())
    rows = np.arange(n)
    assert sorted(holes.close(rows)) == [row for row in rows if row not in holes.rows]
    new = holes.new_rows()
    assert sorted(new[new >= 0]) == list(range(holes.left))
