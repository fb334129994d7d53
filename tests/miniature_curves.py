"""The curves that the runs of a miniature leave behind: scores by fold, or losses by iteration."""

from pathlib import Path

import numpy as np
import pandas as pd

from hiss.files import write_table


def write_curve(path: Path, model: str, found: dict[str, float]) -> None:
    if model == "decision_tree":
        folds = {key: [value * step for step in (0.9, 0.95, 1, 1.05, 1.1)] for key, value in found.items()}
        write_table(path, pd.DataFrame({"fold": range(5), **folds}))
        return
    steps = np.arange(1, 61)
    fall = found["rmse"] * (1 + np.exp(-steps / 10))
    losses = {"train_rmse": fall * np.exp(-steps / 150), "validation_rmse": fall + 2e-5 * (steps - 45) ** 2}
    write_table(path, pd.DataFrame({"iteration": steps, **losses}))
