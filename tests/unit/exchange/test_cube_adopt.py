"""Cubes made elsewhere, adopted: their fluxes, sigmas, labels and files are as ours."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from exchanged_cubes import GALAXY, adopt
from public_cube import APERTURES, make_public

import hiss.cube
from hiss.bands import BANDS, FLUX_UNIT
from hiss.cube.intact import verify
from hiss.cube.layout import (
    ZOOMS,
    ml_image_data,
    ml_image_group,
    ml_spectrum_data,
    ml_spectrum_group,
)
from hiss.cube.master import build_master
from hiss.cube.single import export_single
from hiss.errors import HissError
from hiss.files import read_table
from hiss.sample.accounts import check_accounts, image_table, target_spectra
from hiss.sample.export import export_zoom, objects_table


def test_every_file_of_an_adopted_cube_is_accounted_for(adopted):
    rejects = read_table(adopted.rejects)
    accounts = check_accounts(
        read_table(adopted.manifest), image_table(adopted.sparse), target_spectra(adopted.dense), rejects
    )
    assert accounts["frames"] == {"manifest": 6, "in_cube": 6, "rejected": 0}
    assert accounts["spectra"]["manifest"] == 4
    assert "no whole cutout in u g r i z" in rejects.set_index("path").loc[f"{GALAXY}.fits", "reason"]


def test_adopted_and_exported_files_can_be_proved_intact(ours, windows, adopted):
    for path in (
        adopted.sparse,
        adopted.links,
        adopted.dense,
        ours.hiss_cube,
        ours.hiss_cube_single,
        windows.hiss_cube_single,
    ):
        compared = verify(path)
        assert compared["datasets"] > 0 or path == ours.hiss_cube
    with h5py.File(ours.hiss_cube_single) as file:
        assert f"{ml_image_data(0)}_checksums" in file


def test_bands_and_fluxes_of_an_adopted_cube_are_ours(ours, adopted):
    with h5py.File(ours.dense) as first, h5py.File(adopted.dense) as second:
        for zoom in ZOOMS:
            mine, theirs = (file[ml_image_data(zoom)] for file in (first, second))
            assert theirs.attrs["units"] == FLUX_UNIT
            assert list(theirs.attrs["bands"]) == list(BANDS)
            for band in range(1, 5):  # u has two epochs
                np.testing.assert_allclose(theirs[:, band], mine[:, band], rtol=2e-5, atol=1e-6)


def test_sigmas_of_cutouts_are_recomputed_from_the_sparse_errors(ours, adopted):
    with h5py.File(ours.dense) as first, h5py.File(adopted.dense) as second:
        for zoom in ZOOMS:
            mine, theirs = (file[f"{ml_image_group(zoom)}/errors"][:] for file in (first, second))
            np.testing.assert_allclose(theirs[:, 1:], mine[:, 1:], rtol=1e-5)


def test_a_band_stacked_by_its_own_fluxes_is_stacked_anew(ours, public, adopted):
    with h5py.File(ours.dense) as first, h5py.File(adopted.dense) as second, h5py.File(public) as third:
        flux, sigma = first[ml_image_data(0)][0, 0], first[f"{ml_image_group(0)}/errors"][0, 0]
        anew, its_sigma = second[ml_image_data(0)][0, 0], second[f"{ml_image_group(0)}/errors"][0, 0]
        theirs = third[ml_image_data(0)][0, 0] / (APERTURES * 1e-17)
        assert second["dense_cube/targets"]["n_epochs"].tolist() == [[2, 1, 1, 1, 1]]
    assert np.abs((anew - flux) / sigma).max() < 0.2
    np.testing.assert_allclose(its_sigma, sigma, rtol=0.02)
    assert np.abs((theirs - flux) / sigma).max() > 0.9


def test_coarse_spectra_and_their_sigmas_follow_from_zoom_0(ours, adopted):
    with h5py.File(ours.dense) as first, h5py.File(adopted.dense) as second:
        for zoom in ZOOMS:
            flux, mine = (file[ml_spectrum_data(zoom)][:] for file in (first, second))
            sigma, its_sigma = (file[f"{ml_spectrum_group(zoom)}/errors"][:] for file in (first, second))
            assert np.nanmedian(its_sigma / sigma) == pytest.approx(1, abs=0.005)
            assert np.nanstd((mine - flux) / sigma) < 0.35
            assert (
                second[f"{ml_spectrum_group(zoom)}/wl"][:].tolist()
                == first[f"{ml_spectrum_group(zoom)}/wl"][:].tolist()
            )


def test_labels_are_joined_by_plate_mjd_and_fiber(adopted):
    with h5py.File(adopted.dense) as file:
        target = file["dense_cube/targets"][0]
        spectra = pd.DataFrame(file["dense_cube/target_spectra"][:])
    assert (target["plate"], target["avg"], target["flag"], bool(target["has_sfr"])) == (3127, -0.25, 0, True)
    assert target["z"] == pytest.approx(0.125)
    assert target["class"] == b"GALAXY"
    assert spectra.plate.tolist() == [3126, 3127]
    with h5py.File(adopted.sparse) as file:
        assert len(file["star_formation_rates"]) == 108


def test_rates_as_records_are_the_rates_in_blocks(ours, adopted, tmp_path):
    records = adopt(make_public(ours.hiss_cube_single, tmp_path / "records.h5", blocks=False), tmp_path / "out")
    one, two = (objects_table(files.dense) for files in (adopted, records))
    pd.testing.assert_frame_equal(one.drop(columns=["subclass", "class"]), two.drop(columns=["subclass", "class"]))


def test_without_sparse_errors_the_fluxes_stay_and_the_sigmas_are_unknown(ours, public, tmp_path):
    files = adopt(make_public(ours.hiss_cube_single, tmp_path / "public.h5", errors=False), tmp_path / "out")
    with h5py.File(files.dense) as file, h5py.File(public) as source:
        for zoom in ZOOMS:
            assert np.isnan(file[f"{ml_image_group(zoom)}/errors"][:]).all()
            assert np.isfinite(file[ml_image_data(zoom)][:]).all()
        theirs = source[ml_image_data(0)][0, 0] / np.float32(APERTURES * 1e-17)
        np.testing.assert_allclose(file[ml_image_data(0)][0, 0], theirs, rtol=1e-5)
    assert export_zoom(files.dense, 2, tmp_path / "zoom2.h5") == 1


def test_a_cube_of_ours_is_adopted_as_it_is(ours, windows, tmp_path):
    for made in (ours, windows):
        files = adopt(made.hiss_cube_single, tmp_path / made.folder.name)
        with h5py.File(made.dense) as first, h5py.File(files.dense) as second:
            for zoom in ZOOMS:
                errors = [f"{group(zoom)}/errors" for group in (ml_image_group, ml_spectrum_group)]
                for name in (ml_image_data(zoom), ml_spectrum_data(zoom), *errors):
                    np.testing.assert_array_equal(second[name][:], first[name][:])
            one, two = (json.loads(file.attrs["provenance"])["settings"] for file in (first, second))
            assert {**one, "compression": None} == two
            one, two = (file["dense_cube/targets"][:] for file in (first, second))
            for name in ("plate", "objid", "n_epochs", "z", "class"):
                assert one[name].tolist() == two[name].tolist(), name
        master = files.dense.with_name("hiss_cube.h5")
        build_master(files.sparse, files.links, files.dense, master)
        with hiss.cube.open(made.hiss_cube) as first, hiss.cube.open(master) as second:
            one, two = (cube.targets[0].epochs("u") for cube in (first, second))
            assert len(two) == 2
            np.testing.assert_array_equal(two.flux, one.flux)
            np.testing.assert_array_equal(two.sigma, one.sigma)


def test_without_the_pixels_of_the_frames_a_band_of_several_epochs_keeps_its_flux(public, tmp_path):
    lacking = Path(shutil.copy(public, tmp_path / "lacking.h5"))
    with h5py.File(lacking, "r+") as file:
        del file["semi_sparse_cube/0/images/data"]
    files = adopt(lacking, tmp_path / "out")
    with h5py.File(files.dense) as file, h5py.File(public) as source:
        theirs = source[ml_image_data(0)][0, 0] / np.float32(APERTURES * 1e-17)
        np.testing.assert_allclose(file[ml_image_data(0)][0, 0], theirs, rtol=1e-5)
        sigma = file[f"{ml_image_group(0)}/errors"][0]
    assert np.isnan(sigma[0]).all()
    assert np.isfinite(sigma[1:]).all(), "bands of one epoch need its errors alone"


@pytest.mark.parametrize("fiber_arcsec", [2.0, None])
def test_another_aperture_is_taken_from_files_of_either_kind(ours, public, adopted, tmp_path, fiber_arcsec):
    ratio = (2.0 / 3.0) ** 2 if fiber_arcsec else 0.396**2 / (np.pi * 1.5**2)
    for source in (ours.hiss_cube_single, public):
        files = adopt(source, tmp_path / source.stem, fiber_arcsec)
        with h5py.File(adopted.dense) as first, h5py.File(files.dense) as second:
            for name in (ml_image_data(1), f"{ml_image_group(1)}/errors"):
                np.testing.assert_allclose(second[name][:, 1:], first[name][:, 1:] * ratio, rtol=1e-4, atol=1e-6)


def test_arrays_of_the_sparse_part_are_shown_with_their_factors(ours, adopted, tmp_path):
    build_master(adopted.sparse, adopted.links, adopted.dense, adopted.dense.with_name("hiss_cube.h5"))
    with h5py.File(adopted.dense.with_name("hiss_cube.h5")) as file, h5py.File(ours.sparse) as own:
        for zoom in ZOOMS:
            images, mine = (one[f"semi_sparse_cube/{zoom}/images"] for one in (file, own))
            window = np.s_[1, 100 >> zoom : 108 >> zoom, 200 >> zoom : 208 >> zoom]
            flux = images["data"][window] * images.attrs["flux_factor"]
            np.testing.assert_allclose(flux, mine["data"][window], rtol=1e-5)
            sigma = images["errors"][window] * images.attrs["sigma_factor"]
            np.testing.assert_allclose(sigma, mine["errors"][window], rtol=1e-5)
    assert adopted.sparse.stat().st_size < 3e6
    with pytest.raises(HissError, match="one file already"):
        export_single(adopted.sparse, adopted.links, adopted.dense, tmp_path / "single.h5")


def test_the_real_public_file_is_adopted(sdss_files, tmp_path):
    files = adopt(sdss_files / "public_hiss_cube_small.h5", tmp_path)
    with h5py.File(files.dense) as file:
        (target,) = file["dense_cube/targets"][:]
        flux, sigma = file[ml_image_data(0)][0], file[f"{ml_image_group(0)}/errors"][0]
        references = file[f"{ml_image_group(0)}/image_cutout_refs"][0]
    assert target["n_epochs"].tolist() == [2, 1, 1, 1, 1]
    assert (target["n_spectra"], bool(target["has_sfr"])) == (3, False)
    assert references["ds_slice_idx"][:, 0].tolist() == [4, 0, 1, 3, 5]
    assert np.isfinite(flux).all()
    assert np.isnan(sigma).all(), "the pixels of the windows are zero in this file"
    assert read_table(files.rejects)["path"].tolist() == [f"{GALAXY}.fits"]


def test_the_real_public_file_has_our_fluxes(sdss_files, ours, tmp_path):
    files = adopt(sdss_files / "public_hiss_cube_small.h5", tmp_path)
    with h5py.File(files.dense) as first, h5py.File(ours.dense) as second:
        theirs, mine = (file[ml_image_data(0)][0] for file in (first, second))
    for band in range(1, 5):  # its windows begin a pixel lower, and its mantissas have 10 bits
        np.testing.assert_allclose(theirs[band, 1:, 1:], mine[band, :-1, :-1], rtol=1.1e-3)
