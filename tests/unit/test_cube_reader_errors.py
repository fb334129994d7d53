"""The readers of a cube in front of files that are damaged, lack a part or are none, and of wrong questions."""

import shutil

import h5py
import pytest

import hiss.cube
from hiss.cube.layout import ml_image_group, spectra_group
from hiss.errors import HissError

GALAXY = {"plate": 703, "mjd": 52209, "fiber": 193}


@pytest.fixture(scope="module", params=["full", "targets"])
def folder(small_cube, request):
    return small_cube(request.param)


@pytest.fixture(scope="module")
def cube(folder):
    with hiss.cube.open(folder / "hiss_cube.h5") as cube:
        yield cube


def test_each_file_opens_alone_and_says_what_it_lacks(folder):
    with hiss.cube.open(folder / "dense.h5") as cube:
        assert cube.target(**GALAXY).cutout(1).flux.shape == (5, 32, 32)
        assert len(cube.target(**GALAXY).spectrum().flux) == 4620
        for ask in (lambda: cube.spectra.table, lambda: cube.frames.table, lambda: cube.target(1).epochs("r")):
            with pytest.raises(HissError, match=r"dense.h5: has no /semi_sparse_cube/0/.*; open hiss_cube.h5"):
                ask()
    with hiss.cube.open(folder / "sparse.h5") as cube:
        assert len(cube.spectra) == 21
        near = (cube.spectra.table["z"] >= 0.05) & (cube.spectra.table["z"] <= 0.06)
        assert cube.spectra.redshift(0.05, 0.06).read(3).flux.shape == (near.sum(), 577)
        assert 3 < near.sum() < 15
        with pytest.raises(HissError, match=r"sparse.h5: has no /dense_cube/targets; open hiss_cube.h5"):
            cube.targets.cone((36.4, -0.2), 1)
    with hiss.cube.open(folder / "links.h5") as cube, pytest.raises(HissError, match="has no"):
        len(cube.spectra)


def test_questions_without_an_answer(cube):
    target = cube.target(0)
    for message, ask in (
        ("none of its 17 targets has target_id 99; ", lambda: cube.target(99)),
        ("none of its 17 targets has plate 1, mjd 2, fiber 3; ", lambda: cube.target(plate=1, mjd=2, fiber=3)),
        ("none of its 21 spectra has plate 1, mjd 2, fiber 3; ", lambda: cube.spectrum(1, 2, 3)),
        ("none of its 10 frames has run 5823, camcol 4", lambda: cube.frame(5823, 4, 88, "r")),
        ("13 of its 17 targets have class GALAXY; ", lambda: cube.target(**{"class": "GALAXY"})),
        ("has no column colour; its columns are target_id, ra", lambda: cube.targets.select(colour=1)),
        ("zoom 4 is not one of", lambda: cube.targets.cutouts(4)),
        ("zoom 1.0 is not one of", lambda: cube.targets.cutouts(1.0)),
        ("zoom -1 is not one of", lambda: cube.spectra.read(-1)),
        ("band 'y' is not one of", lambda: target.epochs("y")),
    ):
        with pytest.raises(HissError, match=message):
            ask()


def test_files_that_cannot_be_read_are_named_with_the_remedy(folder, tmp_path, sdss_files):
    cut = tmp_path / "cut.h5"
    cut.write_bytes((folder / "dense.h5").read_bytes()[:200_000])
    text = tmp_path / "text.h5"
    text.write_text("not HDF5")
    other = tmp_path / "other.h5"
    h5py.File(other, "w").close()
    for path, message in (
        (tmp_path / "none.h5", "there is no such file; build the cube or correct the path"),
        (tmp_path, "there is no such file"),
        (cut, "is cut short; build this cube again"),
        (text, "is not an HDF5 file"),
        (other, "is not a HiSS-Cube"),
        (sdss_files / "public_hiss_cube_small.h5", "was made by the public HiSS-Cube; .*cube.source: existing"),
    ):
        with pytest.raises(HissError, match=f"^{path}: {message}"):
            hiss.cube.open(path)


def test_a_master_moved_without_its_files_says_so(folder, tmp_path):
    for name in ("hiss_cube.h5", "dense.h5"):
        shutil.copy(folder / name, tmp_path)
    with hiss.cube.open(tmp_path / "hiss_cube.h5") as cube:
        assert cube.target(**GALAXY).cutout().flux.shape == (5, 64, 64)
        for ask in (
            lambda: cube.spectra.table,
            lambda: cube.frame(5823, 3, 88, "r"),
            lambda: cube.target(1).epochs("r"),
        ):
            with pytest.raises(HissError, match=r"its link to .*sparse.h5 cannot be followed; keep the files"):
                ask()
    with pytest.raises(HissError, match="is closed"):
        len(cube.targets)


def test_a_damaged_block_is_named(folder, tmp_path):
    path = tmp_path / "links.h5"
    for name in ("sparse", "links", "dense", "hiss_cube"):
        shutil.copy(folder / f"{name}.h5", tmp_path)
    with h5py.File(path) as file:
        table = file[f"{spectra_group(0)}/image_cutouts_data"]
        block = table.id.get_chunk_info(0)
    with path.open("r+b") as stream:
        stream.seek(block.byte_offset + 10)
        stream.write(b"\xff" * 40)
    with hiss.cube.open(tmp_path / "hiss_cube.h5") as cube:
        assert len(cube.target(**GALAXY).epochs("r")) == 2
        with pytest.raises(HissError, match=r"image_cutouts_data is damaged .*; build this cube again"):
            cube.target(**GALAXY).epochs("r", left_out=True)


def test_a_reference_out_of_the_cube_is_not_followed(small_cube, tmp_path):
    for name in ("sparse", "links", "dense", "hiss_cube"):
        shutil.copy(small_cube("full") / f"{name}.h5", tmp_path)
    with hiss.cube.open(tmp_path / "hiss_cube.h5") as cube:
        row = cube.target(**GALAXY).row
    for field, value in (("ds_path", b"/semi_sparse_cube/7/images/data"), ("ds_slice_idx", 99), ("x_max", 9999)):
        with h5py.File(tmp_path / "dense.h5", "r+") as file:
            table = file[f"{ml_image_group(0)}/image_cutout_refs"]
            good = table[row]
            bad = good.copy()
            bad[field][2, 0] = value
            table[row] = bad
        with (
            hiss.cube.open(tmp_path / "hiss_cube.h5") as cube,
            pytest.raises(HissError, match="leads out of the cube"),
        ):
            cube.target(**GALAXY).epochs("r")
        with h5py.File(tmp_path / "dense.h5", "r+") as file:
            file[f"{ml_image_group(0)}/image_cutout_refs"][row] = good
