import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as np_arrays

from hiss.cube.layout import SPECTRUM_TABLE, STAR_FORMATION_RATES
from hiss.errors import HissError
from hiss.sample.accounts import catalogue_counts, check_accounts
from hiss.sample.clean import cleaned, selection
from hiss.sample.gaps import find_gaps, gap_table, nan_runs
from hiss.sample.ledger import check_ledger, make_ledger
from hiss.sample.multi import count_regions, find_multi_objects, normalise


def write_arrays(path, spectra=None, images=None):
    with h5py.File(path, "w") as file:
        if spectra is not None:
            file["spectra"] = spectra.astype(np.float32)
            file["wl"] = 4000.0 + np.arange(spectra.shape[1])
        if images is not None:
            file["images"] = images.astype(np.float32)
    return path


# ---- gaps ----


@given(np_arrays(bool, st.tuples(st.integers(0, 6), st.integers(1, 12))))
def test_runs_rebuild_the_missing_samples(missing):
    row, first, length = nan_runs(np.where(missing, np.nan, 1.0))
    rebuilt = np.zeros_like(missing)
    for r, f, n in zip(row, first, length):
        assert not rebuilt[r, max(0, f - 1) : f + n + 1].any()  # runs neither overlap nor touch
        rebuilt[r, f : f + n] = True
    np.testing.assert_array_equal(rebuilt, missing)


def test_gaps_of_two_zooms(tmp_path):
    fine = np.ones((3, 10))
    fine[0, :3] = fine[0, 9] = np.nan
    fine[2] = np.nan
    coarse = np.ones((3, 5))
    coarse[2] = np.nan
    paths = {1: write_arrays(tmp_path / "1.h5", coarse), 0: write_arrays(tmp_path / "0.h5", fine)}
    gaps, missing = find_gaps(paths)
    assert gaps[["row", "zoom", "first", "length"]].to_numpy().tolist() == [
        [0, 0, 0, 3],
        [0, 0, 9, 1],
        [2, 0, 0, 10],
        [2, 1, 0, 5],
    ]
    assert gaps["wl_min"].tolist() == [4000.0, 4009.0, 4000.0, 4000.0]
    assert gaps["wl_max"].tolist() == [4002.0, 4009.0, 4009.0, 4004.0]
    assert missing["fraction"].tolist() == [0.4, 0.0, 1.0, 0.0, 0.0, 1.0]
    table = gap_table(gaps, np.array([0, 1]), [0, 1])
    assert table["blocks"].tolist() == [2, 0]
    assert table["mean_length"][0] == 2.0
    assert table["max_length"].isna().tolist() == [False, True]


def test_gaps_of_no_spectra(tmp_path):
    gaps, missing = find_gaps({0: write_arrays(tmp_path / "0.h5", np.ones((0, 10)))})
    assert len(gaps) == len(missing) == 0
    assert gap_table(gaps, np.array([], dtype=int), [0])["blocks"].tolist() == [0]


# ---- several objects in a cutout ----


def blobs(*places, size=32):
    y, x = np.mgrid[:size, :size]
    return sum(np.exp(-((y - b) ** 2 + (x - a) ** 2) / 8) for a, b in places)


def test_regions_are_counted_image_by_image():
    images = np.stack([blobs((16, 16)), blobs((8, 8), (24, 24)), np.zeros((32, 32)), blobs((8, 8), (24, 24), (8, 24))])
    assert count_regions(images, 0.9).tolist() == [1, 2, 0, 3]
    touching = np.ones((2, 4, 4))
    touching[:, 0, 0] = 0
    assert count_regions(touching, 0.9).tolist() == [1, 1]  # not connected from one image to the next


def test_diagonal_pixels_are_two_regions():
    assert count_regions(np.array([[[1.0, 0.0], [0.0, 1.0]]]), 0.9).tolist() == [2]


def test_a_faint_neighbour_is_no_second_object():
    assert count_regions((blobs((8, 8)) + 0.8 * blobs((24, 24)))[None], 0.9).tolist() == [1]


@given(np_arrays(np.float32, (3, 4, 4), elements=st.floats(-1e6, 1e6, width=32) | st.just(np.nan)))
def test_scaled_images_are_within_0_and_1(images):
    scaled = normalise(images)
    assert ((scaled >= 0) & (scaled <= 1)).all()
    for image, result in zip(images, scaled):
        finite = image[np.isfinite(image)]
        if len(finite) and finite.min() < finite.max():
            assert result.max() == 1


def test_the_band_asked_for_decides(tmp_path):
    images = np.zeros((2, 5, 32, 32))
    images[:] = blobs((16, 16))
    images[0, 2] = 1e-3 * blobs((8, 8), (24, 24))  # fainter than the other bands: its own range counts
    path = write_arrays(tmp_path / "0.h5", images=images)
    assert find_multi_objects(path, 0.9, "r")["multi"].tolist() == [True, False]
    assert find_multi_objects(path, 0.9, "i")["n_regions"].tolist() == [1, 1]
    empty = find_multi_objects(write_arrays(tmp_path / "1.h5", images=images[:0]), 0.9, "r")
    assert len(empty) == 0
    assert empty["multi"].dtype == bool


# ---- cleaning and the ledger ----


@pytest.fixture
def sample():
    """Eight targets, of them six labelled: one FLAG, one gap, one double, three clean."""
    targets = pd.DataFrame(
        {
            "target_id": np.arange(8),
            "avg": [0.1, np.nan, 0.2, -99.0, 0.3, 0.4, 0.5, 0.6],
            "flag": [0, np.nan, 5, 1, 0, 0, 0, 0],
            "objid": 0,
            "ra": 10.0,
            "dec": 0.0,
        }
    )
    objects = targets.drop([1, 3]).reset_index(drop=True)
    objects.insert(0, "row", np.arange(6))
    missing = pd.DataFrame({"row": [0, 1, 2, 3, 4, 5], "zoom": 0, "fraction": [0, 0.5, 0.25, 0, 0, 0]})
    multi = pd.DataFrame(
        {"row": np.arange(6), "n_regions": [1, 1, 1, 2, 1, 1], "multi": [False] * 3 + [True] + [False] * 2}
    )
    return targets, objects, missing, multi


def test_the_ledger_has_the_rows_of_the_thesis_and_adds_up(sample):
    targets, objects, missing, multi = sample
    passes = selection(objects, missing, multi)
    ledger = make_ledger(20, 3, targets, passes, "reject").set_index("key")
    counts = {"catalogue": 23, "image_and_spectrum": 8, "avg_not_nan": 7, "avg_valid": 6, "flag0": 5, "gap_free": 4}
    assert ledger["count"].to_dict() == counts | {"single_object": 3, "final": 3}
    assert ledger["removed"].tolist() == [0, 15, 1, 1, 1, 1, 1, 0]
    assert ledger.loc["flag0", "thesis"] == 16_841
    assert ledger.loc["flag0", "note"] == "FLAG != 0: 1 (thesis 13,911)"
    assert "does not say" in ledger.loc["single_object", "note"]
    assert cleaned(objects, passes, "reject")["row"].tolist() == [0, 4, 5]
    assert cleaned(objects, passes, "reject")["target_id"].tolist() == [0, 6, 7]


def test_several_objects_can_be_kept(sample):
    targets, objects, missing, multi = sample
    passes = selection(objects, missing, multi)
    ledger = make_ledger(20, 3, targets, passes, "keep").set_index("key")
    assert ledger.loc["final", "count"] == len(cleaned(objects, passes, "keep")) == 4
    assert "1 with several kept" in ledger.loc["single_object", "note"]


def test_a_gap_at_a_coarse_zoom_counts(sample):
    _, objects, missing, multi = sample
    missing = pd.concat([missing, pd.DataFrame({"row": [0], "zoom": [3], "fraction": [0.01]})])
    assert not selection(objects, missing, multi)["gap_free"][0]


def test_a_ledger_of_nothing(sample):
    targets, objects, missing, multi = (table.iloc[:0] for table in sample)
    ledger = make_ledger(107, 0, targets, selection(objects, missing, multi), "reject")
    assert ledger["count"].tolist() == [107, 0, 0, 0, 0, 0, 0, 0]


def test_tables_of_different_arrays_stop(sample):
    targets, objects, missing, multi = sample
    with pytest.raises(HissError, match="different arrays"):
        selection(objects, missing, multi.iloc[:3])
    with pytest.raises(HissError, match="3 rows and the cube 6 labelled"):
        make_ledger(20, 0, targets, selection(objects, missing, multi).iloc[:3], "reject")


def test_a_ledger_that_does_not_add_up_stops(sample):
    targets, objects, missing, multi = sample
    ledger = make_ledger(20, 0, targets, selection(objects, missing, multi), "reject")
    with pytest.raises(HissError, match="'AVG not NaN'"):
        check_ledger(ledger.assign(count=ledger["count"] + (ledger["key"] == "avg_not_nan")))
    with pytest.raises(HissError, match="'image and spectrum available'"):
        make_ledger(2, 0, targets, selection(objects, missing, multi), "reject")


# ---- accounts ----


@pytest.fixture
def books():
    frames = pd.DataFrame(
        {"kind": "frame", "path": ["f0", "f1"], "run": 2820, "camcol": 3, "field": [1, 2], "band": "u"}
    )
    spectra = pd.DataFrame({"kind": "spectrum", "path": ["s0", "s1"], "plate": 266, "mjd": 51602, "fiber": [1, 2]})
    ids = ["run", "camcol", "field", "plate", "mjd", "fiber"]
    manifest = pd.concat([frames, spectra], ignore_index=True).astype(dict.fromkeys(ids, "Int64"))
    rejects = pd.DataFrame({"stage": "links", "kind": ["spectrum"], "path": ["s1"], "reason": "no frame covers it"})
    return manifest, frames, spectra.iloc[:1], rejects


def test_accounts_of_a_whole_cube(books):
    assert check_accounts(*books) == {
        "frames": {"manifest": 2, "in_cube": 2, "rejected": 0},
        "spectra": {"manifest": 2, "in_cube": 1, "rejected": 1},
        "rejects": {"links": {"spectrum": 1}},
    }


def test_a_lost_file_a_doubled_one_and_a_strange_one_stop(books):
    manifest, frames, spectra, rejects = books
    with pytest.raises(HissError, match=r"1 spectra of the manifest are neither .* s1"):
        check_accounts(manifest, frames, spectra, rejects.iloc[:0])
    with pytest.raises(HissError, match=r"1 frames of the manifest are neither .* f1"):
        check_accounts(manifest, frames.iloc[:1], spectra, rejects)
    with pytest.raises(HissError, match="both in the cube and among the rejects, the first s0"):
        check_accounts(manifest, frames, spectra, pd.concat([rejects, rejects.assign(path="s0")]))
    with pytest.raises(HissError, match="rejected spectra are not in the manifest, the first s9"):
        check_accounts(manifest, frames, spectra, pd.concat([rejects, rejects.assign(path="s9")]))
    with pytest.raises(HissError, match="1 frames of the cube are not in the manifest"):
        check_accounts(manifest, pd.concat([frames, frames.iloc[:1].assign(field=9)]), spectra, rejects)


def test_spectra_that_the_catalogue_does_not_list_are_counted(tmp_path):
    key = [("plate", "i8"), ("mjd", "i8"), ("fiber", "i8")]
    with h5py.File(tmp_path / "sparse.h5", "w") as file:
        file[STAR_FORMATION_RATES] = np.array([(1, 2, 3), (1, 2, 4)], dtype=key)
        file[SPECTRUM_TABLE] = np.array([(1, 2, 3), (1, 2, 5), (7, 2, 4)], dtype=key)
    assert catalogue_counts(tmp_path / "sparse.h5") == (2, 2)
