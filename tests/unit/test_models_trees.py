"""The decision tree and LightGBM: the same as their libraries, and no more memory or fits than needed."""

import lightgbm as lgb
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.tree import DecisionTreeRegressor

from hiss.errors import HissError
from hiss.models.base import Data
from hiss.models.lgbm import LightGBM
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
    changed = Data(train.features, 0, np.where(FOLD == 2, 50.0, train.target))
    second.fit(train, validation)
    held = FOLD == 2
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


def test_lightgbm_bins_once_for_all_folds(monkeypatch):
    constructed = []
    original = lgb.Dataset._lazy_init

    def counted(self, *arguments, **keywords):
        constructed.append(keywords.get("reference", arguments[2] if len(arguments) > 2 else None) is None)
        return original(self, *arguments, **keywords)

    monkeypatch.setattr(lgb.Dataset, "_lazy_init", counted)
    train, validation = spectra(200, 1), spectra(60, 2)
    model = LightGBM("spectra", rounds=10, cross_validate=True)
    model.fit(train, validation)
    model.out_of_fold(train, FOLD)
    assert constructed == [True, False]  # the training set, and the validation set in its bins


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
