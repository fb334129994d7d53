"""Small objects and quick networks for the CNN's tests."""

import numpy as np

from hiss.models.base import Data
from hiss.models.checkpoint import Checkpoint
from hiss.models.vgg import VGGNet12

SETTINGS = {"learning_rate": 1e-3, "width": 2, "epochs": 6, "patience": 3, "batch_size": 16}


def galaxies(n: int, seed: int, side: int = 8, samples: int = 96, extras: int = 0) -> Data:
    """Objects whose label is the log of their brightness, half of it in the images, half in the spectra."""
    rng = np.random.default_rng(seed)
    brightness = rng.normal(size=(2, n))
    images = 10 ** (0.4 * brightness[0])[:, None, None, None] * np.ones((5, side, side))
    spectra = 10 ** (0.4 * brightness[1])[:, None] * (1 + 0.2 * np.sin(np.arange(samples) / 9))
    return Data.from_arrays(
        images=(images + rng.normal(0, 0.1, images.shape)).astype("f4"),
        spectra=(spectra + rng.normal(0, 0.1, spectra.shape)).astype("f4"),
        target=brightness.sum(axis=0),
        image_sigma=np.full(images.shape, 0.1, dtype="f4"),
        extras=rng.normal(size=(n, extras)).astype("f4") if extras else None,
    )


def noise(n: int, seed: int) -> Data:
    data = galaxies(n, seed)
    data.target[:] = np.random.default_rng(seed + 100).normal(size=n)
    return data


def fitted(modality: str = "early", train: Data | None = None, checkpoint: Checkpoint | None = None, **settings):
    threads = settings.pop("threads", 1)
    model = VGGNet12(modality, **(SETTINGS | settings), threads=threads)
    model.checkpoint = checkpoint
    extras = 1 if modality.endswith("_z") else 0
    model.fit(train or galaxies(120, 1, extras=extras), galaxies(40, 2, extras=extras))
    return model
