"""Made-up objects of three kinds that stand well apart, at four zooms, and a few that are odd."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from hiss.structure.explore import Options

KINDS = ("GALAXY", "QSO", "STAR")
OPTIONS = Options(
    components=4,
    embedded_components=8,
    perplexity=10,
    iterations=250,
    neighbours=5,
    most_clusters=5,
    min_cluster_size=8,
    min_class=10,
    draws=60,
    outliers=3,
    seed=1,
)
SIDES, SAMPLES = (32, 16, 8, 8), (480, 240, 120, 60)
H_ALPHA = 6564.6


def make_sky(folder: Path, n: int = 90, noise: float = 0.01, zooms: tuple[int, ...] = (0, 3), seed: int = 1) -> Path:
    """Write ``zoom<k>.h5`` of n objects and ``objects.parquet``; object 0 has a strong line where no other has one."""
    rng = np.random.default_rng(seed)
    kind = np.arange(n) % 3
    bright = rng.uniform(1, 50, n)
    rate = rng.normal(0, 1, n)
    redshift = np.where(kind == 0, 0.02, kind + 0.5)
    folder.mkdir(parents=True, exist_ok=True)
    for zoom in zooms:
        side, samples = SIDES[zoom], SAMPLES[zoom]
        y, x = (np.mgrid[:side, :side] + 0.5) * 32 / side - 16
        shape = np.exp(-np.hypot(x, y)[None] / np.array([8.0, 3.0, 1.5])[kind][:, None, None])
        colour = np.array([[0.4, 0.7, 1, 1.2, 1.4], [1.3, 1.2, 1, 0.9, 0.8], [0.1, 0.4, 1, 1.9, 2.8]])[kind]
        images = shape[:, None] * colour[:, :, None, None]
        wl = np.linspace(3800, 9200, samples)
        waves = np.stack([np.cos((wl - 6500) / scale) for scale in (3000, 900, 400)])[kind]
        spectra = 1 + 0.5 * waves + 0.2 * np.tanh(rate)[:, None] * (wl - 6500) / 2700
        spectra[0] += 5 * np.exp(-0.5 * ((wl - H_ALPHA * (1 + redshift[0])) / 12) ** 2)
        images = bright[:, None, None, None] * (images + rng.normal(0, noise, images.shape))
        spectra = bright[:, None] * (spectra + rng.normal(0, noise, spectra.shape))
        with h5py.File(folder / f"zoom{zoom}.h5", "w") as file:
            for name, values in (("images", images), ("spectra", spectra)):
                own = noise * bright.reshape(-1, *[1] * (values.ndim - 1)) * np.ones(values.shape)
                file[name] = values.astype(np.float32)
                file[{"images": "image_sigma", "spectra": "spectrum_sigma"}[name]] = own.astype(np.float32)
            file["wl"], file["target_id"] = wl, np.arange(n)
    objects = pd.DataFrame(
        {
            "target_id": np.arange(n),
            "class": np.array(KINDS)[kind],
            "z": redshift,
            "log_sfr": np.where(kind == 0, rate, np.nan),
            "plate": 411, "mjd": 51817, "fiber": np.arange(n) + 1, "ra": 10.0, "dec": 0.0,
        }
    )  # fmt: skip
    objects.to_parquet(folder / "objects.parquet", index=False)
    return folder
