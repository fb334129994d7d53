"""The decision tree and LightGBM: the same as their libraries, and no more memory or fits than needed."""

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.tree import DecisionTreeRegressor
from small_sample import write_small_sample

from hiss.errors import HissError
from hiss.files import read_table
from hiss.models.base import Data
from hiss.models.bins import bin_features
from hiss.models.features import SIDES, Sources, prepare_features
from hiss.models.lgbm import LightGBM
from hiss.models.train import open_parts
from hiss.models.tree import DecisionTree, Nodes, walk


def spectra(n: int, seed: int, samples: int = 40) -> Data:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, samples)).astype("f4")
    label = values[:, 0] + 2 * (values[:, 3] > 0) + 0.3 * rng.normal(size=n)
    return Data.from_arrays(spectra=values, target=label)


FOLD = np.arange(200) % 5


@pytest.mark.parametrize("depth", [1, 3, 12])
def test_tree_predicts_as_scikit_learn_to_the_last_bit(depth):
    train, other = spectra(200, 1), spectra(500, 2)
    # Values met in training are where < and <= differ.
    other.features[:200] = train.features
    model = DecisionTree("spectra", max_depth=depth, seed=3)
    model.fit(train, other)
    theirs = DecisionTreeRegressor(max_depth=depth, random_state=3).fit(train.features, train.target)
    assert_array_equal(model.predict(other), theirs.predict(other.features))


def test_walk_compares_float32_features_with_float64_thresholds():
    nodes = Nodes(
        children_left=np.array([1, -1, -1]),
        children_right=np.array([2, -1, -1]),
        feature=np.array([0, -2, -2]),
        threshold=np.array([0.1, -2.0, -2.0]),
        value=np.array([0.0, -1.0, 1.0]),
    )
    # The float32 next to 0.1 lies above 0.1; were the threshold rounded to float32 too, it would go left.
    assert_array_equal(walk(nodes, np.array([[0.1], [0.05]], dtype="f4")), [1.0, -1.0])


def test_tree_of_a_fold_is_the_tree_of_its_subset():
    train = spectra(200, 1)
    model = DecisionTree("spectra", max_depth=4, min_samples_leaf=3, seed=3)
    model.fit(train, train)
    found = model.out_of_fold(train, FOLD)
    for fold in range(5):
        held = fold == FOLD
        theirs = DecisionTreeRegressor(max_depth=4, min_samples_leaf=3, random_state=3)
        theirs.fit(train.features[~held], train.target[~held])
        assert_array_equal(found[held], theirs.predict(train.features[held]))


@pytest.mark.parametrize("kind", [DecisionTree, LightGBM])
def test_out_of_fold_does_not_see_the_fold(kind):
    train, validation = spectra(200, 1), spectra(60, 2)
    settings = {"rounds": 20, "cross_validate": True} if kind is LightGBM else {"max_depth": 8}
    first, second = (kind("spectra", **settings) for _ in range(2))
    first.fit(train, validation)
    held = FOLD == 2
    changed = Data(train.features, 0, np.where(held, 50.0, train.target))
    second.fit(train, validation)
    if kind is LightGBM:
        second._binned.set_label(changed.target)
    assert_array_equal(second.out_of_fold(changed, FOLD)[held], first.out_of_fold(train, FOLD)[held])
    assert not np.array_equal(second.out_of_fold(changed, FOLD)[~held], first.out_of_fold(train, FOLD)[~held])


def test_folds_must_hold_every_training_object():
    train = spectra(200, 1)
    model = DecisionTree("spectra")
    model.fit(train, train)
    for fold in (np.zeros(200), np.where(FOLD == 4, -1, FOLD)):
        with pytest.raises(HissError, match="at least two folds"):
            model.out_of_fold(train, fold)


def test_tree_sees_flux_in_the_survey_unit_but_not_in_erg():
    train = spectra(200, 1)
    tiny = Data.from_arrays(spectra=train.features * np.float32(1e-17), target=train.target)
    in_unit, in_erg = DecisionTree("spectra"), DecisionTree("spectra")
    in_unit.fit(train, train)
    in_erg.fit(tiny, tiny)
    assert np.ptp(in_unit.predict(train)) > 1
    assert np.ptp(in_erg.predict(tiny)) == 0


def test_lightgbm_stops_early_and_keeps_the_best():
    train, validation = spectra(200, 1), spectra(60, 2)
    model = LightGBM("spectra", learning_rate=0.5, rounds=400, early_stopping_rounds=7)
    model.fit(train, validation)
    assert len(model.curve) == model.best_iteration + 7 < 400
    error = model.predict(train) - train.target
    at_best = model.curve.set_index("iteration").loc[model.best_iteration, "train_rmse"]
    assert_allclose(np.sqrt((error**2).mean()), at_best, rtol=1e-6)


@pytest.fixture
def binned(tmp_path):
    """Training and validation objects of a prepared file, without and with bins made beforehand."""
    sample = write_small_sample(tmp_path)
    out = tmp_path / "early.h5"
    prepare_features(
        Sources(sample / "zoom3.h5", objects=sample / "objects.parquet"),
        read_table(sample / "split.parquet"),
        "early",
        out,
        {},
    )
    bins = [tmp_path / f"{side}.bins" for side in SIDES]
    bin_features(out, 63, *bins, threads=1)
    plain, ready = (open_parts(out, paths) for paths in ((), bins))
    return [part.data for part in plain], [part.data for part in ready]


@pytest.mark.parametrize("settings", [{}, {"label_weights": True}, {"quantile": 0.9}, {"min_data_in_leaf": 3}])
def test_bins_made_beforehand_give_the_same_trees(binned, settings):
    texts, held_out = [], []
    for train, validation in binned:
        model = LightGBM("early", rounds=25, cross_validate=True, **{"min_data_in_leaf": 9, **settings})
        model.fit(train, validation)
        texts.append(model._booster.model_to_string())
        held_out.append(model.out_of_fold(train, np.arange(len(train)) % 5))
    assert texts[0] == texts[1]
    assert_array_equal(*held_out)


def test_nothing_is_binned_twice(binned, monkeypatch):
    def refused(*arguments):
        raise AssertionError("features are binned again")

    monkeypatch.setattr(lgb.Dataset, "_Dataset__init_from_np2d", refused)
    train, validation = binned[1]
    model = LightGBM("early", rounds=10, min_data_in_leaf=5, cross_validate=True)
    model.fit(train, validation)
    assert np.isfinite(model.out_of_fold(train, np.arange(len(train)) % 5)).all()
    # a part of the training objects, as a variant takes it
    part = train.take(np.arange(0, len(train), 2))
    model.fit(part, validation)
    assert len(model.predict_training(part)) == len(part)
    assert_allclose(model.predict_training(part), model.predict(part), rtol=0, atol=1e-12)


def test_a_part_of_the_bins_is_the_same_as_bins_of_which_it_is_a_part(binned):
    train, validation = binned[1]
    rows = np.flatnonzero(np.arange(len(train)) % 5 != 2)
    part = train.take(rows)
    model = LightGBM("early", rounds=12, early_stopping_rounds=100, min_data_in_leaf=5, cross_validate=True)
    model.fit(train, validation)
    model.best_iteration = 12
    held_out = model.out_of_fold(train, np.arange(len(train)) % 5)
    of_part = LightGBM("early", rounds=12, early_stopping_rounds=100, min_data_in_leaf=5)
    of_part.fit(part, validation)
    of_part.best_iteration = 12
    fold = np.setdiff1d(np.arange(len(train)), rows)
    assert_allclose(held_out[fold], of_part.predict(train.take(fold)), rtol=0, atol=1e-12)


def test_bins_of_something_else_are_told(binned, tmp_path):
    train, validation = binned[1]
    with pytest.raises(HissError, match=r"train\.bins: not the bins asked for"):
        LightGBM("early", max_bin=31).fit(train, validation)
    other = replace(train.take(np.arange(10)), bin_rows=None)
    with pytest.raises(HissError, match="bins of other objects"):
        LightGBM("early").fit(other, validation)
    (tmp_path / "train.bins").write_bytes(b"no bins")
    with pytest.raises(HissError, match="not the bins asked for"):
        LightGBM("early").fit(train, validation)


def test_features_with_gaps_are_not_binned(tmp_path):
    sample = write_small_sample(tmp_path)
    split = read_table(sample / "split.parquet")
    split.loc[split["split"] == "test", "split"] = "train"  # whose arrays are NaN
    sources = Sources(sample / "zoom3.h5", objects=sample / "objects.parquet")
    prepare_features(sources, split, "photo", tmp_path / "photo.h5", {})
    with pytest.raises(HissError, match="NaN or infinite features"):
        bin_features(tmp_path / "photo.h5", 63, tmp_path / "a.bins", tmp_path / "b.bins", threads=1)
    assert not list(tmp_path.glob("*.bins"))


def test_quantiles_lie_on_either_side():
    train, validation = spectra(400, 1), spectra(200, 2)
    low, high = (LightGBM("spectra", quantile=quantile, rounds=60) for quantile in (0.1, 0.9))
    for model in (low, high):
        model.fit(train, validation)
    assert list(low.curve) == ["iteration", "train_pinball", "validation_pinball"]
    below, above = (np.mean(validation.target < model.predict(validation)) for model in (low, high))
    assert below < 0.35 < 0.65 < above


def test_lightgbm_s_own_reader_takes_our_text(tmp_path):
    train, validation = spectra(200, 1), spectra(60, 2)
    model = LightGBM("spectra", rounds=10)
    model.fit(train, validation)
    model.save(tmp_path)
    theirs = lgb.Booster(model_file=tmp_path / "model.txt")
    assert_array_equal(theirs.predict(validation.features), model.predict(validation))


def test_lightgbm_does_not_depend_on_its_threads():
    train, validation = spectra(200, 1), spectra(60, 2)
    models = [LightGBM("spectra", rounds=30, threads=threads) for threads in (1, 2)]
    for model in models:
        model.fit(train, validation)
    assert_array_equal(models[0].predict(validation), models[1].predict(validation))


def test_lightgbm_leaves_are_limited_by_the_depth(tmp_path):
    train, validation = spectra(200, 1), spectra(60, 2)
    model = LightGBM("spectra", max_depth=2, num_leaves=31, min_data_in_leaf=2, rounds=5)
    model.fit(train, validation)
    model.save(tmp_path)
    text = (tmp_path / "model.txt").read_text()
    leaves = [int(line.split("=")[1]) for line in text.splitlines() if line.startswith("num_leaves=")]
    assert max(leaves) == 4
    assert "wl_0 wl_1 wl_2" in text


def test_damaged_models_are_told(tmp_path):
    (tmp_path / "model.txt").write_text("tree\nnot a model\n")
    with pytest.raises(HissError, match=r"model\.txt.*rerun"):
        LightGBM.load(tmp_path)
    train = spectra(200, 1)
    model = DecisionTree("spectra")
    model.fit(train, train)
    model.save(tmp_path)
    np.savez(tmp_path / "model.npz", value=np.zeros(1))
    with pytest.raises(HissError, match="no children_left"):
        DecisionTree.load(tmp_path)
