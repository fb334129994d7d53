"""Repeated labels in small: galaxies that have several spectra, each with a label of its own."""

import numpy as np
import pandas as pd

from hiss.sample.label_noise import REPEAT_COLUMNS, label_noise


def make_repeats(objects: pd.DataFrame, n: int = 12, scatter: float = 1.0, seed: int = 3) -> pd.DataFrame:
    """Return two or three labels of the first objects of FLAG = 0, that scatter by so many of their half-widths."""
    rng = np.random.default_rng(seed)
    good = objects[objects["flag"] == 0].head(n)
    rows = good.loc[good.index.repeat(np.where(np.arange(len(good)) % 4 == 0, 3, 2))].reset_index(drop=True)
    width = ((rows["p84"] - rows["p16"]) / 2).to_numpy()
    rows["avg"] = rows["avg"] + rng.normal(0, 1, len(rows)) * scatter * width
    rows["half_width"], rows["mjd"] = width, 51817 + np.arange(len(rows))
    return rows[REPEAT_COLUMNS]


def make_noise(objects: pd.DataFrame, **repeats: float) -> pd.DataFrame:
    """Return the row that the report is given of the label's noise."""
    return label_noise(objects, make_repeats(objects, **repeats))
