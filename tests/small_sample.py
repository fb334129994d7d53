"""A small sample as its floor writes it: arrays of two zooms, objects, emission lines and split; no cube, no sky."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

N = 150
SIDES = {2: 16, 3: 8}
SAMPLES = {2: 80, 3: 40}


def write_small_sample(folder: Path) -> Path:
    """Write ``zoom2.h5``, ``zoom3.h5``, ``objects.parquet``, ``lines.parquet`` and ``split.parquet``.

    Rows of the test set and rows that are in no sample are NaN, so that reading one shows.
    """
    rng = np.random.default_rng(1)
    label = rng.normal(size=N)
    side = rng.choice(["train", "validation", "test", "none"], size=N, p=[0.55, 0.2, 0.15, 0.1])
    hidden = np.isin(side, ["test", "none"])
    for zoom in SIDES:
        images = label[:, None, None, None] + rng.normal(0, 0.5, (N, 5, SIDES[zoom], SIDES[zoom]))
        spectra = label[:, None] + rng.normal(0, 0.3, (N, SAMPLES[zoom]))
        images[hidden] = spectra[hidden] = np.nan
        with h5py.File(folder / f"zoom{zoom}.h5", "w") as file:
            file["images"], file["image_sigma"] = images.astype("f4"), np.full(images.shape, 0.5, "f4")
            file["spectra"], file["spectrum_sigma"] = spectra.astype("f4"), np.full(spectra.shape, 0.3, "f4")
            file["wl"], file["target_id"] = np.linspace(3800, 9200, SAMPLES[zoom]), 1000 + 3 * np.arange(N)
    row = np.arange(N)
    width = rng.uniform(0.1, 0.8, N)
    objects = pd.DataFrame({"row": row, "z": rng.uniform(0.01, 0.3, N), "p16": label - width, "p84": label + width})
    objects.loc[::7, ["p16", "p84"]] = -99.0
    objects.to_parquet(folder / "objects.parquet", index=False)
    lines = {name: rng.uniform(1, 2, N) for name in ("h_alpha", "h_alpha_sigma", "h_beta", "h_beta_sigma")}
    objects[["row", "z"]].assign(**lines).to_parquet(folder / "lines.parquet", index=False)
    split = pd.DataFrame({"row": row, "target_id": 1000 + 3 * row, "group": row, "avg": label, "split": side})
    split = split[side != "none"].reset_index(drop=True)
    split["fold"] = np.where(split["split"] == "train", np.arange(len(split)) % 5, -1)
    split.to_parquet(folder / "split.parquet", index=False)
    return folder
