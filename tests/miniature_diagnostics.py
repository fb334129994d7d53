"""Diagnostics of a miniature: of its own predictions where there are some, of made-up contributions where not."""

from pathlib import Path

import numpy as np
import pandas as pd

from hiss.evaluation.attribution import Attribution
from hiss.evaluation.calibration import by_run, calibration_table
from hiss.evaluation.importance import summarise_importance
from hiss.evaluation.regions import Layout
from hiss.evaluation.residuals import best_run, residual_table, trends
from hiss.files import read_table, write_table
from hiss.names import by_place
from hiss.plots.draw_diagnostics import (
    draw_calibration,
    draw_importance,
    draw_learning,
    draw_residuals,
    draw_saliency,
)

DIAGNOSTIC_FIGURES = {
    "fig_residuals",
    "fig_calibration",
    "fig_importance_spectrum",
    "fig_importance_images",
    "fig_saliency",
    "fig_learning_curve",
}


def diagnose(folder: Path, level: float, seed: int = 1) -> None:
    """Write the tables and the figures of the diagnostics of an evaluated miniature with intervals."""
    tables, figures, rng = folder / "evaluation", folder / "report" / "figures", np.random.default_rng(seed)
    objects = read_table(folder / "sample" / "objects.parquet")
    split = read_table(folder / "sample" / "flag0" / "split.parquet")
    tests = pd.concat([read_table(path) for path in sorted(tables.glob("test_*.parquet"))], ignore_index=True)
    metrics = read_table(tables / "metrics.csv")
    bands = {band: rng.uniform(14, 17.8, len(objects)) for band in "rugiz"}  # z the band is not z the redshift
    magnitudes = pd.DataFrame({"row": objects["row"], **bands})
    residuals = residual_table(tests, objects, magnitudes, best_run(metrics))
    followed = trends(residuals, split, 100, seed)
    held_out = [*tables.glob("out_of_fold/*/*/*.parquet"), *folder.glob("runs/**/stacked/**/out_of_fold.parquet")]
    ends = by_place(tables.glob("quantiles/*/*/out_of_fold.parquet"))
    calibration = calibration_table(tests, metrics, split, by_run(held_out), ends, level)
    regions, maps = importance(objects["z"].to_numpy(), rng)
    summary = summarise_importance(regions)
    points, fits = learning()
    for name, table in {
        "residuals": residuals,
        "residual_trends": followed,
        "calibration": calibration,
        "importance/summary": summary,
        "learning_curve": points,
        "learning_fits": fits,
    }.items():
        write_table(tables / "diagnostics" / f"{name}.csv", table)  # apart from the tables of StudyTables
    draw_residuals(figures, residuals, followed)
    draw_calibration(figures, calibration)
    draw_importance(figures, summary, maps, objects)
    draw_saliency(figures, *saliency(objects["z"].to_numpy(), rng))
    draw_learning(figures, points, fits)


def explained(modality: str, zoom: int, z: np.ndarray, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return regions and maps of contributions that are larger in the centre of the cutout and in the blue."""
    side = 0 if modality == "spectra" else 64 >> zoom
    wl = np.empty(0) if modality == "photo" else np.linspace(3840, 8915, 4620 >> zoom)
    layout = Layout(side, wl, [])
    attribution = Attribution(layout, z)
    y, x = (np.arange(side) - (side - 1) / 2) * 25.3 / max(side, 1), (np.arange(side) - (side - 1) / 2)
    blob = np.exp(-np.hypot(*np.meshgrid(x * 25.3 / max(side, 1), y)) / 4)
    scale = np.concatenate([np.tile(blob.ravel(), 5), 4000 / wl]) / layout.n_columns**0.5
    attribution.add(rng.normal(0, 0.2, (len(z), layout.n_columns)) * scale)
    return attribution.regions_table(), attribution.map_table()


def importance(
    z: np.ndarray, rng: np.random.Generator
) -> tuple[dict[tuple[str, int], pd.DataFrame], dict[tuple[str, int], pd.DataFrame]]:
    """Return tables of LightGBM's importance, and their maps, by modality and zoom."""
    regions, maps = {}, {}
    for modality in ("photo", "spectra", "early"):
        for zoom in (2, 3):
            table, features = explained(modality, zoom, z, rng)
            lost = 0.2 * table["contribution"] * rng.uniform(0.5, 1.5, len(table))
            told = {"gain_share": table["feature_share"], "rmse": 0.3, "delta_rmse": lost}
            told |= {"delta_low": lost - 0.01, "delta_high": lost + 0.01}
            table = table.assign(**told)
            table.loc[table["kind"] == "continuum", ["rmse", "delta_rmse", "delta_low", "delta_high"]] = np.nan
            regions[modality, zoom], maps[modality, zoom] = table, features.assign(gain_share=0.0)
    return regions, maps


def saliency(
    z: np.ndarray, rng: np.random.Generator
) -> tuple[dict[tuple[str, int], pd.DataFrame], dict[tuple[str, int], pd.DataFrame]]:
    """Return tables of the CNN's saliency, and their maps, by modality and zoom."""
    regions, maps = {}, {}
    for modality in ("photo", "spectra", "early"):
        table, features = explained(modality, 3, z, rng)
        told = {"contribution_random": table["contribution"].median(), "likeness": 0.7, "likeness_gradient": -0.02}
        regions[modality, 3] = table.assign(**told, completeness=0.02)
        maps[modality, 3] = features.assign(contribution_random=features["contribution"].median())
    return regions, maps


def learning() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return learning curves of two models, one of which follows a power law."""
    points, fits = [], []
    for model, sizes in (("decision_tree", (60, 120, 240)), ("lightgbm", (24, 60, 120, 240))):
        for modality, floor in (("photo", 0.4), ("spectra", 0.3), ("early", 0.25)):
            named = {"model": model, "modality": modality, "zoom": 3}
            for n in sizes:
                rmse = floor + 2 * n**-0.6
                at = {"train_share": n / 240, "n_train": n, "draws": 1 if n == 240 else 3, "n_validation": 70}
                points.append(named | at | {"rmse": rmse, "low": rmse - 0.03, "high": rmse + 0.03, "scatter": 0.01})
            known = model == "lightgbm"
            fits.append(
                named
                | {"sizes": len(sizes), "floor": floor, "factor": 2.0, "exponent": 0.6, "determined": known}
                | {"n_half": 120, "n_all": 240, "last_doubling": -0.04, "last_low": -0.06, "last_high": -0.02}
                | {"next_doubling": -0.025 if known else np.nan, "next_low": -0.04, "next_high": -0.01}
            )
    return pd.DataFrame(points), pd.DataFrame(fits)
