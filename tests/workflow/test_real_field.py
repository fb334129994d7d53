"""The known answers of the real files."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest

RESULTS = "results/real_field"


@pytest.fixture(scope="module")
def cube(real_field):
    return real_field.folder / RESULTS / "cube"


@pytest.fixture(scope="module")
def rejects(cube):
    table = pd.read_parquet(cube / "rejects.parquet")
    table["name"] = table.path.str.rsplit("/", n=1).str[-1]
    return table.set_index("name")


def test_the_only_target_is_the_f_star(cube):
    with h5py.File(cube / "hiss_cube.h5") as file:
        targets = file["dense_cube/targets"][:]
        images = file["dense_cube/0/ml_image/cutout_3d_cube_zoom_0"][:]
        refs = file["dense_cube/0/ml_image/image_cutout_refs"][:]
    assert len(targets) == 1
    assert targets["ra"][0] == pytest.approx(38.3018, abs=1e-4)
    assert targets["dec"][0] == pytest.approx(-0.1339, abs=1e-4)
    assert np.isfinite(images).all()
    assert targets["n_epochs"][0].tolist() == [2, 1, 1, 1, 1]
    assert [(row["ds_path"] != b"").sum() for row in refs[0]] == [2, 1, 1, 1, 1]


def test_its_three_spectra_are_listed_and_two_of_one_spectrograph_stacked(cube):
    with h5py.File(cube / "dense.h5") as file:
        spectra = pd.DataFrame(file["dense_cube/target_spectra"][:])
    stacked = spectra.set_index("plate").stacked.to_dict()
    assert stacked == {3126: True, 3127: True, 7330: False}


def test_the_galaxy_at_the_edge_is_rejected_as_not_whole(rejects):
    assert "cutout not whole" in rejects.reason["spec-4238-55455-0037.fits"]


def test_spectra_without_a_frame_say_so(rejects):
    for name in ("spec-0266-51602-0001.fits", "spec-0411-51817-0119.fits", "spec-0412-51871-0308.fits"):
        assert "no frame" in rejects.reason[name]


def test_every_file_is_accounted_for(cube, real_field, rejects):
    manifest = pd.read_parquet(real_field.folder / RESULTS / "sky" / "manifest.parquet")
    assert (manifest.kind == "frame").sum() == 6
    assert (manifest.kind == "spectrum").sum() == 17
    assert len(rejects) == 14
    assert json.loads((cube / "accounts.json").read_text())


def test_plates_411_and_412_are_two_objects(cube):
    from hiss.cube.targets import match_targets

    with h5py.File(cube / "sparse.h5") as file:
        table = pd.DataFrame(file["semi_sparse_cube/0/spectra/spectrum_table"][:])
    target = pd.Series(match_targets(table, 1.5), index=table.plate)
    assert target[411].nunique() == 1
    assert target[412].nunique() == 1
    assert target[411].iloc[0] != target[412].iloc[0]


def test_true_star_formation_rates_join_to_the_right_spectra(cube, sdss_files):
    truth = pd.read_csv(sdss_files / "labels" / "spectra_with_labels.csv").set_index(["PLATEID", "MJD", "FIBERID"])
    with h5py.File(cube / "sparse.h5") as file:
        joined = pd.DataFrame(file["fits_spectra_metadata_star_formation_rates"][:])
        assert len(file["star_formation_rates"]) == 107
    assert len(joined) == 17
    for row in joined.itertuples():
        key = (row.plate, row.mjd, row.fiber)
        expected = truth.tot_AVG.get(key, np.nan)
        np.testing.assert_allclose(row.avg, expected, rtol=1e-6)
    assert joined.avg.notna().sum() == truth.tot_AVG.notna().sum() > 0


def test_the_sample_s_report_is_there(real_field):
    assert (real_field.folder / RESULTS / "report" / "report.html").stat().st_size > 10_000
