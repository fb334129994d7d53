"""Objects of three classes that a model can tell apart, and the settings of small models."""

from dataclasses import replace

import numpy as np

from hiss.modality import Modality
from hiss.models.base import Data, Model
from hiss.models.run import make_model

CLASSES = ("STAR", "GALAXY", "QSO")
SETTINGS = {
    "decision_tree": {"max_depth": 4},
    "lightgbm": {"max_depth": 4, "rounds": 25, "min_data_in_leaf": 5, "feature_fraction": 0.5},
    "vggnet12": {"width": 2, "epochs": 3, "learning_rate": 3e-3, "batch_size": 16, "image_scaling": "standard"},
}
LEARNS = SETTINGS | {"vggnet12": SETTINGS["vggnet12"] | {"width": 4, "epochs": 12, "dropout": 0.2}}
SIDE, SAMPLES = 8, 48


def objects(
    n: int,
    seed: int,
    modality: str = "early",
    shares: tuple[float, ...] = (0.3, 0.4, 0.3),
    noise: float = 0.3,
    n_bands: int = 5,
    classes: tuple[str, ...] = CLASSES,
) -> Data:
    """Objects whose class is their size in the images, and the place of a line in the spectra."""
    rng = np.random.default_rng(seed)
    code = rng.choice(len(shares), n, p=shares)
    radius = np.hypot(*np.meshgrid(*[np.arange(SIDE) - SIDE / 2] * 2))
    images = np.exp(-radius / (0.5 + 1.5 * code[:, None, None]))[:, None] * np.ones((n_bands, 1, 1))
    spectra = 1 + np.exp(-((np.arange(SAMPLES) - 10 - 12 * code[:, None]) ** 2) / 8)
    seen = Modality.parse(modality)
    return Data.from_arrays(
        images=(images + rng.normal(0, noise, images.shape)).astype("f4") if seen.images else None,
        spectra=(spectra + rng.normal(0, noise, spectra.shape)).astype("f4") if seen.spectra else None,
        target=code,
        extras=rng.uniform(0, 0.3, (n, 1)).astype("f4") if seen.redshift else None,
        classes=classes,
    )


def short(data: Data, *codes: int) -> Data:
    """Return the objects of those classes alone; what classes there are stays known."""
    return data.take(np.flatnonzero(np.isin(data.target, codes)))


def fitted(name: str, modality: str = "early", train: Data | None = None, **settings: object) -> Model:
    """Return a small model of 150 objects."""
    model = make_model(name, SETTINGS[name] | settings, modality, 1, 1)
    train = objects(150, 1, modality) if train is None else train
    held = objects(60, 2, modality, n_bands=train.n_bands)
    model.fit(train, replace(held, classes=train.classes))
    return model
