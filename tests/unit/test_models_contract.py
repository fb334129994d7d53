"""What every model promises, tested on every model."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hiss.errors import HissError
from hiss.files import read_json
from hiss.modality import Modality
from hiss.models.base import Data, Model
from hiss.models.run import MODELS, make_model, model_type

SETTINGS = {
    "decision_tree": {"max_depth": 4},
    "lightgbm": {"max_depth": 4, "rounds": 30, "min_data_in_leaf": 5, "feature_fraction": 0.5},
    "vggnet12": {"width": 2, "epochs": 3, "learning_rate": 1e-3, "batch_size": 16},
}
MODALITIES = ("photo", "spectra", "early", "spectra_rest_z")
SIDE, SAMPLES = 8, 96


def galaxies(n: int, seed: int, modality: str = "early") -> Data:
    """Objects whose label is the log of their brightness, half of it in the images, half in the spectra."""
    rng = np.random.default_rng(seed)
    brightness = rng.normal(size=(2, n))
    profile = np.exp(-np.hypot(*np.meshgrid(*[np.arange(SIDE) - SIDE / 2] * 2)) / 2)
    images = 10 ** (0.4 * brightness[0])[:, None, None, None] * profile * np.arange(1, 6)[:, None, None]
    spectra = 10 ** (0.4 * brightness[1])[:, None] * (1 + 0.2 * np.sin(np.arange(SAMPLES) / 9))
    seen = Modality.parse(modality)
    data = Data.from_arrays(
        images=(images + rng.normal(0, 0.1, images.shape)).astype("f4") if seen.images else None,
        spectra=(spectra + rng.normal(0, 0.1, spectra.shape)).astype("f4") if seen.spectra else None,
        target=brightness.sum(axis=0),
        image_sigma=np.full(images.shape, 0.1, dtype="f4") if seen.images else None,
        extras=rng.uniform(0, 0.3, (n, 1)).astype("f4") if seen.redshift else None,
    )
    return replace(data, label_sigma=np.where(brightness[0] > 1, np.nan, rng.uniform(0.1, 0.8, n)))


def fitted(name: str, modality: str = "early", seed: int = 1, threads: int = 1) -> Model:
    model = make_model(name, SETTINGS[name], modality, seed, threads)
    model.fit(galaxies(120, 1, modality), galaxies(40, 2, modality))
    return model


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("name", MODELS)
def test_reloaded_model_predicts_the_same(name, modality, tmp_path):
    model, data = fitted(name, modality), galaxies(30, 3, modality)
    model.save(tmp_path)
    loaded = model_type(name).load(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(model.files)
    assert loaded.modality == modality
    assert loaded.n_features == data.features.shape[1]
    assert_array_equal(loaded.predict(data), model.predict(data))
    assert model.predict(data).dtype == np.float64


@pytest.mark.parametrize("name", MODELS)
def test_learns_something(name):
    settings = SETTINGS[name] | ({"epochs": 25, "width": 4} if name == "vggnet12" else {})
    model = make_model(name, settings, "early")
    model.fit(galaxies(300, 1), galaxies(60, 2))
    data = galaxies(100, 3)
    error = model.predict(data) - data.target
    assert (error**2).mean() < 0.75 * data.target.var()


@pytest.mark.parametrize("name", MODELS)
def test_same_seed_same_model(name, tmp_path):
    data = galaxies(30, 3)
    first, second = fitted(name), fitted(name)
    assert_array_equal(first.predict(data), second.predict(data))
    pd.testing.assert_frame_equal(first.curve, second.curve)
    for model, folder in ((first, "a"), (second, "b")):
        model.save(tmp_path / folder)
    for file in first.files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("name", ["lightgbm", "vggnet12"])
def test_other_seed_other_model(name):
    data = galaxies(30, 3)
    assert not np.array_equal(fitted(name, seed=1).predict(data), fitted(name, seed=2).predict(data))


@pytest.mark.parametrize("name", MODELS)
def test_prediction_does_not_depend_on_the_other_rows(name):
    model, data = fitted(name), galaxies(50, 3)
    order = np.random.default_rng(0).permutation(50)
    whole = model.predict(data)
    assert_allclose(model.predict(data.take(order)), whole[order], rtol=0, atol=1e-5)
    assert_allclose(model.predict(data.take([7])), whole[[7]], rtol=0, atol=1e-5)
    assert model.predict(data.take(np.arange(0))).shape == (0,)


@pytest.mark.parametrize("name", MODELS)
def test_refuses_nan(name):
    model, train, data = fitted(name), galaxies(120, 1), galaxies(30, 3)
    data.features[[3, 5], 11] = np.nan
    with pytest.raises(HissError, match="2 of 30 of the objects to predict have NaN"):
        model.predict(data)
    train.features[0, 0] = np.inf
    with pytest.raises(HissError, match="1 of 120 of the training objects"):
        model.fit(train, galaxies(40, 2))
    unlabelled = galaxies(40, 2)
    unlabelled.target[4] = np.nan
    with pytest.raises(HissError, match="without a label"):
        model.fit(galaxies(120, 1), unlabelled)


@pytest.mark.parametrize("name", MODELS)
def test_unfitted_model_does_not_predict(name):
    with pytest.raises(HissError, match="fit or load"):
        make_model(name, {}, "early").predict(galaxies(3, 1))


@pytest.mark.parametrize("name", MODELS)
def test_refuses_data_of_another_kind(name):
    model = fitted(name)
    with pytest.raises(HissError, match="made for early but given photo"):
        model.predict(galaxies(3, 1, "photo"))
    small = galaxies(3, 1)
    other = Data.from_arrays(small.images, small.spectra[:, :50], image_sigma=np.ones_like(small.images))
    with pytest.raises(HissError, match="zoom"):
        model.predict(other)


@pytest.mark.parametrize("name", MODELS)
def test_init_keeps_its_parameters_and_does_nothing_else(name):
    settings = SETTINGS[name]
    model = make_model(name, settings, "photo", seed=5, threads=2)
    for key, value in (settings | {"modality": "photo", "seed": 5, "threads": 2}).items():
        assert getattr(model, key) == value
    assert model.n_features is None
    assert model.curve.empty


@pytest.mark.parametrize("name", MODELS)
def test_unknown_setting_is_told(name):
    with pytest.raises(HissError, match=f"{name}: no setting depth; it has"):
        make_model(name, {"depth": 3}, "photo")


def test_unknown_model_and_modality_are_told():
    with pytest.raises(HissError, match="decision_tree, lightgbm, vggnet12"):
        make_model("forest", {}, "photo")
    with pytest.raises(HissError, match="it starts with one of photo, spectra, early"):
        make_model("decision_tree", {}, "radio")
    with pytest.raises(HissError, match="made for spectra but given photo"):
        make_model("decision_tree", {}, "spectra").fit(galaxies(9, 1, "photo"), galaxies(9, 2, "photo"))


@pytest.mark.parametrize("name", ["lightgbm", "vggnet12"])
def test_curve_has_its_best_iteration(name):
    model = fitted(name)
    assert list(model.curve) == ["iteration", "train_rmse", "validation_rmse"]
    assert model.curve["iteration"].tolist() == list(range(1, len(model.curve) + 1))
    best = model.curve.loc[model.curve["validation_rmse"].idxmin()]
    assert model.best_iteration == best["iteration"]
    held = galaxies(40, 2)
    error = model.predict(held) - held.target
    assert_allclose(np.sqrt((error**2).mean()), best["validation_rmse"], rtol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_certain_labels_weigh_more(name):
    """Half of the objects have labels 3 dex too high and say so: with weights they are believed less."""
    train, validation = galaxies(160, 1), galaxies(60, 2)
    wrong = np.arange(160) % 2 == 0
    doubtful = replace(train, target=train.target + 3 * wrong, label_sigma=np.where(wrong, 3.0, 0.1))
    bias = {}
    for weights in (False, True):
        model = make_model(name, SETTINGS[name] | {"label_weights": weights}, "early")
        model.fit(doubtful, validation)
        bias[weights] = np.mean(model.predict(validation) - validation.target)
    assert bias[True] < bias[False]


@pytest.mark.parametrize("name", MODELS)
def test_training_predictions_are_those_of_the_training_objects(name):
    model, train = fitted(name), galaxies(120, 1)
    assert_allclose(model.predict_training(train), model.predict(train), rtol=0, atol=1e-12)


def test_early_data_hold_their_features_once():
    data = galaxies(20, 1)
    assert data.content == "early"
    assert np.shares_memory(data.images, data.features)
    assert np.shares_memory(data.spectra, data.features)
    assert data.images.shape == (20, 5, SIDE, SIDE)
    assert data.spectra.shape == (20, SAMPLES)


def test_cnn_tells_how_it_started(tmp_path):
    model = fitted("vggnet12")
    model.save(tmp_path)
    told = read_json(tmp_path / "model.json")
    assert told["initialisation"] == {"image": "random", "spectrum": "random"}
    assert told["settings"]["width"] == 2
