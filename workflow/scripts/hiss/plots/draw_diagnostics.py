"""All figures of the diagnostics, drawn and written."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hiss.plots import diagnostics, importance, learning
from hiss.plots.style import save_figure


def _save(folder: Path | str, name: str, drawn: tuple[Figure, pd.DataFrame]) -> None:
    save_figure(drawn[0], folder, name, drawn[1])


def draw_residuals(folder: Path | str, residuals: pd.DataFrame, trends: pd.DataFrame) -> None:
    """Draw the residuals of the best run."""
    _save(folder, "fig_residuals", diagnostics.residuals(residuals, trends))


def draw_calibration(folder: Path | str, table: pd.DataFrame) -> None:
    """Draw the coverage of intervals at all levels."""
    _save(folder, "fig_calibration", diagnostics.calibration(table))


def draw_importance(
    folder: Path | str, summary: pd.DataFrame, maps: Mapping[importance.Key, pd.DataFrame], objects: pd.DataFrame
) -> None:
    """Draw what LightGBM looks at, in spectra and in images."""
    redshift = objects["z"].to_numpy(dtype=np.float64)
    spectrum = importance.importance_spectrum(summary, maps, redshift)
    _save(folder, "fig_importance_spectrum", spectrum)
    _save(folder, "fig_importance_images", importance.importance_images(summary, maps))


def draw_saliency(
    folder: Path | str, regions: Mapping[importance.Key, pd.DataFrame], maps: Mapping[importance.Key, pd.DataFrame]
) -> None:
    """Draw what the CNN looks at."""
    _save(folder, "fig_saliency", importance.saliency(regions, maps))


def draw_learning(folder: Path | str, points: pd.DataFrame, fits: pd.DataFrame) -> None:
    """Draw learning curves."""
    _save(folder, "fig_learning_curve", learning.learning_curve(points, fits))
