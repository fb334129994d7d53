"""ImageNet's weights: a VGG13's convolutions as the start of the image trunk."""

from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from hiss.bands import BANDS
from hiss.errors import HissError
from hiss.models.network import BLOCKS, WIDTHS, Trunk

IMAGENET_WIDTH: Final = 64
"""Channels of VGG13's first block."""

_CHANNELS: Final = [
    IMAGENET_WIDTH * relative for repeats, relative in zip(BLOCKS, WIDTHS, strict=True) for _ in range(repeats)
]
_COLOURS: Final = 3
_RGB_OF_BAND: Final = {"u": 2, "g": 2, "r": 1, "i": 0, "z": 0}  # the nearest of ImageNet's colours


def read_vgg13(path: Path | str) -> dict[int, dict[str, Tensor]]:
    """Return the layers of a VGG13's features that hold weights, by their place in torchvision's sequence.

    Parameters
    ----------
    path
        A safetensors file with torchvision's key names (``features.0.weight``), with batch norm or without.

    Raises
    ------
    HissError
        When the file cannot be read, or its convolutions are not those of a VGG13.
    """
    layers: dict[int, dict[str, Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            keys = list(file.keys())
            for key in keys:
                part, place, name = (*key.split("."), "", "")[:3]
                if part == "features" and place.isdigit():
                    layers.setdefault(int(place), {})[name] = file.get_tensor(key)
    except (SafetensorError, OSError) as error:
        raise HissError(
            f"{path}: not readable as safetensors ({error}); convert VGG13's weights to that format"
        ) from None
    layers = dict(sorted(layers.items()))
    found = [tuple(layer["weight"].shape) for layer in layers.values() if _is_convolution(layer)]
    wanted = [(n, before, 3, 3) for before, n in zip([_COLOURS, *_CHANNELS], _CHANNELS)]
    if found[: len(wanted)] != wanted:
        raise HissError(
            f"{path}: its convolutions are not those of a VGG13 (keys features.0.weight, ...); "
            "name another file as experiments.vggnet12.weights, or null to start at random"
        )
    return layers


def _is_convolution(layer: dict[str, Tensor]) -> bool:
    return "weight" in layer and layer["weight"].ndim == 4


def load_imagenet(trunk: Trunk, path: Path | str) -> None:
    """Set an image trunk's convolutions to those of a VGG13 trained on ImageNet.

    The first layer sees five bands where ImageNet has three colours: u and g share its blue, r has its green,
    i and z share its red, so that a grey image gives what it gave before. A trunk for red, green and blue pictures
    takes it as it is.

    Parameters
    ----------
    path
        As of `read_vgg13`, with batch norm where the trunk has it.

    Raises
    ------
    HissError
        When the file is not a VGG13, or its layers are not those of the trunk.
    """
    theirs = read_vgg13(path)
    ours = [layer for layer in trunk.layers if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
    if len(theirs) < len(ours):
        raise HissError(
            f"{path}: {len(theirs)} layers where the network has {len(ours)}; is it VGG13 with batch norm as set?"
        )
    for layer, (place, values) in zip(ours, theirs.items(), strict=False):
        if isinstance(layer, nn.Conv2d) and layer.in_channels == len(BANDS):
            values = values | {"weight": _five_bands(values["weight"])}
        try:
            layer.load_state_dict(values)
        except RuntimeError as error:
            what = " ".join(str(error).split())
            raise HissError(
                f"{path}: features.{place} does not fit ({what}); ImageNet's VGG13 needs width {IMAGENET_WIDTH} "
                "and batch norm set as in the file"
            ) from None


def _five_bands(weight: Tensor) -> Tensor:
    """Spread a first layer (n, 3, 3, 3) for red, green, blue over the five bands."""
    colours = [_RGB_OF_BAND[band] for band in BANDS]
    shares = torch.tensor([1 / colours.count(colour) for colour in colours], dtype=weight.dtype)
    return weight[:, colours] * shares[None, :, None, None]
