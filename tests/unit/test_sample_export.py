import json

import h5py
import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from hiss.bands import BANDS, FLUX_UNIT, N_ZOOMS
from hiss.cube import rows as rows_of
from hiss.cube.layout import (
    TARGETS,
    cutout_size,
    ml_image_data,
    ml_image_group,
    ml_spectrum_data,
    ml_spectrum_group,
    spectrum_size,
)
from hiss.errors import HissError
from hiss.sample.arrays import load_rows
from hiss.sample.export import export_zoom, objects_table
from hiss.sdss.labels import is_label

SFR = ("avg", "median", "mode", "p16", "p84", "p2p5", "p97p5", "entropy", "flag")


def write_dense(path, avg, zooms=(3,), seed=0, bands=BANDS):
    """A dense cube whose flux, in units of 1e-17, follows AVG as in nature: brighter galaxies form more stars."""
    rng = np.random.default_rng(seed)
    n = len(avg)
    dtype = [("target_id", "i8"), ("ra", "f8"), ("dec", "f8"), ("class", "S16"), ("objid", "i8"), ("sn_median", "f8")]
    targets = np.zeros(n, dtype=[*dtype, *((name, "f8") for name in SFR)])
    targets["target_id"] = np.arange(n)
    targets["class"] = b"GALAXY"
    targets["ra"] = 10 + np.arange(n) * 0.1
    for name in SFR[:-1]:
        targets[name] = avg
    bright = 10 ** np.where(is_label(avg), avg, 0.0)
    with h5py.File(path, "w") as file:
        file[TARGETS] = targets
        file.attrs["provenance"] = json.dumps({"made": "by a test"})
        for zoom in zooms:
            side, samples = cutout_size(zoom), spectrum_size(zoom)
            images = bright[:, None, None, None] * 0.5 + rng.normal(0, 0.05, (n, 5, side, side))
            spectra = bright[:, None] * 3.0 + rng.normal(0, 0.5, (n, samples))
            file[ml_image_data(zoom)] = images.astype(np.float32)
            file[ml_image_data(zoom)].attrs["bands"] = list(bands)
            file[f"{ml_image_group(zoom)}/errors"] = np.full(images.shape, 0.05, np.float32)
            file[ml_spectrum_data(zoom)] = spectra.astype(np.float32)
            file[f"{ml_spectrum_group(zoom)}/errors"] = np.full(spectra.shape, 0.5, np.float32)
            file[f"{ml_spectrum_group(zoom)}/wl"] = np.linspace(3839.7, 8914.6, samples)
    return path


@pytest.fixture
def avg():
    values = np.random.default_rng(5).normal(0, 0.7, 60)
    values[[3, 10]] = np.nan
    values[[7, 59]] = -99
    return values


def test_labelled_targets_in_order_at_every_zoom(tmp_path, avg):
    dense = write_dense(tmp_path / "dense.h5", avg, zooms=range(N_ZOOMS))
    kept = np.flatnonzero(is_label(avg))
    for zoom in range(N_ZOOMS):
        assert export_zoom(dense, zoom, tmp_path / f"zoom{zoom}.h5", {"zoom": zoom}) == 56
        with h5py.File(tmp_path / f"zoom{zoom}.h5") as file, h5py.File(dense) as cube:
            np.testing.assert_array_equal(file["target_id"], kept)
            np.testing.assert_array_equal(file["images"], cube[ml_image_data(zoom)][kept])
            np.testing.assert_array_equal(file["spectra"], cube[ml_spectrum_data(zoom)][kept])
            np.testing.assert_array_equal(file["wl"], cube[f"{ml_spectrum_group(zoom)}/wl"])
            for name in ("images", "image_sigma", "spectra", "spectrum_sigma"):
                assert file[name].dtype == np.float32
                assert file[name].chunks is None
                assert file[name].attrs["units"] == FLUX_UNIT
            assert list(file["images"].attrs["bands"]) == list(BANDS)
            assert json.loads(file.attrs["provenance"]) == {"zoom": zoom}
    assert not list(tmp_path.glob(".*"))


def test_a_viewer_finds_a_plot_from_the_root(tmp_path, avg):
    export_zoom(write_dense(tmp_path / "dense.h5", avg), 3, tmp_path / "zoom3.h5")
    with h5py.File(tmp_path / "zoom3.h5") as file:
        view = file[file.attrs["default"]]
        assert view.attrs["NX_class"] == "NXdata"
        assert view[view.attrs["signal"]] == file["spectra"]
        assert view["data_errors"].shape == file["spectra"].shape
        assert view[view.attrs["axes"][-1]].attrs["units"] == "Angstrom"


def test_blocks_do_not_change_the_arrays(tmp_path, avg, monkeypatch):
    dense = write_dense(tmp_path / "dense.h5", avg)
    export_zoom(dense, 3, tmp_path / "one.h5")
    monkeypatch.setattr(rows_of, "BLOCK_BYTES", 7 * 4 * 5 * 8 * 8)
    export_zoom(dense, 3, tmp_path / "many.h5")
    with h5py.File(tmp_path / "one.h5") as one, h5py.File(tmp_path / "many.h5") as many:
        for name in ("images", "image_sigma", "spectra", "spectrum_sigma", "target_id"):
            np.testing.assert_array_equal(one[name], many[name])


def test_objects_are_the_rows_of_the_arrays(tmp_path, avg):
    objects = objects_table(write_dense(tmp_path / "dense.h5", avg))
    assert objects["row"].tolist() == list(range(56))
    np.testing.assert_array_equal(objects["target_id"], np.flatnonzero(is_label(avg)))
    np.testing.assert_array_equal(objects["avg"], avg[is_label(avg)])
    assert objects["class"].tolist() == ["GALAXY"] * 56


@pytest.mark.parametrize("values", [[], [np.nan, -99.0]])
def test_no_labelled_target_gives_arrays_of_no_rows(tmp_path, values):
    dense = write_dense(tmp_path / "dense.h5", np.array(values, dtype=float))
    assert export_zoom(dense, 3, tmp_path / "zoom3.h5") == 0
    assert len(objects_table(dense)) == 0
    with h5py.File(tmp_path / "zoom3.h5") as file:
        assert file["images"].shape == (0, 5, 8, 8)
        assert file["spectra"].shape == (0, 577)
    assert load_rows(tmp_path / "zoom3.h5", [], "early").images.shape == (0, 5, 8, 8)


def test_a_wrong_band_order_stops(tmp_path, avg):
    dense = write_dense(tmp_path / "dense.h5", avg, bands=("u", "r", "i", "z", "g"))
    with pytest.raises(HissError, match="band axis"):
        export_zoom(dense, 3, tmp_path / "zoom3.h5")
    assert not (tmp_path / "zoom3.h5").exists()


@pytest.mark.parametrize("block", [32 * 2**20, 3000])
def test_rows_come_back_in_the_order_asked_for(tmp_path, avg, monkeypatch, block):
    export_zoom(write_dense(tmp_path / "dense.h5", avg), 3, tmp_path / "zoom3.h5")
    monkeypatch.setattr(rows_of, "BLOCK_BYTES", block)
    rows = np.random.default_rng(1).permutation(56)[:30]
    early = load_rows(tmp_path / "zoom3.h5", rows, "early")
    with h5py.File(tmp_path / "zoom3.h5") as file:
        np.testing.assert_array_equal(early.images, file["images"][:][rows])
        np.testing.assert_array_equal(early.image_sigma, file["image_sigma"][:][rows])
        np.testing.assert_array_equal(early.spectra, file["spectra"][:][rows])
        np.testing.assert_array_equal(early.spectrum_sigma, file["spectrum_sigma"][:][rows])
        np.testing.assert_array_equal(early.target_id, file["target_id"][:][rows])
        np.testing.assert_array_equal(early.wl, file["wl"])
    np.testing.assert_array_equal(early.row, rows)


def test_a_modality_reads_its_own_part(tmp_path, avg):
    path = tmp_path / "zoom3.h5"
    export_zoom(write_dense(tmp_path / "dense.h5", avg), 3, path)
    photo, spectra = load_rows(path, [1, 2], "photo"), load_rows(path, [1, 2], "spectra", sigma=False)
    assert photo.spectra is photo.spectrum_sigma is photo.wl is None
    assert photo.image_sigma.shape == (2, 5, 8, 8)
    assert spectra.images is spectra.image_sigma is spectra.spectrum_sigma is None
    assert spectra.spectra.shape == (2, 577)
    with pytest.raises(HissError, match="name photo, spectra, early or none"):
        load_rows(path, [1], "late")
    with pytest.raises(HissError, match="has 56 rows and row 56"):
        load_rows(path, [56], "photo")


def test_a_read_stays_within_its_block():
    rows = np.array([0, 1, 2, 500, 501, 900_000])
    stretches = list(rows_of.stretches(rows, row_bytes=2**20, gap_bytes=2**20))
    assert stretches == [(0, 3), (3, 5), (5, 6)]
    dense = list(rows_of.stretches(np.arange(100), row_bytes=2**20))
    assert max(stop - start for start, stop in dense) * 2**20 <= rows_of.BLOCK_BYTES
    assert dense[0][0] == 0
    assert dense[-1][1] == 100


@pytest.mark.parametrize("modality", ["photo", "spectra", "early"])
def test_a_tree_learns_from_the_exported_arrays(tmp_path, modality):
    """In units of 1e-17; scikit-learn's trees see nothing in numbers near 1e-17."""
    avg = np.random.default_rng(8).normal(0, 0.7, 200)
    export_zoom(write_dense(tmp_path / "dense.h5", avg), 3, tmp_path / "zoom3.h5")
    objects = load_rows(tmp_path / "zoom3.h5", np.arange(200), modality)
    parts = [part.reshape(200, -1) for part in (objects.images, objects.spectra) if part is not None]
    features = np.concatenate(parts, axis=1)
    tree = DecisionTreeRegressor(max_depth=4, random_state=0).fit(features[:150], avg[:150])
    assert tree.score(features[150:], avg[150:]) > 0.5
    blind = DecisionTreeRegressor(max_depth=4, random_state=0).fit(features[:150] * 1e-17, avg[:150])
    assert blind.score(features[150:] * 1e-17, avg[150:]) <= 0
