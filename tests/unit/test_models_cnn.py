"""The training of VGGNet12: the best epoch, the same numbers, label weights, batches, folds, speed."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch
from cnn_runs import SETTINGS, fitted, galaxies, noise
from numpy.testing import assert_allclose, assert_array_equal

from hiss.errors import HissError
from hiss.files import read_json
from hiss.models import training
from hiss.models.base import Data
from hiss.models.device import reproducible
from hiss.models.throughput import throughput
from hiss.models.training import Course, Objects, batches, flip_and_turn
from hiss.models.vgg import VGGNet12, place
from hiss.models.weights import label_weights


def test_stops_early_and_restores_the_best(capsys):
    train, validation = noise(40, 1), noise(20, 2)  # nothing to learn
    model = VGGNet12("early", learning_rate=1e-2, width=2, epochs=60, patience=4, batch_size=8)
    model.fit(train, validation)
    assert len(model.curve) == model.best_iteration + 4 < 60
    error = model.predict(validation) - validation.target
    assert np.sqrt((error**2).mean()) == pytest.approx(model.curve["validation_rmse"].min(), rel=1e-6)
    lines = capsys.readouterr().err.splitlines()
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert len(epochs) == len(model.curve) == len(model.epoch_seconds)
    best = model.curve.iloc[model.best_iteration - 1]
    assert f"RMSE {best['train_rmse']:.4f} in training, {best['validation_rmse']:.4f} in validation" in "".join(epochs)
    assert lines[-1] == f"no better since epoch {model.best_iteration}: stopped after epoch {len(model.curve)}"


def test_diverging_fit_says_so():
    with pytest.raises(HissError, match="lower the learning rate"):
        fitted(learning_rate=1e30)


def test_it_is_the_mean_squared_error_that_falls():
    model = fitted(epochs=25, patience=25, width=4)
    assert model.curve["train_rmse"].iloc[-1] < 0.7 * model.curve["train_rmse"].iloc[0]
    data = galaxies(100, 3)
    assert ((model.predict(data) - data.target) ** 2).mean() < 0.5 * data.target.var()


@pytest.mark.parametrize("modality", ["early", "attention", "early_z", "attention_z"])
def test_every_fusion_is_trained_saved_and_read_again(modality, tmp_path):
    data = galaxies(30, 3, extras=1 if modality.endswith("_z") else 0)
    model = fitted(modality, image_scaling="standard", label_weights=False)
    model.save(tmp_path)
    loaded = VGGNet12.load(tmp_path)
    assert loaded.modality == modality
    assert (loaded.network.attention is not None) == modality.startswith("attention")
    assert_array_equal(loaded.predict(data), model.predict(data))
    told = read_json(tmp_path / "model.json")
    assert told["trained_on"] == {"device": "cpu", "precision": "float32"}
    if modality.endswith("_z"):
        data.features[:, -1] += 1
        assert not np.allclose(loaded.predict(data), model.predict(galaxies(30, 3, extras=1)), atol=1e-4)


@pytest.mark.parametrize(("side", "samples"), [(8, 4620), (64, 577)])
@pytest.mark.parametrize("modality", ["early_spectra0", "attention_spectra0"])
def test_zooms_are_mixed(side, samples, modality):
    train, validation = galaxies(10, 1, side, samples), galaxies(6, 2, side, samples)
    model = VGGNet12(modality, **(SETTINGS | {"epochs": 1, "width": 1}))
    model.fit(train, validation)
    assert np.isfinite(model.predict(validation)).all()


def test_modality_without_images_and_spectra_is_refused():
    lines = Data.from_arrays(None, None, np.zeros(4), extras=np.zeros((4, 5), dtype="f4"))
    with pytest.raises(HissError, match="neither images nor spectra"):
        VGGNet12("lines").fit(lines, lines)


def test_same_seed_same_numbers_whatever_the_threads():
    """To the bit with the same number of threads, within 0.001 dex with another."""
    data = galaxies(50, 3)
    first, second, other = (fitted(train=galaxies(60, 1), epochs=3, threads=n) for n in (1, 1, 2))
    assert_array_equal(first.predict(data), second.predict(data))
    pd.testing.assert_frame_equal(first.curve, second.curve)
    assert_allclose(other.predict(data), first.predict(data), rtol=0, atol=1e-3)


def test_uncertain_labels_weigh_less():
    """One half of the labels is shifted; which half is certain decides what is learned."""
    rng = np.random.default_rng(0)
    shifted = rng.random(200) < 0.5
    found = {}
    for certain in (True, False):
        train = galaxies(200, 1)
        train.target[shifted] += 2
        sigma = np.where(shifted == certain, 0.05, 2.0)
        train = Data(train.features, train.side, train.target, train.sky_sigma, 0, sigma)
        model = fitted(train=train, label_weights=True, epochs=10, patience=10)
        found[certain] = model.predict(galaxies(50, 3)).mean()
    assert found[True] > found[False] + 0.5
    with pytest.raises(HissError, match="no width"):
        fitted(label_weights=True)


def test_a_step_is_down_the_weighted_mean():
    """The gradient of a linear network is that of the weighted mean of squares."""
    network = torch.nn.Module()
    network.w = torch.nn.Parameter(torch.tensor(0.5))
    network.forward = lambda inputs: network.w * inputs[0][:, 0]
    x, y, sigma = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 1.0, 5.0]), np.array([0.1, 0.5, np.nan])
    weight = torch.from_numpy(label_weights(sigma).astype("f4"))
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    squares = training.step(network, optimiser, Objects([x[:, None]], y, weight))
    assert squares.item() == pytest.approx(((0.5 * x - y) ** 2).sum().item())
    expected = 0.5 - (weight * 2 * (0.5 * x - y) * x).mean().item()
    assert network.w.item() == pytest.approx(expected, rel=1e-5)


# ---- batches ----


def course(batch_size: int, augment: bool = False) -> Course:
    return Course(1e-3, 1, batch_size, augment, 1)


@pytest.mark.parametrize("stage", [1, 2000, 2**27])
@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 16, 17, 33])
def test_each_object_is_in_one_batch_and_none_alone(n, stage, monkeypatch):
    monkeypatch.setattr(training, "_STAGE_BYTES", stage)
    values = torch.arange(n * 80.0).reshape(n, 4, 4, 5)
    objects = Objects([values], torch.arange(n * 1.0), torch.arange(n) * 2.0)
    order = torch.randperm(n)
    parts = list(batches(objects, order, course(8)))
    assert torch.equal(torch.cat([part.label for part in parts]), order.float())
    assert torch.equal(torch.cat([part.inputs[0] for part in parts]), values[order])
    assert torch.equal(torch.cat([part.weight for part in parts]), 2 * order.float())
    assert n == 1 or min(len(part) for part in parts) > 1


def test_flips_and_turns_are_the_eight_of_the_square():
    torch.manual_seed(0)
    image = torch.arange(9.0).reshape(1, 3, 3, 1).expand(400, 3, 3, 2)
    out = flip_and_turn(image)
    found = {tuple(one.flatten().tolist()) for one in out[..., 0]}
    square = np.arange(9.0).reshape(3, 3)
    turned = [np.rot90(part, turns) for part in (square, square.T) for turns in range(4)]
    assert found == {tuple(part.ravel().tolist()) for part in turned}
    assert torch.equal(out[..., 0], out[..., 1])  # bands turn together


def test_spectra_alone_are_not_turned():
    objects = Objects([torch.rand(9, 30), torch.rand(9, 1)], torch.rand(9))
    (batch,) = batches(objects, torch.arange(9), course(16, augment=True))
    assert torch.equal(batch.inputs[0], objects.inputs[0])


def test_objects_are_placed_block_by_block(monkeypatch):
    data, model = galaxies(23, 1, extras=1), VGGNet12("early_z", **SETTINGS)
    model.start(data)
    whole = place(data, model._scaling, torch.device("cpu"))
    monkeypatch.setattr("hiss.models.vgg._BLOCK_BYTES", 4 * data.features.shape[1] * 5)
    for values, again, expected in zip(
        place(data, model._scaling, torch.device("cpu")), whole, model._scaling.apply(data)
    ):
        assert torch.equal(values, again)
        assert_array_equal(values.numpy(), expected)


# ---- folds ----


def test_folds_are_predicted_by_networks_that_did_not_see_them():
    train, fold = galaxies(120, 1), np.arange(120) % 3
    model = fitted(train=train, cross_validate=True, epochs=12, patience=12)
    found = model.out_of_fold(train, fold)
    assert np.sqrt(((found - train.target) ** 2).mean()) < 0.8 * train.target.std()
    before = model.predict(train)
    for shift in (50, -50):  # nothing of a fold is in what predicts it: neither its labels nor its scaling
        wild = galaxies(120, 1)
        wild.target[fold == 1] += shift
        again = model.out_of_fold(wild, fold)
        assert_array_equal(again[fold == 1], found[fold == 1])
        assert np.abs(again - found)[fold != 1].max() > 1
    assert_array_equal(model.predict(train), before)  # the fit itself is left as it was


def test_folds_are_asked_for_and_take_the_epochs_of_the_fit(monkeypatch):
    train, fold = galaxies(60, 1), np.arange(60) % 2
    model = fitted(train=train)
    assert model.out_of_fold(train, fold) is None
    model.cross_validate = True
    model.best_iteration = 2
    epochs = []
    original = training.train_epoch
    monkeypatch.setattr(training, "train_epoch", lambda *given: epochs.append(given[-1]) or original(*given))
    model.out_of_fold(train, fold)
    assert epochs == [1, 2, 1, 2]
    with pytest.raises(HissError, match="fit or load it before"):
        VGGNet12("early", cross_validate=True).out_of_fold(train, fold)


# ---- speed ----


def test_throughput_is_of_the_same_steps(monkeypatch):
    steps = []
    original = training.step
    monkeypatch.setattr(training, "step", lambda *given: steps.append("real") or original(*given))
    monkeypatch.setattr("hiss.models.throughput.step", lambda *given: steps.append("resident") or original(*given))
    found = throughput(VGGNet12("early", **SETTINGS), galaxies(64, 1), rounds=1)
    assert steps == ["real"] * 4 + ["resident"] * 4 + ["real"] * 4 + ["resident"] * 4
    assert found.real > 0
    assert found.ratio == found.real / found.resident
    assert found.device == "cpu"


def test_bfloat16_layers_learn_and_predict_float32(monkeypatch):
    """The way a GPU takes, walked on a CPU: layers in bfloat16, weights, last layer and predictions in float32."""
    monkeypatch.setattr("hiss.models.device.has_bfloat16", lambda device: True)
    seen = []
    model = VGGNet12("attention", **(SETTINGS | {"epochs": 15, "patience": 15, "width": 4}))
    train, validation = galaxies(120, 1), galaxies(40, 2)
    original = training.step

    def watched(network, optimiser, batch):
        handle = network.head[0].register_forward_hook(lambda *given: seen.append(given[-1].dtype))
        try:
            return original(network, optimiser, batch)
        finally:
            handle.remove()

    monkeypatch.setattr(training, "step", watched)
    model.fit(train, validation)
    assert set(seen) == {torch.bfloat16}
    assert {parameter.dtype for parameter in model.network.parameters()} == {torch.float32}
    assert model.curve["train_rmse"].iloc[-1] < 0.8 * model.curve["train_rmse"].iloc[0]
    error = model.predict(validation) - validation.target
    best = model.curve["validation_rmse"].min()
    assert np.sqrt((error**2).mean()) == pytest.approx(best, rel=0.02)


@pytest.mark.parametrize("modality", ["early", "attention"])
def test_no_step_waits_for_the_device(modality, monkeypatch):
    """Tensors of the meta device have no values: a step that asked for one, as a GPU would be waited for, fails."""
    monkeypatch.setattr(torch, "autocast", lambda *given, **named: nullcontext())
    model, train = VGGNet12(modality, **SETTINGS), galaxies(40, 1)
    objects = model.start(train)
    network = model.network.to("meta")
    there = Objects([values.to("meta") for values in objects.inputs], objects.label.to("meta"))
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3)
    squares = torch.zeros((), device="meta")
    network.train()
    for batch in batches(there, torch.randperm(40, device="meta"), model.course(None)):
        squares += training.step(network, optimiser, batch)
    assert squares.device.type == "meta"
    with pytest.raises(RuntimeError, match="meta"):
        squares.item()


def test_torch_is_left_as_it_was():
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory
    with reproducible(1, 1):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.get_num_threads() == 1
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
    assert torch.utils.deterministic.fill_uninitialized_memory == filled
