"""Prepared features: exactly the training and validation objects, every modality, mapped and never copied."""

import tracemalloc

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_sample import N, write_small_sample

from hiss.errors import HissError
from hiss.files import read_table
from hiss.models import features as module
from hiss.models.base import Data, feature_names
from hiss.models.features import LINE_FEATURES, Sources, load_data, open_part, prepare_features
from hiss.models.rest_frame import Z_MAX, rest_edges, to_rest
from hiss.models.weights import INTRINSIC_SCATTER, label_weights


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_small_sample(tmp_path_factory.mktemp("sample"))


def sources(sample, spectra_zoom=None):
    return Sources(
        sample / "zoom3.h5",
        spectra_arrays=None if spectra_zoom is None else sample / f"zoom{spectra_zoom}.h5",
        objects=sample / "objects.parquet",
        lines=sample / "lines.parquet",
    )


def prepared(sample, tmp_path, modality, spectra_zoom=None):
    out = tmp_path / f"{modality}.h5"
    prepare_features(sources(sample, spectra_zoom), read_table(sample / "split.parquet"), modality, out, {"code": "1"})
    return out


def rows_of(sample, side):
    split = read_table(sample / "split.parquet")
    return split.loc[split["split"] == side, "row"].to_numpy()


@pytest.mark.parametrize("side", ["train", "validation"])
def test_a_side_is_exactly_the_split_s(sample, tmp_path, side):
    data, table = open_part(prepared(sample, tmp_path, "early"), side)
    split = read_table(sample / "split.parquet")
    wanted = split[split["split"] == side]
    assert_array_equal(table, wanted[["target_id", "row", "avg", "fold"]])
    assert_array_equal(data.target, wanted["avg"])
    with h5py.File(sample / "zoom3.h5") as file:
        rows = wanted["row"].to_numpy()
        assert_array_equal(data.images, file["images"][()][rows])
        assert_array_equal(data.spectra, file["spectra"][()][rows])
        assert_array_equal(data.sky_sigma, np.full((len(rows), 5), 0.5))


def test_test_objects_are_never_read(sample, tmp_path, monkeypatch):
    asked, original = [], module.load_rows

    def watched(path, rows, *arguments, **keywords):
        asked.extend(np.asarray(rows).tolist())
        return original(path, rows, *arguments, **keywords)

    monkeypatch.setattr(module, "load_rows", watched)
    out = prepared(sample, tmp_path, "early")
    learned_from = {*rows_of(sample, "train"), *rows_of(sample, "validation")}
    assert set(asked) == learned_from
    with h5py.File(out) as file:
        assert set(file["row"][()]) == learned_from
        assert np.isfinite(file["features"][()]).all()
    with pytest.raises(HissError, match="never those of 'test'"):
        open_part(out, "test")


def test_early_is_photo_beside_spectra(sample, tmp_path):
    photo, spectra, early = (
        open_part(prepared(sample, tmp_path, name), "train").data for name in ("photo", "spectra", "early")
    )
    assert_array_equal(early.features, np.hstack([photo.features, spectra.features]))
    assert [data.content for data in (photo, spectra, early)] == ["photo", "spectra", "early"]
    assert spectra.sky_sigma is None


def test_spectra_may_be_of_another_zoom(sample, tmp_path):
    data = open_part(prepared(sample, tmp_path, "early_spectra2", spectra_zoom=2), "train").data
    assert (data.side, data.n_samples) == (8, 80)
    with h5py.File(sample / "zoom2.h5") as file:
        assert_array_equal(data.spectra, file["spectra"][()][rows_of(sample, "train")])


def test_arrays_of_different_objects_are_told(sample, tmp_path):
    with h5py.File(tmp_path / "zoom2.h5", "w") as file, h5py.File(sample / "zoom2.h5") as original:
        for name in original:
            file[name] = original[name][()] + (name == "target_id")
    mixed = Sources(sample / "zoom3.h5", spectra_arrays=tmp_path / "zoom2.h5")
    with pytest.raises(HissError, match="different objects"):
        load_data(mixed, [1, 2], "early_spectra2")


def test_redshift_and_lines_are_extra_columns(sample, tmp_path):
    rows = rows_of(sample, "train")
    z = read_table(sample / "objects.parquet")["z"].to_numpy()[rows].astype("f4")
    data = open_part(prepared(sample, tmp_path, "photo_z"), "train").data
    assert data.content == "photo"
    assert_array_equal(data.extras, z[:, None])
    lines = open_part(prepared(sample, tmp_path, "lines"), "train").data
    assert lines.content == "lines"
    table = read_table(sample / "lines.parquet").loc[rows, list(LINE_FEATURES)]
    assert_array_equal(lines.features, table.to_numpy(dtype="f4"))
    none = open_part(prepared(sample, tmp_path, "none"), "validation").data
    assert none.features.shape == (len(rows_of(sample, "validation")), 0)
    assert none.content == "none"


def test_features_that_need_a_table_ask_for_it(sample):
    with pytest.raises(HissError, match="redshifts"):
        load_data(Sources(sample / "zoom3.h5"), [1], "spectra_z")
    with pytest.raises(HissError, match="emission lines"):
        load_data(Sources(sample / "zoom3.h5"), [1], "lines")


def test_rest_frame_features_are_to_rest_of_the_spectra(sample, tmp_path):
    data = open_part(prepared(sample, tmp_path, "spectra_rest"), "train").data
    rows = rows_of(sample, "train")
    with h5py.File(sample / "zoom3.h5") as file:
        z = read_table(sample / "objects.parquet")["z"].to_numpy()[rows]
        assert_array_equal(data.spectra, to_rest(file["spectra"][()][rows], file["wl"][()], z))


def test_label_sigma_is_half_the_width_of_the_percentiles(sample, tmp_path):
    data = open_part(prepared(sample, tmp_path, "photo"), "validation").data
    objects = read_table(sample / "objects.parquet").loc[rows_of(sample, "validation")]
    known = objects["p16"].to_numpy() > -90
    assert 0 < known.sum() < len(known)
    assert_allclose(data.label_sigma[known], ((objects["p84"] - objects["p16"]) / 2)[known])
    assert np.isnan(data.label_sigma[~known]).all()


def test_features_are_a_map_of_the_file(sample, tmp_path):
    out = prepared(sample, tmp_path, "early")
    tracemalloc.start()
    try:
        data = open_part(out, "train").data
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not data.features.flags.owndata
    assert not data.features.flags.writeable
    assert data.features.flags.c_contiguous
    assert peak < data.features.nbytes + 300_000
    with h5py.File(out, "r+") as file:
        file["features"][0, 0] = 77.0
    assert data.features[0, 0] == 77.0


def test_a_file_of_another_kind_and_an_empty_side_are_told(sample, tmp_path):
    with pytest.raises(HissError, match=r"zoom3\.h5: holds no prepared features"):
        open_part(sample / "zoom3.h5", "train")
    split = read_table(sample / "split.parquet")
    with pytest.raises(HissError, match="no validation object"):
        prepare_features(sources(sample), split[split["split"] != "validation"], "photo", tmp_path / "x.h5", {})
    split["target_id"] += 1
    with pytest.raises(HissError, match="target_id"):
        prepare_features(sources(sample), split, "photo", tmp_path / "x.h5", {})
    assert not list(tmp_path.iterdir())


def test_blocks_do_not_change_what_is_loaded(sample, monkeypatch):
    rows = rows_of(sample, "train")[::-1]
    whole, _ = load_data(sources(sample), rows, "early_z")
    monkeypatch.setattr(module, "_BLOCK_BYTES", 4 * 361 * 7)
    blocks, target_id = load_data(sources(sample), rows, "early_z")
    assert_array_equal(whole.features, blocks.features)
    assert_array_equal(whole.sky_sigma, blocks.sky_sigma)
    assert_array_equal(target_id, 1000 + 3 * rows)
    with pytest.raises(HissError, match="no row is asked for"):
        load_data(sources(sample), [], "early")


def test_loaded_features_are_in_memory_once(sample, monkeypatch):
    rows = np.repeat(rows_of(sample, "train"), 40)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 4 * 360 * 100)
    load_data(sources(sample), rows[:10], "early")
    tracemalloc.start()
    try:
        data, _ = load_data(sources(sample), rows, "early")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert data.features.nbytes > 3e6
    assert peak < 1.4 * data.features.nbytes


def test_taken_objects_keep_their_bins_where_they_may(tmp_path):
    data = Data.from_arrays(spectra=np.arange(40, dtype="f4").reshape(10, 4), target=np.arange(10.0))
    binned = Data(data.features, 0, data.target, bins=tmp_path / "a.bins")
    twice = binned.take([1, 3, 5, 7]).take([0, 2])
    assert_array_equal(twice.bin_rows, [1, 5])
    assert_array_equal(twice.target, [1, 5])
    assert binned.take([3, 1]).bins is None
    assert data.take([1]).bins is None


def test_names_are_as_many_as_columns():
    names = feature_names(2, 3, 1)
    assert names[:2] == ["u_0_0", "u_0_1"]
    assert names[-4:] == ["wl_0", "wl_1", "wl_2", "extra_0"]
    assert len(names) == 5 * 4 + 3 + 1


# ---- the rest frame ----

WL = np.linspace(3840, 8915, 1155)


def test_rest_frame_keeps_the_flux_and_the_line_s_place():
    z = np.array([0.0, 0.05, 0.1, 0.25])
    line = 40 * np.exp(-0.5 * ((WL - 6564.6 * (1 + z[:, None])) / 12) ** 2)
    rest, edges = to_rest(line.astype("f4"), WL, z), rest_edges(WL)
    widths = np.diff(edges)
    assert_allclose(rest @ widths, np.full(4, 40 * 12 * np.sqrt(2 * np.pi)), rtol=2e-3)
    centre = (rest * np.sqrt(edges[1:] * edges[:-1])) @ widths / (rest @ widths)
    assert_allclose(centre, 6564.6, atol=1)


def test_rest_frame_of_a_constant_is_constant_and_never_nan():
    z = np.array([0.0, 0.1, Z_MAX, 0.9])
    rest = to_rest(np.full((4, len(WL)), 3.0, dtype="f4"), WL, z)
    assert_allclose(rest, 3 * (1 + z[:, None]) * np.ones_like(rest), rtol=1e-5)
    assert rest.dtype == np.float32


def test_rest_frame_continues_a_spectrum_by_its_end():
    ramp = np.linspace(1, 2, len(WL), dtype="f4")[None]
    rest, edges = to_rest(ramp, WL, np.array([0.1]))[0], rest_edges(WL)
    beyond = edges[1:] * 1.1 > WL[-1] + 3
    assert beyond.sum() > 10
    assert_allclose(rest[beyond], 1.1 * ramp[0, -23:].mean(), rtol=1e-4)
    inside = (edges[:-1] * 1.1 > WL[0] + 3) & ~beyond
    assert (np.diff(rest[inside]) > 0).all()


def test_rest_frame_grid_is_the_same_for_every_sample():
    edges = rest_edges(WL)
    assert_allclose(np.diff(np.log(edges)), np.log(edges[1] / edges[0]))
    assert edges[0] == pytest.approx((WL[0] - (WL[1] - WL[0]) / 2) / (1 + Z_MAX))
    assert 0.9 < len(edges) / len(WL) < 1.3


def test_object_without_redshift_is_told():
    with pytest.raises(HissError, match="1 of 2 objects have no redshift"):
        to_rest(np.ones((2, len(WL)), dtype="f4"), WL, np.array([0.1, np.nan]))


# ---- weights ----


def test_weights_follow_the_certainty_of_the_label():
    sigma = np.array([0.1, 0.2, 0.5, np.nan])
    weights = label_weights(sigma)
    raw = 1 / (sigma[:3] ** 2 + INTRINSIC_SCATTER**2)
    assert weights.mean() == pytest.approx(1)
    assert_allclose(weights[:3] / weights[0], raw / raw[0])
    assert weights[3] == pytest.approx(weights[1])
    assert_array_equal(label_weights(np.full(N, np.nan)), np.ones(N))
    with pytest.raises(HissError, match="label_weights"):
        label_weights(None)
