"""What LightGBM looks at: the line, the band and the pixels that its labels were made of are those that are found."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiss.errors import HissError
from hiss.evaluation.attribution import Attribution
from hiss.evaluation.importance import (
    IMPORTANCE_COLUMNS,
    layout_of,
    measure_importance,
    squared_errors,
    summarise_importance,
)
from hiss.evaluation.regions import Layout, exchange_line, has_line, in_window, lines_within, pixel_radius, regions_of
from hiss.models.base import Data
from hiss.models.lgbm import LightGBM
from hiss.report.answers_importance import importance_sentences
from hiss.spectral_lines import SPECTRAL_LINES

WL = np.linspace(3840.0, 8915.0, 577)
LINES = {line.name: line for line in SPECTRAL_LINES}


def spectra_of(strength, z, rng, noise=0.1):
    """Flat spectra with H-alpha of some strength at their redshifts."""
    rest = WL / (1 + z[:, None])
    lines = strength[:, None] * np.exp(-0.5 * ((rest - LINES["H-alpha"].wavelength) / 8) ** 2)
    return (5 + lines + rng.normal(0, noise, (len(z), len(WL)))).astype("f4")


def galaxies(n, seed):
    """The label is the strength of H-alpha plus the brightness of the inner pixels of the r band."""
    rng = np.random.default_rng(seed)
    strength, inner = rng.uniform(0, 4, n), rng.uniform(0, 4, n)
    z = rng.uniform(0.06, 0.065, n)
    images = rng.normal(0, 0.1, (n, 5, 8, 8))
    images[:, 2] += np.where(pixel_radius(8) < 3, inner[:, None, None], 0)
    data = Data.from_arrays(images.astype("f4"), spectra_of(strength, z, rng), strength + inner)
    return data, z


@pytest.fixture(scope="module")
def measured():
    train, _ = galaxies(400, 1)
    validation, z = galaxies(200, 2)
    model = LightGBM("early", min_data_in_leaf=5, rounds=150, max_depth=4)
    model.fit(train, validation)
    regions, maps = measure_importance(model, validation, WL, z, np.arange(200) // 2, 3, 200, 1)
    return model, validation, regions, maps


# ---- regions ----


@given(side=st.sampled_from([0, 8, 16]), samples=st.sampled_from([0, 40, 577]), extras=st.integers(0, 2))
def test_regions_of_one_kind_hold_every_column_of_theirs_once(side, samples, extras):
    if not (side or samples or extras):
        return
    layout = Layout(side, np.linspace(3840, 8915, samples), [f"extra {place}" for place in range(extras)])
    held = {}
    for region in regions_of(layout):
        held.setdefault(region.kind, []).extend(region.columns.tolist())
    pixels, all_samples = range(5 * side**2), range(5 * side**2, 5 * side**2 + samples)
    for kind, columns in held.items():
        expected = pixels if kind in ("images", "band", "ring") else all_samples
        if kind != "other":
            assert sorted(columns) == list(expected)
    everything = [column for kind in ("images", "spectrum", "other") for column in held.get(kind, [])]
    assert sorted(everything) == list(range(layout.n_columns))


def test_rings_are_about_the_centre_of_the_cutout():
    radius = pixel_radius(64)
    assert radius.min() == pytest.approx(0.396 / np.sqrt(2))
    assert radius.max() == pytest.approx(31.5 * 0.396 * np.sqrt(2))
    inner = next(region for region in regions_of(Layout(64, np.empty(0))) if region.kind == "ring")
    assert len(inner.columns) == 5 * (radius < 3).sum()


def test_windows_of_lines_do_not_overlap_and_move_with_the_redshift():
    ordered = sorted(SPECTRAL_LINES, key=lambda line: line.wavelength)
    for one, other in pairwise(ordered):
        assert one.wavelength + one.half_width < other.wavelength - other.half_width
    z = np.array([0.0, 0.1])
    inside = in_window(WL, z, LINES["H-beta"])
    for row, redshift in zip(inside, z, strict=True):
        assert abs(WL[row].mean() / (1 + redshift) - LINES["H-beta"].wavelength) < 5
    assert not has_line(WL, np.array([0.4, np.nan]), LINES["H-alpha"]).any(), "beyond the red end, and unknown"


def test_a_line_is_exchanged_at_the_object_s_own_redshift():
    rng = np.random.default_rng(1)
    z, donor_z = np.array([0.06, 0.10]), np.array([0.12, 0.05])
    own, donor = spectra_of(np.array([1.0, 2.0]), z, rng, 0), spectra_of(np.array([3.0, 0.0]), donor_z, rng, 0)
    line = LINES["H-alpha"]
    changed = exchange_line(own.astype(float), z, donor.astype(float), donor_z, WL, line)
    expected = spectra_of(np.array([3.0, 0.0]), z, rng, 0)
    inside = in_window(WL, z, line)
    np.testing.assert_allclose(changed[inside], expected[inside], atol=0.3), "samples are 9 Angstrom apart"
    np.testing.assert_array_equal(changed[~inside], own[~inside].astype(float))
    same = exchange_line(own.astype(float), z, own.astype(float), z, WL, line)
    np.testing.assert_allclose(same, own, rtol=1e-6), "its own line leaves it as it is"


# ---- permutation ----


def test_exchanging_what_a_linear_model_sees_costs_what_theory_says():
    rng = np.random.default_rng(3)
    n = 4000
    images = rng.normal(0, 1, (n, 5, 8, 8)).astype("f4")
    spectra = rng.normal(5, 1, (n, len(WL))).astype("f4")
    data = Data.from_arrays(images, spectra, images[:, 1].mean(axis=(1, 2)) + rng.normal(0, 0.05, n))

    def predict(block):
        return block.images[:, 1].mean(axis=(1, 2), dtype=np.float64)

    found = squared_errors(predict, data, layout_of(data, WL), np.full(n, 0.1), 2, 1)
    own = found["", ""]
    np.testing.assert_allclose(own, (predict(data) - data.target) ** 2)
    assert found["band", "g"].mean() == pytest.approx(own.mean() + 2 / 64, rel=0.05), "twice the variance of the mean"
    for kind, name in [("band", "r"), ("spectrum", "whole spectrum"), ("line", "H-alpha")]:
        np.testing.assert_array_equal(found[kind, name], own)


def test_the_line_the_band_and_the_ring_that_make_the_label_are_found(measured):
    _, _, regions, _ = measured
    assert list(regions) == IMPORTANCE_COLUMNS
    at = regions.set_index(["kind", "name"])
    for kind, name in (("line", "H-alpha"), ("band", "r"), ("ring", "0 to 3 arcsec")):
        own = at.loc[kind]
        assert own["delta_rmse"].idxmax() == name
        assert own["contribution"].idxmax() == name
        assert own["gain_share"].idxmax() == name
        assert own.loc[name, "delta_low"] > 0.2
        assert (own.drop(name)["delta_rmse"].abs() < 0.1).all()
    assert (at["delta_low"].dropna() <= at["delta_rmse"].dropna()).all()
    assert (at["delta_rmse"].dropna() <= at["delta_high"].dropna()).all()


def test_shares_of_the_gain_add_up(measured):
    _, _, regions, maps = measured
    share = regions.groupby("kind")["gain_share"].sum()
    assert share["images"] + share["spectrum"] == pytest.approx(1)
    assert share["band"] == pytest.approx(share["images"])
    assert share["ring"] == pytest.approx(share["images"])
    assert share["wavelengths"] == pytest.approx(share["spectrum"])
    assert share["line"] + share["continuum"] == pytest.approx(share["spectrum"])
    assert maps["gain_share"].sum() == pytest.approx(1)


def test_contributions_add_up_to_predictions(measured):
    model, data, _, _ = measured
    parts = model.contributions(data)
    assert parts.shape == data.features.shape
    rest = model.predict(data) - parts.sum(axis=1)
    np.testing.assert_allclose(rest, rest[0], atol=1e-6), "the mean prediction is left"


def test_a_line_is_sharp_at_rest_though_it_moves(measured):
    _, _, _, maps = measured
    rest = maps[maps["part"] == "rest"]
    peak = rest.loc[rest["contribution"].idxmax(), "wavelength"]
    assert abs(peak - LINES["H-alpha"].wavelength) < 20
    pixels = maps[maps["part"] == "pixel"]
    best = pixels.loc[pixels["contribution"].astype(float).idxmax()]
    assert best["name"] == "r"
    assert {best["y"], best["x"]} <= {3, 4}


def test_an_attribution_sums_within_a_region_before_it_takes_the_size():
    layout = Layout(0, WL, [])
    attribution = Attribution(layout, np.array([0.1, 0.1]))
    parts = np.zeros((2, len(WL)))
    parts[0, 10], parts[0, 12] = 1.0, -1.0  # of one range of wavelength
    parts[1, 10] = -0.5
    attribution.add(parts[:1])
    attribution.add(parts[1:])
    table = attribution.regions_table().set_index("kind")
    assert table.loc["spectrum", "contribution"] == pytest.approx(0.25)
    samples = attribution.map_table().query("part == 'sample'")
    assert samples["contribution"].sum() == pytest.approx(1.25)
    assert samples["signed"].sum() == pytest.approx(-0.25)


def test_objects_without_a_redshift_have_no_lines_but_regions():
    data, _ = galaxies(30, 5)
    model = LightGBM("early", min_data_in_leaf=3, rounds=5)
    model.fit(data, data)
    regions, maps = measure_importance(model, data, WL, np.full(30, np.nan), np.arange(30), 1, 50, 1)
    assert not {"line", "continuum"} & set(regions["kind"])
    assert "rest" not in set(maps["part"])
    assert lines_within(WL, np.full(30, np.nan)) == []


def test_wavelengths_of_another_zoom_are_refused():
    data, _ = galaxies(5, 1)
    with pytest.raises(HissError, match="40 wavelengths for spectra of 577 samples"):
        layout_of(data, WL[:40])


# ---- in words ----


def test_sentences_name_what_matters(measured):
    _, _, regions, _ = measured
    summary = summarise_importance({("early", 3): regions})
    assert list(summary)[:2] == ["modality", "zoom"]
    told = " ".join(importance_sentences(summary))
    assert "LightGBM with early fusion at zoom 3" in told
    assert "of the lines it misses most H-alpha (" in told
    assert "of the bands it misses most r (" in told
    assert "without its own images the RMSE rises by" in told
    assert importance_sentences(None) == importance_sentences(summary.head(0)) == []


def test_sentences_say_where_nothing_matters(measured):
    _, _, regions, _ = measured
    nothing = regions.assign(delta_low=-0.1, delta_high=0.1)
    told = " ".join(importance_sentences(summarise_importance({("early", 3): nothing})))
    assert "none of the lines matters by itself" in told
    assert "none of the bands matters by itself" in told


def test_tables_are_joined_in_the_order_of_the_study():
    one = pd.DataFrame([dict.fromkeys(IMPORTANCE_COLUMNS, 0)])
    joined = summarise_importance({("early", 0): one, ("photo", 3): one, ("photo", 0): one, ("spectra", 1): one})
    assert list(zip(joined["modality"], joined["zoom"], strict=True)) == [
        ("photo", 0), ("photo", 3), ("spectra", 1), ("early", 0),
    ]  # fmt: skip
