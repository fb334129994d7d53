"""ImageNet's weights: fetched, checked, and set as the start of the image trunk."""

import hashlib

import numpy as np
import pytest
import torch
from archive_server import ArchiveServer, Fault
from numpy.testing import assert_allclose
from safetensors.torch import save_file
from torch import nn

from hiss.errors import HissError
from hiss.files import read_json, sha256_of
from hiss.models.base import Data
from hiss.models.imagenet import load_imagenet, read_vgg13
from hiss.models.imagenet_fetch import fetch_weights
from hiss.models.network import Trunk
from hiss.models.vgg import VGGNet12


def vgg13_state(batch_norm: bool) -> dict[str, torch.Tensor]:
    """The keys and shapes torchvision gives a VGG13's features, random values."""
    generator = torch.Generator().manual_seed(0)
    state, place, channels = {}, 0, 3
    for block in ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512)):
        for width in block:
            scale = (2 / (9 * channels)) ** 0.5
            state[f"features.{place}.weight"] = scale * torch.randn(width, channels, 3, 3, generator=generator)
            state[f"features.{place}.bias"] = 0.1 * torch.randn(width, generator=generator)
            if batch_norm:
                place += 1
                for key in ("weight", "bias", "running_mean", "running_var"):
                    state[f"features.{place}.{key}"] = torch.rand(width, generator=generator)
                state[f"features.{place}.num_batches_tracked"] = torch.tensor(3)
            place, channels = place + 2, width
        place += 1
    state["classifier.0.weight"] = torch.zeros(2, 2)
    return state


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with vgg13.safetensors and vgg13_bn.safetensors."""
    folder = tmp_path_factory.mktemp("weights")
    save_file(vgg13_state(batch_norm=False), folder / "vgg13.safetensors")
    save_file(vgg13_state(batch_norm=True), folder / "vgg13_bn.safetensors")
    return folder


def trunk(width: int = 64, batch_norm: bool = False) -> Trunk:
    return Trunk(5, (8, 8), 2, width, batch_norm)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_imagenet_weights_are_taken(batch_norm, weights):
    state, ours = vgg13_state(batch_norm), trunk(batch_norm=batch_norm)
    load_imagenet(ours, weights / ("vgg13_bn.safetensors" if batch_norm else "vgg13.safetensors"))
    convolutions = [layer for layer in ours.layers if isinstance(layer, nn.Conv2d)]
    theirs = [value for value in state.values() if value.ndim == 4]
    assert len(convolutions) == len(theirs) - 1 == 9
    for layer, weight in list(zip(convolutions, theirs))[1:]:
        assert torch.equal(layer.weight, weight)
    first = convolutions[0].weight
    assert_allclose(first.sum(1).detach(), theirs[0].sum(1), atol=1e-5)
    assert torch.equal(first[:, 2], theirs[0][:, 1])  # r is the green of the three
    if batch_norm:
        norms = [layer for layer in ours.layers if isinstance(layer, nn.BatchNorm2d)]
        assert torch.equal(norms[0].running_var, state["features.1.running_var"])


def test_weights_that_do_not_fit_are_told(weights, tmp_path):
    with pytest.raises(HissError, match="needs width 64"):
        load_imagenet(trunk(width=4), weights / "vgg13.safetensors")
    with pytest.raises(HissError, match="batch norm"):
        load_imagenet(trunk(batch_norm=True), weights / "vgg13.safetensors")
    with pytest.raises(HissError, match="batch norm set as in the file"):
        load_imagenet(trunk(), weights / "vgg13_bn.safetensors")
    path = tmp_path / "other.safetensors"
    path.write_bytes(b"not tensors")
    with pytest.raises(HissError, match="not readable"):
        read_vgg13(path)
    torch.save(vgg13_state(batch_norm=False), path)  # a pickle: never opened
    with pytest.raises(HissError, match="not readable as safetensors"):
        read_vgg13(path)
    resnet = {"conv1.weight": torch.zeros(64, 3, 7, 7), "features.0.weight": torch.zeros(64, 3, 7, 7)}
    save_file(resnet, path)
    with pytest.raises(HissError, match="not those of a VGG13"):
        read_vgg13(path)
    with pytest.raises(HissError, match="not readable"):
        read_vgg13(tmp_path / "absent.safetensors")


def photo(n: int = 12) -> Data:
    rng = np.random.default_rng(1)
    images = rng.normal(1, 1, (n, 5, 8, 8)).astype("f4")
    return Data.from_arrays(images, None, rng.normal(size=n), np.full_like(images, 0.2))


def test_cnn_starts_from_given_weights_and_says_so(weights, tmp_path, capsys):
    path = weights / "vgg13.safetensors"
    model = VGGNet12("photo", learning_rate=1e-12, epochs=1, weights=str(path))
    model.fit(photo(), photo())
    model.save(tmp_path)
    started = f"vgg13.safetensors sha256:{sha256_of(path)}"
    assert read_json(tmp_path / "model.json")["initialisation"] == {"image": started}
    assert f"the network starts from: image {started}" in capsys.readouterr().err
    second = model.network.image_trunk.layers[2].weight.detach()
    assert_allclose(second, vgg13_state(batch_norm=False)["features.2.weight"], atol=1e-9)
    loaded = VGGNet12.load(tmp_path)  # without the file it started from
    assert np.array_equal(loaded.predict(photo()), model.predict(photo()))


@pytest.fixture
def server(weights):
    with ArchiveServer(weights) as running:
        yield running


def fetch(server, out, sha256=None, name="vgg13.safetensors", **patience):
    settings = {"retries": 2, "timeout_s": 5.0, "backoff_s": 0.01} | patience
    fetch_weights(f"{server.url}/{name}", out, sha256, **settings)


def test_weights_are_fetched_whole(server, weights, tmp_path, capsys):
    found = sha256_of(weights / "vgg13.safetensors")
    fetch(server, tmp_path / "a" / "imagenet.safetensors", found.upper())
    assert sha256_of(tmp_path / "a" / "imagenet.safetensors") == found
    fetch(server, tmp_path / "b.safetensors")
    assert found in capsys.readouterr().err  # told, where the config does not say it
    load_imagenet(trunk(), tmp_path / "b.safetensors")


@pytest.mark.parametrize(
    "fault", [Fault(status=503), Fault(cut=1000), Fault(status=429), Fault(stall=100)], ids=lambda fault: str(fault)
)
def test_a_fault_that_passes_is_tried_again(server, weights, tmp_path, fault):
    server.faults["vgg13.safetensors"] = [fault]
    fetch(server, tmp_path / "w.safetensors", timeout_s=0.5)
    assert sha256_of(tmp_path / "w.safetensors") == sha256_of(weights / "vgg13.safetensors")
    assert len(server.asked("vgg13.safetensors")) == 2


@pytest.mark.parametrize(
    ("fault", "message", "asked"),
    [
        (Fault(status=503), r"in 3 attempts \(the server answered 503", 3),
        (Fault(status=404), "the server answered 404.*correct experiments.vggnet12.weights", 1),
        (Fault(body=b"<html>sign in</html>"), "not readable as safetensors", 1),
    ],
    ids=["down", "absent", "page"],
)
def test_what_cannot_be_had_is_told_and_leaves_nothing(server, tmp_path, fault, message, asked):
    server.every = fault
    with pytest.raises(HissError, match=message) as told:
        fetch(server, tmp_path / "w.safetensors")
    assert str(told.value).startswith(server.url)
    assert len(server.asked()) == asked
    assert not list(tmp_path.iterdir())


def test_another_file_than_the_config_says_is_refused(server, tmp_path):
    wrong = hashlib.sha256(b"").hexdigest()
    with pytest.raises(HissError, match=f"not {wrong} as experiments.vggnet12.weights_sha256 says"):
        fetch(server, tmp_path / "w.safetensors", wrong)
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_gone_and_a_wrong_address_are_told(server, tmp_path):
    server.stop()
    with pytest.raises(HissError, match="could not be fetched in 3 attempts"):
        fetch(server, tmp_path / "w.safetensors")
    with pytest.raises(HissError, match="name a file of yours by its path"):
        fetch_weights("ftp://127.0.0.1/vgg13.safetensors", tmp_path / "w.safetensors")
    with pytest.raises(HissError, match="cannot be asked for"):
        fetch_weights("http://[/vgg13.safetensors", tmp_path / "w.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_file_at_hand_is_checked_too_and_copied(weights, tmp_path):
    path = weights / "vgg13.safetensors"
    fetch_weights(str(path), tmp_path / "w.safetensors", sha256_of(path))
    assert (tmp_path / "w.safetensors").read_bytes() == path.read_bytes()
    wrong = hashlib.sha256(b"").hexdigest()
    with pytest.raises(HissError, match=f"{path}: the file's SHA-256 is .* not {wrong}"):
        fetch_weights(str(path), tmp_path / "x.safetensors", wrong)
    with pytest.raises(HissError, match=r"absent.safetensors: cannot be read .* correct experiments.vggnet12.weights"):
        fetch_weights(str(weights / "absent.safetensors"), tmp_path / "x.safetensors", wrong)
    assert [file.name for file in tmp_path.iterdir()] == ["w.safetensors"]
