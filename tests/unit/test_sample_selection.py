from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as np_arrays

from hiss.cube.layout import STAR_FORMATION_RATES
from hiss.errors import HissError
from hiss.sample.accounts import Holdings, catalogue_keys, check_accounts, holdings
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
    ).assign(missing_pixels=0)
    return targets, objects, missing, multi


HELD = Holdings(catalogue=20, unlisted=3, absent=9, spectra=14, rejected=4, in_cube=10, repeats=2)


STUDY = {"flag": "zero", "multi_object": "reject", "detector": "threshold", "gaps": "reject", "longest": 20}


def ledger_of(targets, objects, missing, multi, held=HELD, **choice):
    passes = selection(objects, missing, multi)
    choice = STUDY | choice
    return make_ledger(held, targets, passes, len(cleaned(objects, passes, choice)), choice)


def test_the_ledger_has_the_rows_of_the_thesis_and_adds_up(sample):
    _, objects, missing, multi = sample
    passes = selection(objects, missing, multi)
    ledger = ledger_of(*sample).set_index("key")
    counts = {"catalogue": 23, "on_disk": 14, "in_cube": 10, "image_and_spectrum": 8, "avg_not_nan": 7, "avg_valid": 6}
    counts |= {"flag0": 5, "gap_free": 4, "whole_image": 4, "single_object": 3, "final": 3}
    assert ledger["count"].to_dict() == counts
    assert ledger["removed"].tolist() == [0, 9, 4, 2, 1, 1, 1, 1, 0, 1, 0]
    assert ledger.loc["flag0", "thesis"] == 16_841
    assert ledger.loc["flag0", "note"] == "FLAG != 0: 1 (thesis 13,911)"
    assert "does not say" in ledger.loc["single_object", "note"]
    assert cleaned(objects, passes, STUDY)["row"].tolist() == [0, 4, 5]
    assert cleaned(objects, passes, STUDY)["target_id"].tolist() == [0, 6, 7]


def test_the_ledger_of_an_archive_begins_with_what_was_asked_of_it(sample):
    targets, objects, missing, multi = sample
    passes = selection(objects, missing, multi)
    steps = [
        {"key": "region_box", "step": "in the box", "removed": 5},
        {"key": "flag", "step": "with FLAG 0", "removed": 3},
    ]
    ledger = make_ledger(HELD, targets, passes, 3, STUDY, steps).set_index("key")
    assert ledger["count"].iloc[:4].to_dict() == {"catalogue": 23, "region_box": 18, "flag": 15, "on_disk": 14}
    assert ledger.loc["on_disk", "removed"] == 1
    with pytest.raises(HissError, match="spectrum here"):
        make_ledger(HELD, targets, passes, 3, STUDY, [steps[0] | {"removed": 6}, steps[1] | {"removed": 4}])


def test_several_objects_can_be_kept(sample):
    _, objects, missing, multi = sample
    passes = selection(objects, missing, multi)
    ledger = ledger_of(*sample, multi_object="keep").set_index("key")
    assert ledger.loc["final", "count"] == len(cleaned(objects, passes, STUDY | {"multi_object": "keep"})) == 4
    assert "1 with several kept" in ledger.loc["single_object", "note"]


@pytest.mark.parametrize(
    ("flag", "policy", "rows", "steps"),
    [
        ("zero", "reject", [0, 4, 5], {"flag0": 5, "gap_free": 4, "whole_image": 4, "single_object": 3, "final": 3}),
        ("zero", "keep", [0, 3, 4, 5], {"flag0": 5, "gap_free": 4, "whole_image": 4, "single_object": 4, "final": 4}),
        ("nonzero", "reject", [], {"flag_nonzero": 1, "gap_free": 0, "whole_image": 0, "single_object": 0, "final": 0}),
        ("any", "reject", [0, 4, 5], {"any_flag": 6, "gap_free": 4, "whole_image": 4, "single_object": 3, "final": 3}),
    ],
)
def test_every_sample_has_a_ledger_that_adds_up(sample, flag, policy, rows, steps):
    _, objects, missing, multi = sample
    passes = selection(objects, missing, multi)
    assert cleaned(objects, passes, STUDY | {"flag": flag, "multi_object": policy})["row"].tolist() == rows
    ledger = ledger_of(*sample, flag=flag, multi_object=policy).set_index("key")
    assert ledger["count"].iloc[-5:].to_dict() == steps
    assert (ledger["thesis"].iloc[-1] is pd.NA) == (flag != "zero"), "the thesis counts no other sample"


def test_the_ledger_says_what_a_flag_left_out_or_kept(sample):
    notes = {flag: ledger_of(*sample, flag=flag)["note"].iloc[6] for flag in ("nonzero", "any")}
    assert notes == {
        "nonzero": "FLAG = 0: 5 (thesis 16,841)",
        "any": "FLAG != 0: 1 (thesis 13,911), kept in this sample",
    }


def test_a_gap_at_a_coarse_zoom_counts(sample):
    _, objects, missing, multi = sample
    missing = pd.concat([missing, pd.DataFrame({"row": [0], "zoom": [3], "fraction": [0.01]})])
    assert not selection(objects, missing, multi)["gap_free"][0]


def test_a_cutout_with_missing_pixels_is_no_sample_of_a_model(sample):
    targets, objects, missing, multi = sample
    multi = multi.assign(missing_pixels=[7, 0, 0, 0, 0, 0])
    ledger = ledger_of(targets, objects, missing, multi).set_index("key")
    assert ledger.loc["whole_image", "removed"] == 1
    assert cleaned(objects, selection(objects, missing, multi), STUDY)["row"].tolist() == [4, 5]


def test_a_ledger_of_nothing(sample):
    nothing = Holdings(catalogue=107, unlisted=0, absent=107, spectra=0, rejected=0, in_cube=0, repeats=0)
    ledger = ledger_of(*(table.iloc[:0] for table in sample), held=nothing)
    assert ledger["count"].tolist() == [107] + [0] * 10


def test_tables_of_different_arrays_stop(sample):
    targets, objects, missing, multi = sample
    with pytest.raises(HissError, match="different arrays"):
        selection(objects, missing, multi.iloc[:3])
    with pytest.raises(HissError, match="'FLAG = 0'"):
        make_ledger(HELD, targets, selection(objects, missing, multi).iloc[:3], 3, STUDY)


@pytest.mark.parametrize(
    ("wrong", "step"),
    [
        ({"absent": 8}, "spectrum here"),
        ({"rejected": 3}, "spectrum readable"),
        ({"repeats": 1}, "image and spectrum available"),
        ({"spectra": 15}, "spectrum here"),
    ],
)
def test_a_miscount_stops_where_it_happened(sample, wrong, step):
    with pytest.raises(HissError, match=step):
        ledger_of(*sample, held=replace(HELD, **wrong))


def test_a_sample_of_another_length_than_its_cuts_stops(sample):
    targets, objects, missing, multi = sample
    with pytest.raises(HissError, match="'final sample': 3 less 0 is not 2"):
        make_ledger(HELD, targets, selection(objects, missing, multi), 2, STUDY)
    ledger = ledger_of(*sample)
    with pytest.raises(HissError, match="'AVG not NaN'"):
        check_ledger(ledger.assign(count=ledger["count"] + (ledger["key"] == "avg_not_nan")))


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


def test_accounts_of_what_was_asked_of_the_archive(books):
    manifest, frames, spectra, rejects = books
    repacked = manifest.assign(path=manifest["path"].replace("f1", "f1 repacked"))
    lost = manifest.iloc[[3]].assign(path="s2", fiber=3)
    planned = pd.concat([manifest, lost], ignore_index=True)
    refused = pd.DataFrame({"stage": "fetch", "kind": ["spectrum"], "path": ["s2"], "reason": "404"})
    refused = pd.concat([rejects, refused], ignore_index=True)
    accounts = check_accounts(repacked, frames, spectra, refused, planned)
    assert accounts["frames"] == {"planned": 2, "not_to_be_had": 0, "manifest": 2, "in_cube": 2, "rejected": 0}
    assert accounts["spectra"] == {"planned": 3, "not_to_be_had": 1, "manifest": 2, "in_cube": 1, "rejected": 1}
    assert accounts["rejects"] == {"links": {"spectrum": 1}, "fetch": {"spectrum": 1}}
    for change, sentence in (
        ((repacked, rejects, planned), "1 planned spectra are neither in the manifest .* s2"),
        ((repacked, refused.replace("s2", "s0"), planned), "planned spectra are"),
        ((repacked, pd.concat([refused, refused.iloc[1:].assign(path="s0")]), planned), "both in .* first s0"),
        ((repacked, refused, planned.iloc[:-1]), "missing spectra were never planned, the first s2"),
        ((repacked, refused, planned.iloc[1:]), "frames of the manifest were never planned, the first f0"),
    ):
        table, all_refused, asked = change
        with pytest.raises(HissError, match=sentence):
            check_accounts(table, frames, spectra, all_refused, asked)


def test_rows_and_spectra_are_counted_each_from_its_own_table(tmp_path, books):
    manifest, _, _, rejects = books
    with h5py.File(tmp_path / "sparse.h5", "w") as file:
        key = [("avg", "f8"), ("plate", "i8"), ("mjd", "i8"), ("fiber", "i8")]
        file[STAR_FORMATION_RATES] = np.array([(0, 266, 51602, 1), (0, 1, 2, 4), (0, 1, 2, 5)], dtype=key)
    used = pd.DataFrame({"target_id": [0, 0, 1]})
    assert holdings(manifest, catalogue_keys(tmp_path / "sparse.h5"), used, rejects) == Holdings(
        catalogue=3, unlisted=1, absent=2, spectra=2, rejected=1, in_cube=3, repeats=1
    )
