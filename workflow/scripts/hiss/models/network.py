"""The layers of VGGNet12: nine convolutions of width 3 in blocks, three fully connected layers."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from hiss.bands import BANDS

BLOCKS: Final = (2, 2, 2, 2, 1)
"""Convolutions in each block: VGG13 (Simonyan & Zisserman 2015, configuration B) less its last one."""

WIDTHS: Final = (1, 2, 4, 8, 8)
"""Channels of each block, in units of the first block's."""

_SPECTRUM_POOL: Final = 4  # as many samples become one as pixels do in a 2x2 pool, so that both trunks end alike
_LEAST_MAP: Final = 2  # pixels, or samples, a side of the last map
_LEAST_IMAGE_TOKENS, _LEAST_SPECTRUM_TOKENS = 4, 8  # a side, where attention is to tell the places apart
_HEADS: Final = 8
_ATTENTION_LAYERS: Final = 2
EMBEDDING_SPREAD: Final = 0.02
"""Standard deviation of the attention's embedding before training."""

_FIRST_SPREAD: Final = 0.3  # of predictions before training, in standard deviations of the label
_WIDE, _SMALL = 32, 16  # channels and pixels where a CPU is faster with each channel by itself (measured)


class Trunk(nn.Module):
    """Nine convolutions on images, or on spectra as images one pixel high, with max pooling between blocks.

    A block's map is pooled as long as its side stays at ``least``, so the depth of the pooling follows the zoom.

    Parameters
    ----------
    shape
        Height and length of the input; a height of 1 makes all convolutions and pools one-dimensional.
    pool
        Samples along the length that become one.
    width
        Channels of the first block.
    """

    def __init__(
        self, channels: int, shape: tuple[int, int], pool: int, width: int, batch_norm: bool, least: int = _LEAST_MAP
    ) -> None:
        super().__init__()
        height, length = shape
        kernel, window = ((3, 3), (pool, pool)) if height > 1 else ((1, 3), (1, pool))
        layers: list[nn.Module] = []
        for repeats, relative in zip(BLOCKS, WIDTHS, strict=True):
            for _ in range(repeats):
                layers.append(nn.Conv2d(channels, relative * width, kernel, padding=(kernel[0] // 2, 1)))
                channels = relative * width
                layers += [nn.BatchNorm2d(channels)] if batch_norm else []
                layers.append(nn.ReLU(inplace=True))
            if length // pool >= least:
                layers.append(nn.MaxPool2d(window))
                height, length = max(1, height // pool), length // pool
        self.layers = nn.Sequential(*layers)
        self.n_channels = channels
        self.n_places = height * length
        self._cpu_by_channel = shape[0] > 1 and shape[1] <= _SMALL and width >= _WIDE
        self._format = torch.channels_last

    def settle(self, device: torch.device) -> None:
        """Move to a device, in the order of memory that is fast there."""
        by_channel = device.type == "cpu" and self._cpu_by_channel
        self._format = torch.contiguous_format if by_channel else torch.channels_last
        self.to(device)
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                layer.weight.data = layer.weight.data.contiguous(memory_format=self._format)

    def forward(self, values: Tensor) -> Tensor:
        """Return maps (n, n_channels, height, length) of inputs (n, channels, height, length)."""
        maps: Tensor = self.layers(values.contiguous(memory_format=self._format))
        return maps


class Attention(nn.Module):
    """The places of all maps look at each other: layers of self-attention (Vaswani et al. 2017).

    Each place is a token with a learned embedding that tells which it is, and of which map. A learned token before
    them gathers what matters (as in Dosovitskiy et al. 2021). Beside it stands the mean token of each map as it came,
    since the layers normalise each token, and brightness is luminosity.
    """

    def __init__(self, n_places: Sequence[int], channels: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(1 + sum(n_places), channels))
        nn.init.trunc_normal_(self.embedding, std=EMBEDDING_SPREAD)
        # Without dropout: the regressor's drops half of what comes of it.
        layer = nn.TransformerEncoderLayer(channels, _HEADS, 2 * channels, 0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, _ATTENTION_LAYERS, enable_nested_tensor=False)
        self.n_outputs = channels * (1 + len(n_places))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return (n, n_outputs) features of maps (n, channels, height, length)."""
        tokens = [one.flatten(2).transpose(1, 2) for one in maps]
        sequence = nn.functional.pad(torch.cat(tokens, dim=1), (0, 0, 1, 0)) + self.embedding
        with sdpa_kernel(SDPBackend.MATH):  # the others' gradients depend on the order of a GPU's threads
            gathered = self.encoder(sequence)[:, 0]
        return torch.cat([gathered, *(one.mean(dim=1) for one in tokens)], dim=1)


class Network(nn.Module):
    """A trunk for the images, one for the spectra, or both into one regressor (early fusion).

    Parameters
    ----------
    side
        Of the cutouts [pixel], 0 for none.
    n_samples
        Of the spectra, 0 for none.
    n_scalars
        Numbers that enter the regressor beside the trunks' features: the log of the spectrum's norm, the redshift.
    width
        Channels of the first block; the hidden layers have 64 times as many units (4096 for VGG's own 64).
    attention
        Join the trunks' maps by attention in place of concatenation.
    n_outputs
        Numbers that are told of an object: one, or one a class.
    n_bands
        Of the cutouts.
    """

    def __init__(
        self,
        side: int,
        n_samples: int,
        n_scalars: int,
        width: int,
        dropout: float,
        batch_norm: bool,
        attention: bool = False,
        n_outputs: int = 1,
        n_bands: int = len(BANDS),
    ) -> None:
        super().__init__()
        least = (_LEAST_IMAGE_TOKENS, _LEAST_SPECTRUM_TOKENS) if attention else (_LEAST_MAP, _LEAST_MAP)
        self.image_trunk = Trunk(n_bands, (side, side), 2, width, batch_norm, least[0]) if side else None
        self.spectrum_trunk = (
            Trunk(1, (1, n_samples), _SPECTRUM_POOL, width, batch_norm, least[1]) if n_samples else None
        )
        trunks = self.trunks()
        n_places = [trunk.n_places for trunk in trunks]
        n_features = sum(trunk.n_channels * trunk.n_places for trunk in trunks)
        self.attention = Attention(n_places, trunks[0].n_channels) if attention else None
        if self.attention:
            n_features = self.attention.n_outputs
        hidden = 64 * width
        self.head = nn.Sequential(
            nn.Linear(n_features + n_scalars, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, n_outputs),
        )
        for part in (*trunks, self.head):
            _initialise(part)

    def trunks(self) -> list[Trunk]:
        """The trunks there are, the images' first."""
        return [trunk for trunk in (self.image_trunk, self.spectrum_trunk) if trunk is not None]

    def settle(self, device: torch.device) -> None:
        """Move to a device, the trunks in the order of memory that is fast there."""
        self.to(device)
        for trunk in self.trunks():
            trunk.settle(device)

    @torch.no_grad()
    def calm(self, inputs: Sequence[Tensor]) -> None:
        """Scale the last layer down until the predictions of some objects spread by `_FIRST_SPREAD` at most.

        Of classes it is the outputs of an object among each other, so that none is sure of itself before it is trained.

        Max pooling passes on the largest of its inputs, so that a deep stack ends wider than it began; at a low
        learning rate a network that starts far off would spend its epochs on coming back.
        """
        self.eval()
        out = self.forward(inputs)
        spread = float((out if out.ndim == 1 else out - out.mean(dim=1, keepdim=True)).std())
        if spread > _FIRST_SPREAD:
            for values in self.head[-1].parameters():
                values.mul_(_FIRST_SPREAD / spread)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return float32 predictions: (n,), or (n, n_outputs) where they are several.

        Parameters
        ----------
        inputs
            As far as the modality has them, in this order: images (n, side, side, bands), spectra (n, n_samples),
            scalars (n, n_scalars).
        """
        waiting = list(inputs)
        maps = []
        if self.image_trunk:
            maps.append(self.image_trunk(waiting.pop(0).permute(0, 3, 1, 2)))
        if self.spectrum_trunk:
            maps.append(self.spectrum_trunk(waiting.pop(0)[:, None, None]))
        features = [self.attention(maps)] if self.attention else [one.flatten(1) for one in maps]
        hidden = self.head[:-1](torch.cat([*features, *waiting], dim=1))
        # A prediction in bfloat16 would be rounded to 0.01 dex.
        with torch.autocast(hidden.device.type, enabled=False):
            out: Tensor = self.head[-1](hidden.float())
        return out[:, 0] if out.shape[1] == 1 else out


def _initialise(part: nn.Module) -> None:
    # He et al. 2015: a deep stack of rectified layers keeps its variance.
    for module in part.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
