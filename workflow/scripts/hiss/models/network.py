"""The layers of VGGNet12: nine 3x3 convolutions in blocks, three fully connected layers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from hiss.bands import BANDS
from hiss.errors import HissError

BLOCKS: Final = (2, 2, 2, 2, 1)
"""Convolutions in each block: VGG13 (Simonyan & Zisserman 2015, configuration B) less its last one."""

WIDTHS: Final = (1, 2, 4, 8, 8)
"""Channels of each block, in units of the first block's."""

IMAGENET_WIDTH: Final = 64
_LEAST_MAP = 2  # pixels, or samples, a side of the last map
_SPECTRUM_POOL = 4  # as many samples become one as pixels do in a 2x2 pool, so that both trunks end alike
_RGB_OF_BAND: Final = {"u": 2, "g": 2, "r": 1, "i": 0, "z": 0}  # the nearest of ImageNet's colours


class Trunk(nn.Module):
    """Nine convolutions of width 3 on images (two dimensions) or spectra (one), with max pooling between blocks.

    A block's map is pooled as long as it stays 2 pixels wide, so the depth of the pooling follows the zoom.
    """

    def __init__(self, channels: int, size: int, dimensions: int, width: int, batch_norm: bool) -> None:
        super().__init__()
        convolution: type[nn.Conv1d | nn.Conv2d] = nn.Conv2d if dimensions == 2 else nn.Conv1d
        normalisation: type[nn.BatchNorm1d | nn.BatchNorm2d] = nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm1d
        pool = 2 if dimensions == 2 else _SPECTRUM_POOL
        layers: list[nn.Module] = []
        for repeats, relative in zip(BLOCKS, WIDTHS, strict=True):
            for _ in range(repeats):
                layers.append(convolution(channels, relative * width, 3, padding=1))
                channels = relative * width
                layers += [normalisation(channels)] if batch_norm else []
                layers.append(nn.ReLU(inplace=True))
            if size // pool >= _LEAST_MAP:
                layers.append(nn.MaxPool2d(pool) if dimensions == 2 else nn.MaxPool1d(pool))
                size //= pool
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.n_outputs = channels * size**dimensions

    def forward(self, values: Tensor) -> Tensor:
        """Return (n, n_outputs) features of inputs (n, channels, ...)."""
        out: Tensor = self.layers(values)
        return out


class Network(nn.Module):
    """A trunk for the images, one for the spectra, or both into one regressor (early fusion).

    Parameters
    ----------
    side
        Of the cutouts [pixel], 0 for none.
    n_samples
        Of the spectra, 0 for none.
    width
        Channels of the first block; the hidden layers have 64 times as many units (4096 for VGG's own 64).
    """

    def __init__(self, side: int, n_samples: int, width: int, dropout: float, batch_norm: bool) -> None:
        super().__init__()
        self.image_trunk = Trunk(len(BANDS), side, 2, width, batch_norm) if side else None
        self.spectrum_trunk = Trunk(1, n_samples, 1, width, batch_norm) if n_samples else None
        n_features = sum(trunk.n_outputs for trunk in (self.image_trunk, self.spectrum_trunk) if trunk)
        n_features += 1 if n_samples else 0  # the log of the spectrum's norm
        hidden = 64 * width
        self.head = nn.Sequential(
            nn.Linear(n_features, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, 1),
        )
        self._initialise()

    def _initialise(self) -> None:
        # He et al. 2015: a deep stack of rectified layers keeps its variance.
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias) if module.bias is not None else None

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return (n,) predictions from the modality's inputs: images, then spectra and log-norms."""
        waiting = list(inputs)
        features = [self.image_trunk(waiting.pop(0))] if self.image_trunk else []
        if self.spectrum_trunk:
            features += [self.spectrum_trunk(waiting.pop(0)[:, None]), waiting.pop(0)]
        out: Tensor = self.head(torch.cat(features, dim=1))
        return out[:, 0]


def load_imagenet(trunk: Trunk, path: Path | str) -> None:
    """Set an image trunk's convolutions to those of a VGG13 trained on ImageNet.

    The first layer sees five bands where ImageNet has three colours: u and g share its blue, r has its green,
    i and z share its red, so that a grey image gives what it gave before.

    Parameters
    ----------
    path
        A safetensors file with torchvision's key names (``features.0.weight``), with batch norm or without, as
        the trunk is.

    Raises
    ------
    HissError
        When the file cannot be read or its layers are not those of the trunk.
    """
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise HissError(f"{path}: not readable as safetensors ({error}); convert VGG13's weights to it") from None
    ours = [layer for layer in trunk.layers if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
    places = sorted({int(key.split(".")[1]) for key in state if key.startswith("features.")})
    if len(places) < len(ours):
        raise HissError(
            f"{path}: {len(places)} layers where the network has {len(ours)}; is it VGG13 with batch norm as set?"
        )
    for layer, place in zip(ours, places, strict=False):
        values = {key.split(".")[-1]: tensor for key, tensor in state.items() if key.startswith(f"features.{place}.")}
        if place == places[0] and "weight" in values:
            values["weight"] = _five_bands(values["weight"])
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
    if weight.ndim != 4 or weight.shape[1] != 3:
        return weight
    colours = [_RGB_OF_BAND[band] for band in BANDS]
    shares = torch.tensor([1 / colours.count(colour) for colour in colours], dtype=weight.dtype)
    return weight[:, colours] * shares[None, :, None, None]
