"""The layers of VGGNet12, what it starts from, and how its inputs are scaled."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from safetensors.torch import save_file
from torch import nn

from hiss.errors import HissError
from hiss.models.base import Data
from hiss.models.network import Network, Trunk, load_imagenet
from hiss.models.scaling import ImageScaling, Scaling, SpectrumScaling
from hiss.models.vgg import VGGNet12, _batches, flip_and_turn

CHANNELS = [64, 64, 128, 128, 256, 256, 512, 512, 512]


def vgg13_state(batch_norm: bool) -> dict[str, torch.Tensor]:
    """The keys and shapes torchvision gives a VGG13's features, random values."""
    generator = torch.Generator().manual_seed(0)
    state, place, channels = {}, 0, 3
    for block in ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512)):
        for width in block:
            state[f"features.{place}.weight"] = torch.randn(width, channels, 3, 3, generator=generator)
            state[f"features.{place}.bias"] = torch.randn(width, generator=generator)
            if batch_norm:
                place += 1
                for key in ("weight", "bias", "running_mean", "running_var"):
                    state[f"features.{place}.{key}"] = torch.rand(width, generator=generator)
                state[f"features.{place}.num_batches_tracked"] = torch.tensor(3)
            place, channels = place + 2, width
        place += 1
    state["classifier.0.weight"] = torch.zeros(2, 2)
    return state


@pytest.mark.parametrize(("side", "n_samples"), [(64, 4620), (32, 2310), (16, 1155), (8, 577)])
def test_twelve_weight_layers_at_every_zoom(side, n_samples):
    with torch.device("meta"):
        network = Network(side, n_samples, width=64, dropout=0.5, batch_norm=False)
    for trunk, kind in ((network.image_trunk, nn.Conv2d), (network.spectrum_trunk, nn.Conv1d)):
        convolutions = [layer for layer in trunk.modules() if isinstance(layer, kind)]
        assert [layer.out_channels for layer in convolutions] == CHANNELS
        assert {tuple(layer.kernel_size) for layer in convolutions} <= {(3, 3), (3,)}
    assert sum(isinstance(layer, nn.Linear) for layer in network.head) == 3
    assert [layer.p for layer in network.head if isinstance(layer, nn.Dropout)] == [0.5, 0.5]
    assert network.image_trunk.n_outputs == 512 * 4
    assert network.spectrum_trunk.n_outputs <= 512 * 9


@pytest.mark.parametrize("side", [64, 32, 16, 8])
def test_last_map_is_two_pixels_wide(side):
    trunk = Trunk(5, side, 2, 1, batch_norm=False)
    maps = trunk.layers[:-1](torch.zeros(1, 5, side, side))
    assert maps.shape[2:] == (2, 2)
    assert trunk(torch.zeros(3, 5, side, side)).shape == (3, trunk.n_outputs)


@pytest.mark.parametrize("n_samples", [4620, 2310, 1155, 577])
def test_last_spectrum_is_two_samples_or_more(n_samples):
    trunk = Trunk(1, n_samples, 1, 1, batch_norm=True).eval()
    assert trunk(torch.zeros(3, 1, n_samples)).shape == (3, trunk.n_outputs)
    assert trunk.layers[:-1](torch.zeros(1, 1, n_samples)).shape[2] >= 2


@pytest.mark.parametrize("batch_norm", [False, True])
def test_imagenet_weights_are_taken(batch_norm, tmp_path):
    state = vgg13_state(batch_norm)
    save_file(state, tmp_path / "vgg13.safetensors")
    trunk = Trunk(5, 8, 2, 64, batch_norm)
    load_imagenet(trunk, tmp_path / "vgg13.safetensors")
    convolutions = [layer for layer in trunk.layers if isinstance(layer, nn.Conv2d)]
    theirs = [value for key, value in state.items() if value.ndim == 4]
    for layer, weight in list(zip(convolutions, theirs))[1:]:
        assert torch.equal(layer.weight, weight)
    first = convolutions[0].weight
    assert_allclose(first.sum(1).detach(), theirs[0].sum(1), atol=1e-5)
    assert torch.equal(first[:, 2], theirs[0][:, 1])  # r is the green of the three
    if batch_norm:
        norms = [layer for layer in trunk.layers if isinstance(layer, nn.BatchNorm2d)]
        assert torch.equal(norms[0].running_var, state["features.1.running_var"])


def test_weights_that_do_not_fit_are_told(tmp_path):
    path = tmp_path / "vgg13.safetensors"
    save_file(vgg13_state(batch_norm=False), path)
    with pytest.raises(HissError, match="needs width 64"):
        load_imagenet(Trunk(5, 8, 2, 4, batch_norm=False), path)
    with pytest.raises(HissError, match="batch norm"):
        load_imagenet(Trunk(5, 8, 2, 64, batch_norm=True), path)
    path.write_bytes(b"not tensors")
    with pytest.raises(HissError, match="not readable"):
        load_imagenet(Trunk(5, 8, 2, 64, batch_norm=False), path)


def small(n: int = 40, seed: int = 1) -> Data:
    rng = np.random.default_rng(seed)
    images = rng.normal(1, 1, (n, 5, 8, 8)).astype("f4")
    spectra = rng.lognormal(1, 1, (n, 30)).astype("f4")
    return Data.from_arrays(images, spectra, rng.normal(size=n), np.full_like(images, 0.2))


def test_cnn_starts_from_given_weights_and_says_so(tmp_path):
    save_file(vgg13_state(batch_norm=True), tmp_path / "vgg13.safetensors")
    data = small()
    photo = Data.from_arrays(data.images, None, data.target, np.full((40, 5, 8, 8), 0.2, dtype="f4"))
    model = VGGNet12("photo", batch_norm=True, weights=str(tmp_path / "vgg13.safetensors"))
    model._scaling = Scaling.fit(photo, "asinh")
    model._shape = {"side": 8, "n_samples": 0}
    model._network = model._new_network()
    told = model._start_from_weights()
    assert told["image"].startswith("vgg13.safetensors sha256:")
    assert torch.equal(model._network.image_trunk.layers[3].weight, vgg13_state(batch_norm=True)["features.3.weight"])


def test_cnn_stops_early_and_restores_the_best():
    train, validation = small(40, 1), small(20, 2)  # nothing to learn: noise
    model = VGGNet12("early", learning_rate=1e-2, width=2, epochs=60, patience=4, batch_size=8)
    model.fit(train, validation)
    assert len(model.curve) == model.best_iteration + 4 < 60
    error = model.predict(validation) - validation.target
    assert np.sqrt((error**2).mean()) == pytest.approx(model.curve["validation_rmse"].min(), rel=1e-6)


def test_cnn_that_diverges_says_so():
    model = VGGNet12("early", learning_rate=1e30, width=2, epochs=5, batch_norm=False)
    with pytest.raises(HissError, match="lower the learning rate"):
        model.fit(small(), small())


def test_flips_and_turns_are_the_eight_of_the_square():
    torch.manual_seed(0)
    image = torch.arange(9.0).reshape(1, 1, 3, 3).expand(400, 2, 3, 3)
    out = flip_and_turn(image)
    found = {tuple(one.flatten().tolist()) for one in out[:, 0]}
    square = np.arange(9.0).reshape(3, 3)
    turned = [np.rot90(part, turns) for part in (square, square.T) for turns in range(4)]
    assert found == {tuple(part.ravel().tolist()) for part in turned}
    assert torch.equal(out[:, 0], out[:, 1])  # bands turn together


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 16, 17])
def test_no_batch_of_one(n):
    parts = list(_batches(torch.arange(n), 8))
    assert torch.equal(torch.cat(parts), torch.arange(n))
    assert n == 1 or min(len(part) for part in parts) > 1


def test_image_scaling_keeps_brightness_and_is_of_training_alone():
    data = small()
    scaling = ImageScaling.fit(data, "asinh")
    assert_allclose(scaling.scale, 0.2, rtol=1e-6)
    expected = (np.arcsinh(data.images / np.float32(0.2)) - np.array(scaling.mean)[:, None, None]) / np.array(
        scaling.std
    )[:, None, None]
    assert_allclose(scaling.apply(data.images), expected, rtol=1e-4, atol=1e-5)
    brighter = scaling.apply(10 * data.images)
    assert brighter.max() > scaling.apply(data.images).max() + 0.5
    assert_allclose(ImageScaling.fit(data, "linear").apply(data.images), data.images / 255)
    with pytest.raises(HissError, match="asinh or linear"):
        ImageScaling.fit(data, "minmax")
    with pytest.raises(HissError, match="sigma"):
        ImageScaling.fit(Data.from_arrays(data.images), "asinh")


def test_sky_noise_without_sigmas_is_that_of_the_pixels():
    noise = np.random.default_rng(1).normal(0, [[[[0.5]], [[1.0]], [[2.0]], [[3.0]], [[4.0]]]], (40, 5, 16, 16))
    sigma = np.full(noise.shape, np.nan, np.float32)
    sigma[1:, 4] = 7.0  # of one band it is known, but for one object
    data = Data.from_arrays(noise.astype(np.float32), image_sigma=sigma)
    assert_allclose(ImageScaling.fit(data, "asinh").scale, [0.5, 1.0, 2.0, 3.0, 7.0], rtol=0.05)


def test_spectrum_scaling_keeps_the_norm_beside_the_shape():
    data = small()
    scaling = SpectrumScaling.fit(data)
    shape, norm = scaling.apply(data.spectra)
    brighter, larger = scaling.apply(10 * data.spectra)
    assert_allclose(brighter, shape, atol=1e-5)
    assert_allclose((larger - norm) * scaling.norm_std, 1, rtol=1e-4)
    assert_allclose(norm.mean(), 0, atol=1e-5)
    dark, floor = scaling.apply(np.zeros((2, 30), dtype="f4"))
    assert np.isfinite(dark).all()
    assert np.isfinite(floor).all()


def test_scaling_survives_json():
    scaling = Scaling.fit(small(), "asinh")
    assert Scaling.from_dict(scaling.as_dict()) == scaling
