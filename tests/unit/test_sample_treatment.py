"""Short gaps bridged or left to the model, at every zoom; the cleaned sample and its ledger follow the choice."""

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiss.cube.overlap import edges_of, overlap_matrix
from hiss.cube.rebin import bin_centers
from hiss.errors import HissError
from hiss.sample.accounts import Holdings
from hiss.sample.arrays import load_rows
from hiss.sample.choice import Treatment
from hiss.sample.clean import cleaned, selection
from hiss.sample.fill import fill_short, has_long_gap, rebinned
from hiss.sample.gaps import find_gaps
from hiss.sample.ledger import make_ledger
from hiss.sample.treatment import Treated

LONGEST = 20

# ---- one zoom ----


@given(st.integers(1, 60), st.integers(1, 30), st.integers(1, LONGEST))
def test_a_straight_line_is_bridged_to_the_last_digit(first, length, longest):
    line = np.linspace(1, 2, 100, dtype=np.float32)[None]
    gapped = line.copy()
    gapped[0, first : first + length] = np.nan
    filled = fill_short(gapped, longest)
    if length <= longest and first + length < 100:
        np.testing.assert_allclose(filled, line, rtol=1e-6)
    else:
        np.testing.assert_array_equal(filled, gapped)
    assert has_long_gap(gapped, longest)[0] == (length > longest)


def test_a_gap_at_an_end_is_not_bridged_and_two_gaps_are_each_judged():
    flux = np.arange(60, dtype=np.float32)[None].repeat(2, axis=0)
    flux[0, :3] = flux[0, 57:] = np.nan
    flux[1, 5:9] = flux[1, 20:50] = np.nan
    filled = fill_short(flux, LONGEST)
    assert np.isnan(filled[0]).sum() == 6
    np.testing.assert_array_equal(filled[1, 5:9], [5, 6, 7, 8])
    assert np.isnan(filled[1, 20:50]).all()
    assert has_long_gap(flux, LONGEST).tolist() == [False, True]


# ---- all zooms ----


def zooms_of(flux):
    """Return zoom 0 and the coarser ones as the cube makes them: a bin is NaN where any of it is missing."""
    fine = bin_centers(0)
    made = {0: flux}
    for zoom in (1, 2, 3):
        share = overlap_matrix(edges_of(fine), edges_of(bin_centers(zoom)))
        gone = (share != 0).astype(float) @ np.isnan(flux).T.astype(float) > 0
        mean = (share @ np.nan_to_num(flux).T) / np.asarray(share.sum(axis=1))[:, None]
        made[zoom] = np.where(gone, np.nan, mean).T.astype(np.float32)
    return made


@pytest.mark.parametrize("zoom", [0, 1, 2, 3])
def test_a_bridged_spectrum_is_that_without_a_gap_at_every_zoom(zoom):
    wl = bin_centers(0)
    whole = np.stack([5 + wl / 1000, 20 - wl / 900]).astype(np.float32)
    gapped = whole.copy()
    gapped[0, 1000:1020] = gapped[1, 3000:3005] = gapped[1, 3100:3101] = np.nan
    one, other = zooms_of(gapped)[zoom], zooms_of(whole)[zoom]
    assert np.isnan(one).any(axis=1).all()
    filled = rebinned(one, bin_centers(zoom), fill_short(gapped, LONGEST), wl)
    np.testing.assert_allclose(filled, other, rtol=1e-5)
    np.testing.assert_array_equal(filled[~np.isnan(one)], one[~np.isnan(one)])


def test_a_coarse_bin_keeps_what_was_measured_in_it():
    wl = bin_centers(0)
    flux = np.ones((1, 4620), np.float32)
    flux[0, 1000:1008] = 1000
    gapped = flux.copy()
    gapped[0, 1007] = np.nan
    coarse = zooms_of(gapped)[3]
    filled = rebinned(coarse, bin_centers(3), fill_short(gapped, LONGEST), wl)
    assert filled.max() > 800, "a line under a gap of one sample is still there"


# ---- what a model is given ----


@pytest.fixture
def arrays(tmp_path):
    """Six spectra: whole, a short gap, a long one, a short one at an end, both, and missing throughout."""
    rng = np.random.default_rng(1)
    flux = rng.normal(10, 1, (6, 4620)).astype(np.float32)
    for row, first, stop in ((1, 500, 520), (2, 500, 521), (3, 0, 5), (4, 100, 110), (4, 4000, 4100), (5, 0, 4620)):
        flux[row, first:stop] = np.nan
    for zoom, spectra in zooms_of(flux).items():
        with h5py.File(tmp_path / f"zoom{zoom}.h5", "w") as file:
            file["spectra"], file["wl"], file["target_id"] = spectra, bin_centers(zoom), np.arange(6)
    return tmp_path


def spectra_of(arrays, zoom, gaps, rows=range(6)):
    objects = load_rows(arrays / f"zoom{zoom}.h5", list(rows), "spectra", sigma=False)
    return Treated(Treatment(gaps=gaps, longest=LONGEST), arrays / "zoom0.h5").spectra(objects).spectra, objects.spectra


@pytest.mark.parametrize("zoom", [0, 3])
def test_short_gaps_are_bridged_and_long_ones_stay(arrays, zoom):
    treated, before = spectra_of(arrays, zoom, "interpolate")
    assert np.isnan(treated).any(axis=1).tolist() == [False, False, True, True, True, True]
    assert np.isnan(before[4]).sum() > np.isnan(treated[4]).sum() > 0
    np.testing.assert_array_equal(treated[~np.isnan(before)], before[~np.isnan(before)])
    again, _ = spectra_of(arrays, zoom, "interpolate", [4, 1])
    np.testing.assert_array_equal(again, treated[[4, 1]])


@pytest.mark.parametrize("zoom", [0, 3])
def test_short_gaps_are_left_and_spectra_with_long_ones_are_none(arrays, zoom):
    treated, before = spectra_of(arrays, zoom, "mask")
    assert np.isnan(treated).all(axis=1).tolist() == [False, False, True, False, True, True]
    np.testing.assert_array_equal(treated[[0, 1, 3]], before[[0, 1, 3]])


def test_nothing_is_treated_by_default(arrays):
    treated, before = spectra_of(arrays, 0, "reject")
    assert treated is before
    assert Treatment().leaves_all
    choice = {"flag": "zero", "multi_object": "keep", "detector": "threshold", "gaps": "reject", "longest": 20}
    assert Treatment.of_choice(choice, {"band": "r"}).leaves_all
    assert Treatment.of_choice(choice | {"multi_object": "mask"}, {"band": "r"}).segmentation == {"band": "r"}
    assert Treated.of(None, [], []) is None


def test_files_that_are_not_there_or_of_other_objects_are_told(arrays):
    objects = load_rows(arrays / "zoom3.h5", [1], "spectra", sigma=False)
    with pytest.raises(HissError, match="the arrays of zoom 0, and none is given"):
        Treated(Treatment(gaps="mask", longest=5)).spectra(objects)
    with h5py.File(arrays / "zoom0.h5", "a") as file:
        file["target_id"][...] = np.arange(6) + 1
    with pytest.raises(HissError, match="other objects"):
        Treated(Treatment(gaps="mask", longest=5), arrays / "zoom0.h5").spectra(objects)


# ---- the cleaned sample and its ledger ----


HELD = Holdings(catalogue=6, unlisted=0, absent=0, spectra=6, rejected=0, in_cube=6, repeats=0)


@pytest.fixture
def tables(arrays):
    gaps, missing = find_gaps({zoom: arrays / f"zoom{zoom}.h5" for zoom in range(4)})
    objects = pd.DataFrame(
        {"row": range(6), "target_id": range(6), "avg": 0.5, "flag": 0, "objid": 1, "ra": 10.0, "dec": 0.0}
    )
    multi = pd.DataFrame({"row": range(6), "multi": [True, False, False, False, False, False], "missing_pixels": 0})
    sources = pd.DataFrame({"row": range(6), "multi": [False, True, False, False, False, False]})
    return objects, selection(objects, missing, multi, gaps, LONGEST, sources)


@pytest.mark.parametrize(
    ("choice", "rows", "said"),
    [
        ({}, [], "1 with several cut"),
        ({"detector": "segmentation"}, [0], "0 with several cut"),
        ({"multi_object": "mask", "detector": "segmentation"}, [0], "0 with several kept, their neighbours taken out"),
        ({"gaps": "interpolate"}, [1], "short gaps bridged by a straight line: 1 spectra"),
        ({"gaps": "mask"}, [1, 3], "short gaps left to the model as missing: 2 spectra"),
        ({"gaps": "mask", "multi_object": "keep"}, [0, 1, 3], "1 with several kept, as the config says"),
        (
            {"gaps": "interpolate", "multi_object": "mask", "detector": "segmentation"},
            [0, 1],
            "1 with several kept, their neighbours taken out of the cutouts",
        ),
    ],
)
def test_sample_and_ledger_follow_the_choice(tables, choice, rows, said):
    objects, passes = tables
    plain = {"flag": "zero", "multi_object": "reject", "detector": "threshold", "gaps": "reject", "longest": LONGEST}
    choice = plain | choice
    kept = cleaned(objects, passes, choice)
    assert kept["row"].tolist() == rows
    ledger = make_ledger(HELD, objects, passes, len(kept), choice)
    assert ledger["count"].iloc[-1] == len(rows)
    assert said in " ".join(ledger["note"])
    assert (ledger["thesis"].iloc[-1] is pd.NA) == (choice["gaps"] != "reject"), "the thesis counts gap-free spectra"


def test_segmentation_that_was_not_made_is_told(tables):
    objects, passes = tables
    passes = passes.assign(alone=pd.array([pd.NA] * 6, dtype="boolean"))
    choice = {"flag": "zero", "multi_object": "reject", "detector": "segmentation", "gaps": "reject", "longest": 20}
    with pytest.raises(HissError, match=r"give sources\.parquet"):
        cleaned(objects, passes, choice)
