"""Structure without labels: which objects, as which points, and the numbers that are made of points."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_sky import make_sky
from sklearn.metrics import adjusted_rand_score, homogeneity_score

from hiss.errors import HissError
from hiss.structure import clusters, near
from hiss.structure.draws import half_sampled, mean_of
from hiss.structure.features import (
    bridged,
    image_points,
    joined,
    load_points,
    spectrum_points,
)
from hiss.structure.objects import choose_objects, draw_by_class

WL = np.linspace(3800, 9200, 240)


def targets(kinds, avg):
    n = len(kinds)
    return pd.DataFrame({"target_id": np.arange(n), "class": kinds, "avg": avg, "z": 0.1})


def test_objects_are_chosen_with_or_without_a_label_and_counted():
    kinds = ["GALAXY ", "STAR", "", "QSO", "GALAXY"]
    missing = pd.DataFrame({"missing_samples": [0, 0.01, 0, 0.5, 0], "missing_pixels": [0, 0, 0, 0, 3]})
    table, counts = choose_objects(targets(kinds, [0.5, np.nan, -99, 0.1, 0.2]), missing, 0.02, 100, seed=1)
    assert table["target_id"].tolist() == [0, 1, 2]
    assert table["class"].tolist() == ["GALAXY", "STAR", "unknown"]
    assert table["log_sfr"].tolist()[:1] == [0.5]
    assert table["log_sfr"].isna().tolist() == [False, True, True]
    assert counts == {"targets": 5, "whole": 4, "usable": 3, "chosen": 3}


@given(st.lists(st.integers(0, 400), min_size=1, max_size=5), st.integers(50, 300), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_a_draw_keeps_the_rare_and_never_passes_the_cap(sizes, most, seed):
    kind = np.repeat(np.array(list("ABCDE"), dtype=object)[: len(sizes)], sizes)
    drawn = draw_by_class(kind, most, seed)
    assert (np.diff(drawn) > 0).all()
    assert len(drawn) == len(kind) if len(kind) <= most else most - 5 <= len(drawn) <= most
    assert np.array_equal(drawn, draw_by_class(kind, most, seed))
    largest = int(np.argmax(sizes))
    for place, size in enumerate(sizes):
        if place != largest:
            assert (kind[drawn] == "ABCDE"[place]).sum() >= min(size, most // 10)


def test_points_do_not_see_how_bright_an_object_is():
    rng = np.random.default_rng(1)
    images = (5 + rng.random((1, 5, 16, 16))).astype(np.float32)
    spectra = (5 + rng.random((1, 240))).astype(np.float32)
    for make, flux in (
        (lambda f, s: image_points(f, s).values, images),
        (lambda f, s: spectrum_points(f, s, WL).values, spectra),
    ):
        both = make(np.concatenate([flux, 30 * flux]), np.full((2, *flux.shape[1:]), 0.01, np.float32))
        np.testing.assert_allclose(both[0], both[1], rtol=1e-5)


def test_colours_stay_where_brightness_goes():
    images = np.ones((2, 5, 16, 16), np.float32)
    images[1, 0] = 3
    points = image_points(images, np.full(images.shape, 0.01, np.float32)).values.reshape(2, 5, -1)
    np.testing.assert_allclose(points[0, 1:], points[1, 1:], rtol=1e-6)
    np.testing.assert_allclose(np.sinh(points[1, 0]) / np.sinh(points[0, 0]), 3, rtol=1e-5)


def test_a_faint_object_is_measured_in_its_noise_and_one_without_sigma_in_its_scatter():
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 1, (400, 240)).astype(np.float32)
    for sigma in (1.0, np.nan):
        points = spectrum_points(noise, np.full(noise.shape, sigma, np.float32), WL)
        assert np.abs(points.values).max() < 3
        assert points.knows_noise == np.isfinite(sigma)


def test_the_noise_of_points_is_what_repeated_noise_gives():
    rng = np.random.default_rng(3)
    wl = np.linspace(3800, 9200, 4620)
    truth = np.broadcast_to(4 + np.sin(wl / 500), (300, 4620))
    sigma = np.full(truth.shape, 0.2, np.float32)
    points = spectrum_points((truth + rng.normal(0, 0.2, truth.shape)).astype(np.float32), sigma, wl)
    measured = points.summed((points.values - points.values.mean(axis=0)) ** 2).mean(axis=0)
    np.testing.assert_allclose(measured, points.noise.mean(axis=0), rtol=0.03)


def test_gaps_are_bridged_and_ends_prolonged():
    flux = np.array([[np.nan, 1, np.nan, np.nan, 4, np.nan], [1, 2, 3, 4, 5, 6]], np.float32)
    assert bridged(flux).tolist() == [[1, 1, 2, 3, 4, 4], [1, 2, 3, 4, 5, 6]]


def test_joined_blocks_weigh_the_same():
    rng = np.random.default_rng(4)
    images = (5 + rng.normal(0, 1, (60, 5, 8, 8))).astype(np.float32)
    spectra = (5 + rng.normal(0, 0.1, (60, 240))).astype(np.float32)
    photo = image_points(images, np.full(images.shape, 1, np.float32))
    both = joined(photo, spectrum_points(spectra, np.full(spectra.shape, 0.1, np.float32), WL))
    variance = both.values.var(axis=0, dtype=np.float64)
    assert variance[:320].sum() == pytest.approx(1, rel=1e-4)
    assert variance[320:].sum() == pytest.approx(1, rel=1e-4)
    assert len(both.parts) == 10 + 12 == both.noise.shape[1]
    assert both.part.max() == 21


def test_an_object_without_flux_at_a_coarse_zoom_is_refused(tmp_path):
    import h5py

    make_sky(tmp_path, n=6, zooms=(3,))
    with h5py.File(tmp_path / "zoom3.h5", "r+") as file:
        file["images"][1, 0, 0, 0] = np.nan
    with pytest.raises(HissError, match=r"zoom3.h5: objects that are whole at zoom 0 miss flux here; build"):
        load_points(tmp_path / "zoom3.h5", np.arange(6), "photo")


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=60))
@settings(max_examples=150, deadline=None)
def test_agreement_of_clusters_is_scikit_learn_s(pairs):
    first, second = np.array(pairs).T
    together = clusters.counted_together(first, second)
    assert clusters.adjusted_rand(together) == pytest.approx(adjusted_rand_score(first, second), abs=1e-9)
    assert clusters.homogeneity(together) == pytest.approx(homogeneity_score(second, first), abs=1e-9)


def test_separate_clusters_are_found_and_shuffled_classes_agree_by_chance():
    rng = np.random.default_rng(5)
    kind = np.repeat(np.array(["A", "B", "C"], dtype=object), 60)
    points = rng.normal(0, 0.3, (180, 3)) + np.repeat(np.eye(3) * 10, 60, axis=0)
    found, tried = clusters.k_means(points, range(2, 7), seed=1)
    assert max(tried, key=tried.get) == 3
    right = clusters.compared(clusters.adjusted_rand, found, kind, 100, seed=1)
    assert right["value"] == right["low"] == right["high"] == 1
    assert abs(right["chance"]) < 0.02
    wrong = clusters.compared(clusters.adjusted_rand, found, rng.permutation(kind), 200, seed=1)
    assert wrong["low"] < 0.01
    assert abs(wrong["value"]) < 0.03
    dense, sure = clusters.hdbscan(np.concatenate([points, [[50.0, 50, 50]]]), 10)
    assert len(set(dense[:180])) == 3
    assert (dense[180], sure[180]) == (-1, 0)
    assert clusters.silhouette(points, np.zeros(180, np.int64), 1) != clusters.silhouette(points, found, 1)
    assert np.isnan(clusters.silhouette(points, np.zeros(180, np.int64), 1))


def test_neighbours_of_one_class_are_told_from_those_of_any():
    rng = np.random.default_rng(6)
    kind = np.repeat([0, 1], [90, 30])
    points = rng.normal(0, 0.3, (120, 2)) + 10 * kind[:, None]
    near_it = near.nearest(points, 5)
    assert near_it.shape == (120, 5)
    assert not (near_it == np.arange(120)[:, None]).any()
    pure = near.purity(near_it, kind, 50, seed=1)
    assert pure["value"] == pure["low"] == 1
    assert pure["chance"] == pytest.approx((89 / 119 + 29 / 119) / 2)
    mixed = near.purity(near_it, rng.permutation(kind), 100, seed=1)
    assert mixed["low"] < mixed["chance"] < mixed["high"]


def test_what_neighbours_tell_of_a_quantity():
    rng = np.random.default_rng(7)
    points = rng.uniform(0, 1, (800, 2))
    smooth = near.explained(near.nearest(points, 10), points[:, 0] ** 2, 50, seed=1)
    assert smooth["low"] > 0.95
    nothing = near.explained(near.nearest(points, 10), rng.normal(0, 1, 800), 200, seed=1)
    assert nothing["chance"] == -0.1
    assert nothing["low"] < nothing["chance"] < nothing["high"]


def test_neighbours_kept_and_what_lots_would_keep():
    rng = np.random.default_rng(8)
    n, k = 40, 6
    drawn = [np.stack([rng.permutation(n - 1)[:k] for _ in range(20000)]) for _ in range(2)]
    kept = near.jaccard(*drawn)
    few = range(200)
    brute = [len(set(drawn[0][i]) & set(drawn[1][i])) / len(set(drawn[0][i]) | set(drawn[1][i])) for i in few]
    np.testing.assert_allclose(kept[:200], brute)
    assert near.jaccard_by_chance(n, k) == pytest.approx(kept.mean(), abs=4 * kept.std() / np.sqrt(len(kept)))


def test_intervals_are_as_wide_as_theory_has_it():
    rng = np.random.default_rng(9)
    values = rng.normal(0, 1, 400)
    expected = 2 * 1.96 * values.std() / np.sqrt(400)
    low, high = half_sampled(lambda rows: float(values[rows].mean()), 400, 4000, seed=1)
    assert high - low == pytest.approx(expected, rel=0.1)
    measured = mean_of(values, 4000, seed=1)
    assert measured["high"] - measured["low"] == pytest.approx(expected, rel=0.1)
