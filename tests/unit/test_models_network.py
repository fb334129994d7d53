"""The layers of VGGNet12, and how its inputs are scaled."""

import json

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from hiss.errors import HissError
from hiss.models.base import Data
from hiss.models.network import Network, Trunk
from hiss.models.scaling import ImageScaling, ScalarScaling, Scaling, SpectrumScaling

CHANNELS = [64, 64, 128, 128, 256, 256, 512, 512, 512]


ZOOMS = [(64, 4620), (32, 2310), (16, 1155), (8, 577)]
MIXED = [(8, 4620), (64, 577)]


def convolutions(trunk: Trunk) -> list[nn.Conv2d]:
    return [layer for layer in trunk.modules() if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize(("side", "n_samples"), ZOOMS)
def test_twelve_weight_layers_at_every_zoom(side, n_samples):
    with torch.device("meta"):
        network = Network(side, n_samples, 1, width=64, dropout=0.5, batch_norm=False)
    for trunk, kernel in ((network.image_trunk, (3, 3)), (network.spectrum_trunk, (1, 3))):
        assert [layer.out_channels for layer in convolutions(trunk)] == CHANNELS
        assert {layer.kernel_size for layer in convolutions(trunk)} == {kernel}
    assert sum(isinstance(layer, nn.Linear) for layer in network.head) == 3
    assert [layer.p for layer in network.head if isinstance(layer, nn.Dropout)] == [0.5, 0.5]
    assert network.image_trunk.n_places == 4
    assert network.spectrum_trunk.n_places <= 9


@pytest.mark.parametrize("side", [64, 32, 16, 8])
def test_last_map_is_two_pixels_wide(side):
    trunk = Trunk(5, (side, side), 2, 1, batch_norm=False)
    assert trunk(torch.zeros(3, 5, side, side)).shape == (3, 8, 2, 2)
    assert (trunk.n_channels, trunk.n_places) == (8, 4)


@pytest.mark.parametrize("n_samples", [4620, 2310, 1155, 577])
def test_last_spectrum_is_two_samples_or_more(n_samples):
    trunk = Trunk(1, (1, n_samples), 4, 1, batch_norm=True).eval()
    maps = trunk(torch.zeros(3, 1, 1, n_samples))
    assert maps.shape == (3, 8, 1, trunk.n_places)
    assert maps.shape[3] >= 2


def test_a_spectrum_s_trunk_is_one_dimensional():
    """Its layers do to (n, 1, 1, samples) what one-dimensional ones do to (n, 1, samples)."""
    trunk = Trunk(1, (1, 577), 4, 2, batch_norm=False)
    values = torch.randn(3, 1, 577)
    expected = values
    for layer in trunk.layers:
        if isinstance(layer, nn.Conv2d):
            expected = nn.functional.conv1d(expected, layer.weight[:, :, 0], layer.bias, padding=1)
        else:
            expected = (
                nn.functional.relu(expected) if isinstance(layer, nn.ReLU) else nn.functional.max_pool1d(expected, 4)
            )
    assert_allclose(trunk(values[:, :, None]).detach()[:, :, 0], expected.detach(), rtol=1e-4, atol=1e-5)


def inputs_of(side: int, n_samples: int, n_scalars: int, n: int = 3) -> list[torch.Tensor]:
    torch.manual_seed(1)
    inputs = [torch.randn(n, side, side, 5)] if side else []
    inputs += [torch.randn(n, n_samples)] if n_samples else []
    return inputs + ([torch.randn(n, n_scalars)] if n_scalars else [])


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize(("side", "n_samples"), ZOOMS + MIXED)
def test_both_fusions_work_at_every_zoom_and_mixed(side, n_samples, attention):
    network = Network(side, n_samples, 2, width=1, dropout=0.5, batch_norm=False, attention=attention)
    inputs = inputs_of(side, n_samples, 2)
    network.eval()
    whole = network(inputs)
    assert whole.shape == (3,)
    one = network([values[1:2] for values in inputs])
    assert_allclose(one.detach(), whole[1:2].detach(), rtol=1e-4, atol=1e-5)
    network.train()
    network(inputs).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(("side", "n_samples"), [(8, 0), (0, 577)])
def test_one_trunk_alone_takes_the_redshift_too(side, n_samples):
    network = Network(side, n_samples, 1, width=1, dropout=0.5, batch_norm=False).eval()
    inputs = inputs_of(side, n_samples, 1)
    before = network(inputs)
    inputs[-1] += 1
    assert not torch.equal(network(inputs), before)


def test_attention_looks_from_the_image_at_the_spectrum():
    """What the image's tokens become depends on the spectrum, and on where in it a feature is."""
    network = Network(8, 577, 1, width=2, dropout=0.0, batch_norm=False, attention=True).eval()
    maps = [torch.randn(1, 16, 4, 4), torch.randn(1, 16, 1, 9)]
    shuffled = [maps[0], maps[1].flip(3)]
    gathered, other = (network.attention(some)[:, :16] for some in (maps, shuffled))
    assert not torch.allclose(gathered, other, atol=1e-6)
    assert network.image_trunk.n_places == 16
    assert network.spectrum_trunk.n_places == 9


def test_attention_keeps_brightness_beside_what_it_normalises():
    network = Network(8, 577, 1, width=2, dropout=0.0, batch_norm=False, attention=True).eval()
    maps = [torch.rand(1, 16, 4, 4), torch.rand(1, 16, 1, 9)]
    faint, bright = network.attention(maps), network.attention([10 * maps[0], maps[1]])
    assert_allclose(bright[:, 16:32].detach(), 10 * faint[:, 16:32].detach(), rtol=1e-5)
    assert_allclose(bright[:, 32:].detach(), faint[:, 32:].detach(), rtol=1e-5)


def test_first_predictions_lie_near_the_mean():
    network = Network(8, 577, 1, width=4, dropout=0.5, batch_norm=False).eval()
    inputs = inputs_of(8, 577, 1, n=200)
    network.head[-1].weight.data *= 20
    before = network(inputs).detach()
    assert before.std() > 0.3
    network.calm(inputs)
    after = network(inputs).detach()
    assert_allclose(after.std(), 0.3, rtol=1e-4)
    assert_allclose(after / after.std(), before / before.std(), rtol=1e-3, atol=1e-3)
    network.calm([values[:50] for values in inputs])
    calmer = network(inputs).detach()
    assert calmer.std() <= after.std() * (1 + 1e-6)


@pytest.mark.parametrize("width", [2, 32])
def test_order_of_memory_changes_no_prediction(width):
    network = Network(8, 96, 1, width=width, dropout=0.5, batch_norm=True).eval()
    inputs = inputs_of(8, 96, 1)
    for trunk in network.trunks():
        trunk._format = torch.contiguous_format
    plain = network(inputs).detach()
    network.settle(torch.device("cpu"))
    by_channel = width >= 32  # wide layers on small maps are faster so
    assert convolutions(network.image_trunk)[1].weight.is_contiguous() == by_channel
    assert_allclose(network(inputs).detach(), plain, rtol=1e-4, atol=1e-5)


def small(n: int = 40, seed: int = 1) -> Data:
    rng = np.random.default_rng(seed)
    images = rng.normal(1, 1, (n, 5, 8, 8)).astype("f4")
    spectra = rng.lognormal(1, 1, (n, 30)).astype("f4")
    return Data.from_arrays(images, spectra, rng.normal(size=n), np.full_like(images, 0.2))


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
    with pytest.raises(HissError, match="asinh, standard or linear"):
        ImageScaling.fit(data, "minmax")
    with pytest.raises(HissError, match="sigma"):
        ImageScaling.fit(Data.from_arrays(data.images), "asinh")


def test_standard_scaling_is_each_band_s_mean_and_deviation():
    data = small()
    scaled = ImageScaling.fit(data, "standard").apply(data.images)
    assert_allclose(scaled.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    assert_allclose(scaled.std(axis=(0, 2, 3)), 1, rtol=1e-5)
    held = small(seed=2)
    band = held.images[:, 3]
    expected = (band - data.images[:, 3].mean()) / data.images[:, 3].std()
    assert_allclose(ImageScaling.fit(data, "standard").apply(held.images)[:, 3], expected, rtol=1e-4, atol=1e-5)


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


def with_redshift(n: int = 40, seed: int = 1) -> Data:
    data = small(n, seed)
    redshift = np.random.default_rng(seed).uniform(0.01, 0.3, (n, 1)).astype("f4")
    return Data.from_arrays(data.images, data.spectra, data.target, np.full_like(data.images, 0.2), redshift)


def test_redshift_stands_beside_the_norm_scaled_on_training_objects():
    data = with_redshift()
    images, spectra, scalars = Scaling.fit(data, "linear").apply(data)
    assert images.shape == (40, 8, 8, 5)
    assert_array_equal(images, np.moveaxis(data.images / np.float32(255), 1, 3))
    assert spectra.shape == (40, 30)
    assert_allclose(scalars.mean(axis=0), 0, atol=1e-5)
    assert_allclose(scalars.std(axis=0), 1, rtol=1e-4)
    held = with_redshift(seed=2)
    expected = (held.extras - data.extras.mean(axis=0)) / data.extras.std(axis=0)
    assert_allclose(ScalarScaling.fit(data).apply(held.extras), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("data", [small(), with_redshift()], ids=["plain", "redshift"])
def test_scaling_survives_json(data):
    scaling = Scaling.fit(data, "asinh")
    assert Scaling.from_dict(json.loads(json.dumps(scaling.as_dict()))) == scaling
    assert scaling.unscaled(scaling.label(data.target)) == pytest.approx(data.target, abs=1e-6)
