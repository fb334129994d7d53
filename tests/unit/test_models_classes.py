"""What every model promises of classes, tested on every model."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from class_data import CLASSES, LEARNS, SETTINGS, fitted, objects, short
from numpy.testing import assert_allclose, assert_array_equal

from hiss.errors import HissError
from hiss.models.class_metrics import class_scores
from hiss.models.run import MODELS, make_model, model_type
from hiss.models.trees import BASELINES

MODALITIES = ("photo", "spectra", "early", "spectra_rest_z")


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("name", MODELS)
def test_learns_three_classes(name, modality):
    model = make_model(name, LEARNS[name], modality)
    model.fit(objects(240, 1, modality, noise=0.15), objects(80, 2, modality, noise=0.15))
    held = objects(150, 3, modality, noise=0.15)
    p = model.predict(held)
    assert p.shape == (150, 3)
    assert p.dtype == np.float64
    assert_allclose(p.sum(axis=1), 1, rtol=0, atol=1e-9)
    assert model.classes == CLASSES
    assert class_scores(held.target, p)["balanced_accuracy"] > 0.8


@pytest.mark.parametrize("name", MODELS)
def test_learns_two_classes(name):
    two = ("quiescent", "star-forming")
    sides = [objects(n, seed, shares=(0.5, 0.5), classes=two) for n, seed in ((200, 1), (60, 2), (100, 3))]
    model = make_model(name, LEARNS[name], "early")
    model.fit(*sides[:2])
    p = model.predict(sides[2])
    assert p.shape == (100, 2)
    assert class_scores(sides[2].target, p)["balanced_accuracy"] > 0.85


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("name", MODELS)
def test_reloaded_classifier_predicts_the_same(name, modality, tmp_path):
    model, data = fitted(name, modality), objects(30, 3, modality)
    model.save(tmp_path)
    loaded = model_type(name).load(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(model.files)
    assert loaded.classes == CLASSES
    assert loaded.modality == modality
    assert_array_equal(loaded.predict(data), model.predict(data))
    assert loaded.predict(data.take(np.arange(0))).shape == (0, 3)
    assert loaded.best_iteration == model.best_iteration


@pytest.mark.parametrize("name", MODELS)
def test_same_seed_same_classifier(name, tmp_path):
    first, second = (fitted(name, class_weights=True) for _ in range(2))
    for model, folder in ((first, "a"), (second, "b")):
        model.save(tmp_path / folder)
    for file in first.files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    pd.testing.assert_frame_equal(first.curve, second.curve)


@pytest.mark.parametrize("name", MODELS)
def test_class_weights_raise_the_recall_of_the_rare_class(name):
    shares = (0.04, 0.9, 0.06)
    settings = {"decision_tree": {"max_depth": 2}, "lightgbm": {"rounds": 15}, "vggnet12": {"epochs": 15}}[name]
    train, held, test = (objects(n, seed, shares=shares, noise=0.8) for n, seed in ((300, 1), (150, 2), (600, 3)))
    recall = {}
    for weights in (False, True):
        model = make_model(name, LEARNS[name] | settings | {"class_weights": weights}, "early")
        model.fit(train, held)
        found = model.predict(test).argmax(axis=1)
        recall[weights] = np.mean([(found == code)[test.target == code].mean() for code in (0, 2)])
    assert recall[True] > recall[False] + 0.05


@pytest.mark.parametrize("name", MODELS)
def test_class_weights_say_nothing_to_a_regression(name):
    number, held = (replace(objects(n, seed), classes=()) for n, seed in ((80, 1), (40, 2)))
    found = []
    for weights in (False, True):
        model = make_model(name, SETTINGS[name] | {"class_weights": weights}, "early")
        model.fit(number, held)
        found.append(model.predict(held))
    assert_array_equal(*found)
    assert found[0].shape == (40,)


@pytest.mark.parametrize("name", MODELS)
def test_training_predictions_of_classes_are_those_of_the_training_objects(name):
    model, train = fitted(name), objects(150, 1)
    assert_allclose(model.predict_training(train), model.predict(train), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["lightgbm", "vggnet12"])
def test_curve_is_of_the_log_loss_and_has_its_best_iteration(name):
    model, held = fitted(name, class_weights=True), objects(60, 2)
    assert list(model.curve) == ["iteration", "train_log_loss", "validation_log_loss"]
    best = model.curve.loc[model.curve["validation_log_loss"].idxmin()]
    assert model.best_iteration == best["iteration"]
    assert_allclose(class_scores(held.target, model.predict(held))["log_loss"], best["validation_log_loss"], rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_out_of_fold_of_classes_does_not_see_the_fold(name):
    train, fold = objects(150, 1), np.arange(150) % 3
    folded = {} if name == "decision_tree" else {"cross_validate": True}
    model = fitted(name, class_weights=True, **folded)
    found = model.out_of_fold(train, fold)
    assert found.shape == (150, 3)
    assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-9)
    other = replace(train, target=np.where(fold == 1, (train.target + 1) % 3, train.target))
    if name == "lightgbm":
        model._binned.set_label(other.target)
    again = model.out_of_fold(other, fold)
    assert_array_equal(again[fold == 1], found[fold == 1])
    assert np.abs(again - found)[fold != 1].max() > 0.01


@pytest.mark.parametrize("name", MODELS)
def test_a_class_that_training_lacks_is_hardly_probable(name):
    model = fitted(name, train=short(objects(220, 1), 0, 2), class_weights=True)
    p = model.predict(objects(50, 3))
    assert p.shape == (50, 3)
    assert p[:, 1].mean() < (0.1 if name == "vggnet12" else 1e-6)
    if name == "decision_tree":
        assert (p[:, 1] == 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_pictures_of_three_bands_are_learned(name):
    sides = [objects(n, seed, "photo", noise=0.15, n_bands=3) for n, seed in ((240, 1), (80, 2), (100, 3))]
    model = make_model(name, LEARNS[name], "photo")
    model.fit(*sides[:2])
    assert sides[0].images.shape == (240, 3, 8, 8)
    assert class_scores(sides[2].target, model.predict(sides[2]))["balanced_accuracy"] > 0.8


@pytest.mark.parametrize("name", MODELS)
def test_what_cannot_be_classes_is_told(name):
    train, held = objects(60, 1), objects(30, 2)
    model = make_model(name, SETTINGS[name], "early")
    with pytest.raises(HissError, match="different classes"):
        model.fit(train, replace(held, classes=("a", "b", "c")))
    with pytest.raises(HissError, match="no code of 2 classes"):
        model.fit(replace(train, classes=("a", "b")), replace(held, classes=("a", "b")))
    with pytest.raises(HissError, match="STAR is the only class"):
        model.fit(*(replace(short(data, 0), classes=("STAR",)) for data in (train, held)))
    assert model.n_features is None


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_tell_no_classes(name):
    data = objects(20, 1)
    with pytest.raises(HissError, match="cannot tell classes apart"):
        make_model(name, {}, "early").fit(data, data)
