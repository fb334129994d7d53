"""Cubes made elsewhere that are refused, and targets and files of them that are set aside."""

import json
import shutil

import h5py
import numpy as np
import pytest
from exchanged_cubes import GALAXY, STAR, adopt, virtual_copy

from hiss.cube.layout import (
    ml_image_data,
)
from hiss.errors import HissError
from hiss.files import read_table
from hiss.sample.accounts import check_accounts, image_table, target_spectra


def spoil_missing(file):
    del file["dense_cube/0/ml_image/image_metadata_refs"]


def spoil_wavelengths(file):
    file["dense_cube/0/ml_spectrum/wl"][...] *= 1.1


def spoil_headers(file):
    del file["semi_sparse_cube/0/spectra/metadata"]
    del file["fits_spectra_metadata"]


def spoil_texts(file):
    for name in ("semi_sparse_cube/0/images/metadata", "fits_images_metadata"):
        del file[name]
        file.create_dataset(name, (6,), [("path", "S256"), ("header", "S1000000")])


def spoil_shapes(file):
    name = "dense_cube/0/ml_spectrum/errors"
    short = file[name][:, 1:]
    del file[name]
    file[name] = short


def spoil_units(file):
    file[ml_image_data(0)].attrs["units"] = "Jy"


def spoil_rates(file):
    del file["star_formation_rates"]
    file["star_formation_rates"] = np.zeros(3, [("PLATEID", "i4"), ("MJD", "i4"), ("FIBERID", "i4")])


def spoil_keys(file):
    del file["star_formation_rates"]
    names = [("PLATEID", "i4"), ("MJD", "i4"), ("FIBERID", "i4"), ("AVG", "f4")]
    file["star_formation_rates"] = np.zeros(3, names)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (spoil_missing, "no references dense_cube/0/ml_image/image_metadata_refs"),
        (spoil_wavelengths, "not the HiSS-Cube's 3839.7 to 8914.6 Angstrom"),
        (spoil_headers, "no headers of its spectra"),
        (spoil_texts, "of bounded length"),
        (spoil_shapes, "dense_cube/0/ml_spectrum/errors has the shape (1, 4619) where (1, 4620) is due"),
        (spoil_units, "'Jy', which is not known"),
        (spoil_rates, "star_formation_rates lacks the column avg"),
        (spoil_keys, "names a spectrum twice"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_cube_of_another_structure_is_refused_in_one_sentence(public, tmp_path, spoil, sentence):
    copy = shutil.copy(public, tmp_path / "spoilt.h5")
    with h5py.File(copy, "r+") as file:
        spoil(file)
    with pytest.raises(HissError, match=r"spoilt\.h5") as caught:
        adopt(copy, tmp_path / "out")
    assert sentence in str(caught.value)
    assert not (tmp_path / "out" / "dense.h5").exists()


def test_a_truncated_file_or_one_of_another_kind_is_refused(public, tmp_path):
    whole = public.read_bytes()
    for name, content in (("short.h5", whole[: len(whole) // 2]), ("text.h5", b"not HDF5")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(HissError, match=f"{name}: cannot be read throughout"):
            adopt(tmp_path / name, tmp_path / "out")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    for name in ("empty.h5", "absent.h5"):
        with pytest.raises(HissError, match=r"name a file of the public HiSS-Cube"):
            adopt(tmp_path / name, tmp_path / "out")


def lose_a_window(file):
    references = file["dense_cube/0/ml_image/image_metadata_refs"]
    rows = references[:]
    rows["ds_slice_idx"][0, 1, 0] = 77
    references[...] = rows


def repeat_a_band(file):
    for name in ("image_metadata_refs", "image_cutout_refs"):
        rows = file[f"dense_cube/0/ml_image/{name}"][:]
        rows[0, 1] = rows[0, 2]
        file[f"dense_cube/0/ml_image/{name}"][...] = rows


def contradict_the_band(file):
    index = file["semi_sparse_cube/0/images/db_index"][:]
    index["wl"][index["wl"] == 6166] = 7480
    file["semi_sparse_cube/0/images/db_index"][...] = index


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lose_a_window, "leads to no readable file"),
        (repeat_a_band, "not one of each band"),
        (contradict_the_band, "leads to no readable file"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_target_with_wrong_references_is_left_out_with_its_reason(public, tmp_path, spoil, reason):
    copy = shutil.copy(public, tmp_path / "spoilt.h5")
    with h5py.File(copy, "r+") as file:
        spoil(file)
    files = adopt(copy, tmp_path / "out")
    rejects = read_table(files.rejects)
    assert reason in rejects.set_index("path").loc[f"{STAR[0]}.fits", "reason"]
    accounts = check_accounts(
        read_table(files.manifest), image_table(files.sparse), target_spectra(files.dense), rejects
    )
    assert accounts["spectra"]["in_cube"] == 0
    if spoil is contradict_the_band:
        assert "the index says 7480 Angstrom" in " ".join(rejects.reason)


def test_a_file_that_the_public_system_could_not_read_is_a_reject(public, tmp_path):
    copy = shutil.copy(public, tmp_path / "holes.h5")
    with h5py.File(copy, "r+") as file:
        rows = file["semi_sparse_cube/0/spectra/metadata"][:]
        del file["semi_sparse_cube/0/spectra/metadata"]
        galaxy = [place for place, path in enumerate(rows["path"]) if GALAXY.encode() in path]
        rows[galaxy] = np.zeros((), rows.dtype)
        file["semi_sparse_cube/0/spectra/metadata"] = rows
    files = adopt(copy, tmp_path / "out")
    rejects = read_table(files.rejects).set_index("path")
    assert "could not be read when the cube was made" in rejects.loc[f"{GALAXY}.fits", "reason"]
    accounts = check_accounts(
        read_table(files.manifest), image_table(files.sparse), target_spectra(files.dense), rejects.reset_index()
    )
    assert accounts["spectra"] == {"manifest": 5, "in_cube": 2, "rejected": 3}


@pytest.mark.parametrize(
    ("kind", "card"),
    [
        ("images", {"NAXIS1": 99_999}),
        ("images", {"TAI": 10**400}),
        ("spectra", {"PLUG_DEC": 1e9}),
        ("spectra", {"PLUG_RA": 10**400}),
        ("spectra", {"TAI": 10**400}),
    ],
    ids=str,
)
def test_a_header_with_a_number_beyond_all_bounds_is_a_reject(public, tmp_path, kind, card):
    copy = shutil.copy(public, tmp_path / "strange.h5")
    with h5py.File(copy, "r+") as file:
        name = f"semi_sparse_cube/0/{kind}/metadata"
        rows = file[name][:]
        rows["header"][0] = json.dumps({**json.loads(rows["header"][0]), **card}).encode()
        file[name][...] = rows
    files = adopt(copy, tmp_path / "out")
    rejects = read_table(files.rejects)
    assert rows["path"][0].decode() in set(rejects[rejects["stage"] == "sparse"]["path"])
    check_accounts(read_table(files.manifest), image_table(files.sparse), target_spectra(files.dense), rejects)


def test_a_master_of_shards_is_not_adopted(ours, tmp_path):
    dense = virtual_copy(ours.dense, tmp_path / "cube")
    with pytest.raises(HissError, match=r"dense\.h5: is a cube in shards.*export_single"):
        adopt(dense, tmp_path / "out")
