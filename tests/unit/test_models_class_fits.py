"""Classifiers in detail: as their libraries have them, weights, folds, checkpoints, and a run from file to file."""

from dataclasses import replace

import h5py
import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import torch
from class_data import CLASSES, LEARNS, SETTINGS, fitted, objects, short
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.class_weight import compute_sample_weight

from hiss.errors import HissError
from hiss.files import read_json, read_table
from hiss.models import training
from hiss.models.base import Data
from hiss.models.bins import bin_features
from hiss.models.checkpoint import Checkpoint
from hiss.models.class_metrics import class_scores
from hiss.models.features import SIDES, Block, open_part, training_order, write_features
from hiss.models.lgbm import LightGBM
from hiss.models.network import Network
from hiss.models.predictions import predicted, prediction_table
from hiss.models.run import MODELS, make_model, model_type
from hiss.models.scaling import ColumnScaling, Scaling
from hiss.models.stacking import fit_stack
from hiss.models.train import open_parts, run_experiment
from hiss.models.training import Objects
from hiss.models.tree import DecisionTree
from hiss.models.vgg import VGGNet12
from hiss.models.weights import class_weights

FOLD = np.arange(200) % 5


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("depth", [1, 3, 12])
def test_tree_of_classes_is_scikit_learn_s_to_the_last_bit(depth, weights):
    train, other = objects(200, 1, noise=0.8), objects(500, 2, noise=0.8)
    other.features[:200] = train.features
    model = DecisionTree("early", max_depth=depth, seed=3, class_weights=weights)
    model.fit(train, other)
    theirs = DecisionTreeClassifier(max_depth=depth, random_state=3)
    theirs.fit(train.features, train.target, compute_sample_weight("balanced", train.target) if weights else None)
    assert_array_equal(model.predict(other), theirs.predict_proba(other.features))
    found = model.out_of_fold(train, FOLD)
    for fold in range(5):
        held = fold == FOLD
        codes = train.target[~held]
        theirs.fit(train.features[~held], codes, compute_sample_weight("balanced", codes) if weights else None)
        assert_array_equal(found[held], theirs.predict_proba(train.features[held]))


def test_a_class_that_only_one_fold_has_is_impossible_there():
    train = objects(200, 1)
    only = replace(train, target=np.where((train.target == 1) & (FOLD != 2), 0, train.target))
    model = DecisionTree("early", class_weights=True)
    model.fit(only, only)
    found = model.out_of_fold(only, FOLD)
    assert (found[FOLD == 2, 1] == 0).all()
    assert (found[FOLD != 2, 1] > 0).any()


def test_lightgbm_of_classes_is_the_library_s():
    train, held = objects(200, 1), objects(80, 2)
    model = LightGBM("early", **SETTINGS["lightgbm"], class_weights=True, early_stopping_rounds=100)
    model.fit(train, held)
    model.best_iteration = 25
    parameters = model._parameters(train)
    binned = lgb.Dataset(train.features, label=train.target, weight=class_weights(train.target), params=parameters)
    theirs = lgb.train(parameters, binned, num_boost_round=25)
    assert_array_equal(model.predict(held), theirs.predict(held.features))
    at_last = class_scores(held.target, theirs.predict(held.features))["log_loss"]
    assert_allclose(model.curve["validation_log_loss"].iloc[-1], at_last, rtol=1e-12)


def test_lightgbm_of_classes_stops_early_and_tells_what_it_cannot():
    train, held = objects(200, 1, noise=0.8), objects(80, 2, noise=0.8)
    model = LightGBM("early", rounds=300, learning_rate=0.3, early_stopping_rounds=5, min_data_in_leaf=5)
    model.fit(train, held)
    assert len(model.curve) == model.best_iteration + 5 < 300
    assert model.gain().shape == (train.features.shape[1],)
    with pytest.raises(HissError, match="contributions are those of a regression"):
        model.contributions(held)
    with pytest.raises(HissError, match="classes have no quantiles"):
        LightGBM("early", quantile=0.5).fit(train, held)


# ---- the network ----


def test_a_step_is_down_the_weighted_cross_entropy():
    network = torch.nn.Linear(4, 3)
    network.forward = lambda inputs, plain=network.forward: plain(inputs[0])
    x, codes = torch.randn(6, 4, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 0, 0, 0, 1, 2])
    weight = torch.from_numpy(class_weights(codes.numpy().astype(float)).astype("f4"))
    of_object = torch.nn.functional.cross_entropy(network([x]), codes, reduction="none")
    expected = torch.autograd.grad((weight * of_object).mean(), network.weight)[0]
    before = network.weight.detach().clone()
    label = torch.eye(3)[codes]
    told = training.step(network, torch.optim.SGD(network.parameters(), lr=1.0), Objects([x], label, weight))
    assert told.item() == pytest.approx(of_object.sum().item(), rel=1e-6)
    assert_allclose(before - network.weight.detach(), expected, rtol=1e-5, atol=1e-6)


def test_a_network_begins_unsure_of_every_class():
    torch.manual_seed(1)
    network = Network(8, 48, 1, width=4, dropout=0.5, batch_norm=False, n_outputs=3, n_bands=3)
    inputs = [20 * torch.randn(40, 8, 8, 3), 20 * torch.randn(40, 48), torch.randn(40, 1)]
    with torch.no_grad():
        wild = network.eval()(inputs)
        network.calm(inputs)
        out = network(inputs)
    assert wild.shape == (40, 3)
    relative = out - out.mean(dim=1, keepdim=True)
    assert wild.std() > 0.3
    assert relative.std().item() == pytest.approx(0.3, rel=1e-4)


@pytest.mark.parametrize("modality", ["early", "attention"])
def test_no_step_of_classes_waits_for_the_device(modality):
    model, train = VGGNet12(modality, **SETTINGS["vggnet12"], class_weights=True), objects(40, 1)
    there = model.start(train)
    network = model.network.to("meta")
    there = Objects([one.to("meta") for one in there.inputs], there.label.to("meta"), there.weight.to("meta"))
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "autocast", lambda *given, **named: torch.enable_grad())
        told = training.step(network, optimiser, there)
    assert told.device.type == "meta"


def test_a_killed_fit_of_classes_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    whole = fitted("vggnet12", epochs=4, cross_validate=True, class_weights=True)
    original = training.train_epoch

    def dying(*given):
        if given[-1] == 3:
            raise KeyboardInterrupt
        return original(*given)

    model = make_model("vggnet12", SETTINGS["vggnet12"] | {"epochs": 4, "cross_validate": True, "class_weights": True},
                       "early")  # fmt: skip
    model.checkpoint = Checkpoint(tmp_path / "checkpoint", "these settings", every_s=0, share=np.inf)
    train, held, fold = objects(150, 1), objects(60, 2), np.arange(150) % 3
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "train_epoch", dying)
        model.fit(train, held)
    begun: list[int] = []
    monkeypatch.setattr(training, "train_epoch", lambda *given: begun.append(given[-1]) or original(*given))
    model.fit(train, held)
    assert begun == [3, 4]
    pd.testing.assert_frame_equal(model.curve, whole.curve)
    assert_array_equal(model.predict(held), whole.predict(held))
    expected = whole.out_of_fold(train, fold)
    assert_array_equal(model.out_of_fold(train, fold), expected)
    begun.clear()
    assert_array_equal(model.out_of_fold(train, fold), expected)  # all of it lies in the checkpoint
    assert not begun


def test_bfloat16_layers_tell_probabilities_in_float32(monkeypatch):
    monkeypatch.setattr("hiss.models.device.has_bfloat16", lambda device: True)
    model = make_model("vggnet12", LEARNS["vggnet12"] | {"width": 2}, "early")
    model.fit(objects(150, 1, noise=0.1), objects(60, 2, noise=0.1))
    p = model.predict(objects(60, 2, noise=0.1))
    assert_allclose(p.sum(axis=1), 1, rtol=0, atol=1e-12)
    found = class_scores(objects(60, 2, noise=0.1).target, p)["log_loss"]
    assert found == pytest.approx(model.curve["validation_log_loss"].min(), abs=0.02)


# ---- numbers of very different scales in place of a spectrum ----


def sounds(n: int, seed: int) -> Data:
    """Coefficients of a sound: the first are hundreds and negative, and what tells the classes apart is the small."""
    rng = np.random.default_rng(seed)
    code = rng.integers(3, size=n)
    scale = 300 * 0.93 ** np.arange(104)
    values = rng.normal(size=(n, 104)) * scale - 2 * scale
    values += 3 * scale * (np.abs(np.arange(104) - 60 - 15 * code[:, None]) < 6)
    return Data.from_arrays(spectra=values.astype("f4"), target=code, classes=CLASSES)


def test_standard_scaling_is_each_column_s_own():
    data = sounds(500, 1)
    (scaled,) = Scaling.fit(data, "asinh", "standard").apply(data)
    assert scaled.dtype == np.float32
    assert_allclose(scaled.mean(axis=0), 0, atol=1e-3)
    assert_allclose(scaled.std(axis=0), 1, rtol=1e-3)
    data.spectra[3, 5], data.spectra[:, 7] = np.nan, 2.0
    scaling = Scaling.fit(data, "asinh", "standard")
    assert isinstance(scaling.spectra, ColumnScaling)
    (scaled,) = Scaling.from_dict(scaling.as_dict()).apply(data)
    assert scaled[3, 5] == 0
    assert (scaled[:, 7] == 0).all()
    known = np.delete(data.spectra[:, 5], 3)
    assert_allclose(scaling.spectra.mean[5], known.mean(), rtol=1e-5)
    assert_allclose(scaling.spectra.std[5], known.std(), rtol=1e-5)
    with pytest.raises(HissError, match="log_norm or standard, not 'minmax'"):
        Scaling.fit(data, "asinh", "minmax")


def test_small_coefficients_are_heard_at_once_by_standard_scaling(tmp_path):
    loss = {}
    for scaling in ("log_norm", "standard"):
        model = VGGNet12("spectra", **LEARNS["vggnet12"] | {"epochs": 6}, spectrum_scaling=scaling)
        model.fit(sounds(200, 1), sounds(80, 2))
        loss[scaling] = model.curve["validation_log_loss"].min()
    assert loss["standard"] < 0.5 < 0.9 < loss["log_norm"]
    model.save(tmp_path)
    assert read_json(tmp_path / "model.json")["settings"]["spectrum_scaling"] == "standard"
    assert_array_equal(VGGNet12.load(tmp_path).predict(sounds(9, 3)), model.predict(sounds(9, 3)))


# ---- from file to file ----


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Features of pictures of three bands and their sound, of three classes."""
    out = tmp_path_factory.mktemp("features") / "early.h5"
    data = objects(160, 1, n_bands=3)
    split = pd.DataFrame({
        "target_id": np.arange(160) + 1000, "row": np.arange(160), "truth": data.target,
        "split": np.where(np.arange(160) % 4 < 3, "train", "validation"), "fold": np.arange(160) % 3,
    })  # fmt: skip
    table = training_order(split).assign(label_sigma=np.nan)
    ordered = data.take(table["row"])
    blocks = [Block(slice(0, 160), ordered, table["target_id"].to_numpy())]
    write_features(out, table, blocks, "early", {}, classes=CLASSES, n_bands=3)
    return out


def test_prepared_features_tell_classes_and_bands(prepared):
    data, table = open_part(prepared, "train")
    assert (data.classes, data.n_bands) == (CLASSES, 3)
    assert data.images.shape == (120, 3, 8, 8)
    assert data.spectra.shape == (120, 48)
    assert_array_equal(table["truth"], data.target)
    part = data.take([3, 1])
    assert (part.classes, part.n_bands, len(part)) == (CLASSES, 3, 2)
    with h5py.File(prepared) as file:
        assert file.attrs["classes"] == '["STAR", "GALAXY", "QSO"]'


@pytest.mark.parametrize("name", MODELS)
def test_a_run_of_classes_writes_its_folder_and_predicts_later(prepared, tmp_path, name):
    features = prepared
    settings = SETTINGS[name] | {"class_weights": True} | ({} if name == "decision_tree" else {"cross_validate": True})
    run = {"target": "class", "sample": "class", "model": name, "modality": "early", "zoom": 0, "name": "a=1",
           "settings": settings, "seed": 1}  # fmt: skip
    bins = [tmp_path / f"{side}.bins" for side in SIDES] if name == "lightgbm" else []
    if bins:
        bin_features(features, 63, *bins, threads=1)
    told = run_experiment(model_type(name), features, run, tmp_path / "run", 1, bins=bins)
    metrics = read_json(tmp_path / "run" / "metrics.json")
    assert metrics["classes"] == told["classes"] == list(CLASSES)
    for scored in (metrics["validation"], metrics["train"], metrics["cv"]):
        assert sorted(scored) == ["accuracy", "balanced_accuracy", "log_loss", "macro_f1"]
    assert len(metrics["cv"]["log_loss"]) == 3
    table = read_table(tmp_path / "run" / "validation.parquet")
    assert list(table) == ["target_id", "row", "truth", "prediction", "p_0", "p_1", "p_2"]
    assert metrics["validation"] == class_scores(table["truth"], predicted(table))
    held_out = read_table(tmp_path / "run" / "out_of_fold.parquet")
    assert list(held_out) == ["target_id", "row", "truth", "prediction", "p_0", "p_1", "p_2", "fold"]
    if name == "decision_tree":
        curve = read_table(tmp_path / "run" / "curve.csv")
        assert list(curve) == ["fold", "balanced_accuracy", "macro_f1", "accuracy", "log_loss"]
    loaded = model_type(name).load(tmp_path / "run")
    data, of = open_part(features, "validation")
    again = prediction_table(loaded, data, of["target_id"], of["row"])
    assert list(again) == ["target_id", "row", "prediction", "p_0", "p_1", "p_2"]
    pd.testing.assert_frame_equal(again, table.drop(columns="truth"))
    with pytest.raises(HissError, match="stacking is of regressions"):
        fit_stack(held_out, held_out)


def test_bins_made_beforehand_give_the_same_classifier(prepared, tmp_path):
    bins = [tmp_path / f"{side}.bins" for side in SIDES]
    bin_features(prepared, 63, *bins, threads=1)
    texts, held_out = [], []
    for paths in ((), bins):
        train, validation = (part.data for part in open_parts(prepared, paths))
        model = LightGBM("early", rounds=12, min_data_in_leaf=5, class_weights=True, cross_validate=True)
        model.fit(train, validation)
        texts.append(model._booster.model_to_string())
        held_out.append(model.out_of_fold(train, np.arange(120) % 4))
    assert texts[0] == texts[1]
    assert_array_equal(*held_out)
    assert "band0_0_0 band0_0_1" in texts[0]


def test_a_fold_without_a_class_is_predicted_all_the_same():
    train = short(objects(220, 1), 0, 1)
    fold = np.where(train.target == 1, 0, 1)  # each fold lacks the other's class
    for name in ("decision_tree", "lightgbm"):
        settings = SETTINGS[name] | ({} if name == "decision_tree" else {"cross_validate": True})
        model = make_model(name, settings, "early")
        model.fit(train, train)
        found = model.out_of_fold(train, fold)
        assert (found.argmax(axis=1) == 1 - train.target).all()
