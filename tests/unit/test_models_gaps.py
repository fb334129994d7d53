"""Missing samples that the sample leaves to the models: what each of them makes of NaN, from bins to predictions."""

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.tree import DecisionTreeRegressor

from hiss.errors import HissError
from hiss.models import bins as module
from hiss.models.base import Data, count_unusable
from hiss.models.bins import binning, make_bins
from hiss.models.lgbm import LightGBM
from hiss.models.rest_frame import rest_edges, to_rest
from hiss.models.scaling import SpectrumScaling
from hiss.models.tree import DecisionTree
from hiss.models.vgg import VGGNet12

N, SAMPLES = 400, 24


def data_of(rng, n=N, share=0.1, never=()):
    """Spectra of which one sample tells the label, and whether another is missing tells as much."""
    label = rng.normal(size=n)
    spectra = rng.normal(5, 1, (n, SAMPLES)).astype("f4")
    spectra[:, 3] = 5 + label + rng.normal(0, 0.1, n)
    gone = rng.random((n, SAMPLES)) < share
    gone[:, list(never)] = gone[:, [3, 7]] = False
    gone[:, 7] = rng.random(n) < 0.5
    spectra[gone] = np.nan
    data = Data.from_arrays(spectra=spectra, target=label + 2 * gone[:, 7])
    return replace(data, gaps=True)


@pytest.fixture(scope="module")
def sides():
    rng = np.random.default_rng(1)
    return data_of(rng), data_of(rng, 120)


SETTINGS = {
    LightGBM: {"min_data_in_leaf": 5, "rounds": 60, "feature_fraction": 1.0},
    DecisionTree: {"max_depth": 4, "min_samples_leaf": 5},
}


@pytest.mark.parametrize("kind", [LightGBM, DecisionTree])
def test_trees_learn_from_what_is_missing_and_load_as_they_were(kind, sides, tmp_path):
    train, validation = sides
    model = kind("spectra", **SETTINGS[kind])
    model.fit(train, validation)
    error = model.predict(validation) - validation.target
    assert np.sqrt((error**2).mean()) < 0.6 * validation.target.std()
    model.save(tmp_path)
    assert_array_equal(kind.load(tmp_path).predict(validation), model.predict(validation))


def test_a_tree_walks_as_scikit_learn_does(sides):
    train, validation = sides
    model = DecisionTree("spectra", max_depth=5)
    model.fit(train, validation)
    learner = DecisionTreeRegressor(max_depth=5, random_state=1).fit(train.features, train.target)
    assert_array_equal(model.predict(validation), learner.predict(validation.features))


def test_a_tree_of_whole_spectra_is_saved_as_before(tmp_path):
    rng = np.random.default_rng(2)
    whole = Data.from_arrays(spectra=rng.normal(size=(50, 4)).astype("f4"), target=rng.normal(size=50))
    model = DecisionTree("spectra", max_depth=2)
    model.fit(whole, whole)
    model.save(tmp_path)
    with np.load(tmp_path / "model.npz") as nodes:
        assert "missing_left" not in nodes


# ---- LightGBM's bins ----


def leaves_of_missing(dataset, features):
    """Return, for a stump on the only feature, the predictions of zero, of missing, and of a large value."""
    booster = lgb.train(binning(15) | {"objective": "regression", "min_data_in_leaf": 1}, dataset, 20)
    return booster.predict(features)


def test_lightgbm_takes_missing_for_zero_where_no_row_of_the_edges_lacks_it():
    """What our own choice of these rows is for: were this to change, it could go."""
    x = np.linspace(-1, 1, 300)[:, None].astype("f4")
    plain = lgb.Dataset(x, label=x[:, 0] ** 2, params=binning(15))
    zero, missing, high = leaves_of_missing(plain, [[0.0], [np.nan], [1.0]])
    assert missing == zero != high
    train = replace(Data.from_arrays(spectra=x, target=x[:, 0] ** 2), gaps=True)
    zero, missing, _ = leaves_of_missing(make_bins(train, train, 15, 1)[0], [[0.0], [np.nan], [1.0]])
    assert missing != zero


@pytest.mark.parametrize("rows", [2000, 50])
def test_missing_has_a_bin_at_every_sample_however_rare_it_is(rows, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_SAMPLE_ROWS", rows)
    rng = np.random.default_rng(3)
    train, validation = data_of(rng, share=0.002), data_of(rng, 100, 0.05)
    assert not np.isnan(train.features).any(axis=0).all(), "at some samples, no training object is without a flux"
    paths = [tmp_path / "train.bins", tmp_path / "validation.bins"]
    for dataset, path in zip(make_bins(train, validation, 63, 1), paths, strict=True):
        dataset.save_binary(path)
    binned = [replace(data, bins=path) for data, path in zip((train, validation), paths, strict=True)]
    model = LightGBM("spectra", **SETTINGS[LightGBM], cross_validate=True)
    model.fit(*binned)
    assert_allclose(model.predict(validation), _as_binned(model, binned[1]), rtol=1e-6)
    anew = LightGBM("spectra", **SETTINGS[LightGBM])
    anew.fit(train, validation)
    assert_array_equal(anew.predict(validation), model.predict(validation))
    assert np.isfinite(model.out_of_fold(binned[0], np.arange(N) % 5)).all()
    assert '"missing_type": "NaN"' in str(model._booster.dump_model()).replace("'", '"')


def _as_binned(model, validation):
    """Return the predictions that LightGBM makes of the binned validation objects while it trains."""
    rmse = model.curve["validation_rmse"].iloc[model.best_iteration - 1]
    error = model.predict(replace(validation, bins=None)) - validation.target
    assert np.sqrt((error**2).mean()) == pytest.approx(rmse, rel=1e-6)
    return model.predict(replace(validation, bins=None))


# ---- the CNN ----


def test_a_missing_sample_is_the_scaled_mean():
    rng = np.random.default_rng(4)
    train = data_of(rng)
    scaling = SpectrumScaling.fit(train)
    shape, norm = scaling.apply(train.spectra)
    missing = np.isnan(train.spectra)
    assert np.isfinite(shape).all()
    assert np.isfinite(norm).all()
    assert_array_equal(shape[missing], 0)
    columns = [shape[~missing[:, one], one].mean() for one in range(SAMPLES)]
    assert_allclose(columns, 0, atol=1e-5)
    assert shape[~missing].std() == pytest.approx(1, abs=1e-3)
    whole = np.where(missing, 5.0, train.spectra).astype("f4")
    before = SpectrumScaling.fit(Data.from_arrays(spectra=whole))
    assert_allclose(before.apply(whole)[1][:, 0] * before.norm_std + before.norm_mean,
                    np.log10(np.abs(whole).mean(axis=1)), atol=1e-5)  # fmt: skip


def test_the_cnn_is_trained_on_spectra_with_gaps(sides, tmp_path):
    train, validation = sides
    model = VGGNet12("spectra", learning_rate=1e-3, epochs=2, width=4, batch_size=32)
    model.fit(train, validation)
    model.save(tmp_path)
    assert np.isfinite(model.predict(validation)).all()
    assert_array_equal(VGGNet12.load(tmp_path).predict(validation), model.predict(validation))


# ---- what is no gap ----


def test_only_short_gaps_of_a_spectrum_may_be_missing(sides):
    train, validation = sides
    with pytest.raises(HissError, match=r"\d+ of 400 of the training objects have NaN"):
        DecisionTree("spectra").fit(replace(train, gaps=False), validation)
    features = train.features.copy()
    features[5] = np.nan  # a long gap: the whole spectrum is none
    features[6, 2] = np.inf
    assert count_unusable(replace(train, features=features)) == 2
    images = np.ones((3, 5, 2, 2), "f4")
    images[1, 0, 0, 0] = np.nan
    spectra = np.ones((3, 4), "f4")
    spectra[2, 1] = np.nan
    both = Data.from_arrays(images, spectra, extras=np.array([[1.0], [1.0], [1.0]], "f4"))
    assert count_unusable(both) == 2
    assert count_unusable(replace(both, gaps=True)) == 1
    assert replace(both, gaps=True).take([0, 2]).gaps


# ---- at rest ----


def test_a_gap_moves_to_rest_and_what_is_beside_it_stays():
    wl = np.linspace(3840, 8915, 1155)
    flux = np.stack([3 + wl / 2000, 3 + wl / 2000]).astype("f4")
    flux[1, 400:420] = np.nan
    z = np.array([0.1, 0.1])
    whole, gapped = to_rest(flux, wl, z)
    edges = rest_edges(wl) * 1.1
    lost = np.isnan(gapped)
    step = wl[1] - wl[0]
    assert_array_equal(lost, (edges[:-1] >= wl[400] - step / 2) & (edges[1:] <= wl[419] + step / 2))
    assert 15 < lost.sum() < 20
    assert_allclose(gapped[~lost], whole[~lost], rtol=1e-3)
    assert np.isnan(to_rest(np.full_like(flux, np.nan), wl, z)).all()
