"""All figures of a sample, of a model, and of the comparison, drawn and written."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hiss.bands import BAND_INDEX
from hiss.evaluation.collect import BASELINE_NAMES, modality_order, relative_folder
from hiss.files import read_table
from hiss.modality import FUSIONS
from hiss.plots import cascade, diagnostics, differences, intervals, labels, results, sample, training
from hiss.plots.example import Example, choose_example, example_object, example_of_cube, example_of_sample
from hiss.plots.filters import filters
from hiss.plots.style import save_figure, sentence_figure
from hiss.sample.arrays import load_rows
from hiss.sample.export import targets_table

_GALLERY = 18  # cutouts shown of those flagged

Drawn = tuple[Figure, pd.DataFrame]


def draw_sample(
    folder: Path | str,
    dense: Path | str,
    arrays: Path | str,
    tables: Mapping[str, pd.DataFrame],
    threshold: float,
    band: str,
) -> None:
    """Draw the example object, the filters, Figures 2.1 to 2.5 and the counts of classes.

    Parameters
    ----------
    folder
        Where the figures go.
    dense, arrays
        The dense cube, and the sample's arrays of zoom 0.
    tables
        ``objects, gaps, missing, multi_object`` of the sample.
    threshold, band
        Of the multi-object test.
    """
    objects, gaps, missing = tables["objects"], tables["gaps"], tables["missing"]
    good = objects.loc[objects["flag"] == 0, "row"]
    gaps, missing = gaps[gaps["row"].isin(good)], missing[missing["row"].isin(good)]
    with h5py.File(arrays, "r") as file:
        wl = file["wl"][()]
    targets = targets_table(dense)
    example = _example(dense, arrays, tables, targets)
    drawn = {
        "fig_1_1_example_object": _drawn_example(example),
        "fig_1_3_filters": filters(example),
        "fig_2_1_avg_distribution": sample.avg_distribution(objects),
        "fig_2_2_missing_flux": sample.missing_flux(missing),
        "fig_2_3_gap_lengths": sample.gap_lengths(gaps, len(good)),
        "fig_2_4_gap_wavelengths": sample.gap_wavelengths(gaps, wl, len(good)),
        "fig_2_5_multi_objects": _gallery(arrays, objects, tables["multi_object"], threshold, band),
        "fig_3_3_class_counts": sample.class_counts(targets),
    }
    save_all(folder, drawn)


def draw_labels(folder: Path | str, objects: pd.DataFrame, repeats: pd.DataFrame) -> None:
    """Draw the label's own noise."""
    save_all(folder, {"fig_label_scatter": labels.label_scatter(objects, repeats)})


def save_all(folder: Path | str, drawn: Mapping[str, Drawn]) -> None:
    """Write figures by their names."""
    for name, (figure, data) in drawn.items():
        save_figure(figure, folder, name, data)


def _example(
    dense: Path | str, arrays: Path | str, tables: Mapping[str, pd.DataFrame], targets: pd.DataFrame
) -> Example | None:
    """The clean galaxy of highest S/N; a target of the cube where no object has a star formation rate."""
    objects, missing, multi = tables["objects"], tables["missing"], tables["multi_object"]
    if len(objects):
        whole = missing.loc[(missing["zoom"] == 0) & (missing["fraction"] == 0), "row"]
        single = multi.loc[~multi["multi"].astype(bool), "row"]
        clean = objects[objects["row"].isin(whole) & objects["row"].isin(single) & (objects["flag"] == 0)]
        return example_of_sample(arrays, choose_example(clean if len(clean) else objects))
    return None if targets.empty else example_of_cube(dense, choose_example(targets))


def _drawn_example(example: Example | None) -> Drawn:
    if example is not None:
        return example_object(example)
    nothing = pd.DataFrame(columns=["part", "wavelength", "flux", "sigma"])
    return sentence_figure("The cube holds no object with images in all five bands and a spectrum."), nothing


def _gallery(arrays: Path | str, objects: pd.DataFrame, multi: pd.DataFrame, threshold: float, band: str) -> Drawn:
    flagged = multi[multi["multi"].astype(bool)].merge(objects[["row", "target_id"]], on="row", how="left")
    shown = flagged.head(_GALLERY).reset_index(drop=True)
    images = load_rows(arrays, shown["row"], "photo", sigma=False).images if len(shown) else None
    cutouts = np.empty((0, 1, 1), np.float32) if images is None else images[:, BAND_INDEX[band]]
    return sample.multi_objects(cutouts, shown, threshold, len(multi))


def draw_model(
    folder: Path | str,
    model: str,
    runs: pd.DataFrame,
    selection: pd.DataFrame,
    metrics: pd.DataFrame,
    curves: Sequence[Path | str] = (),
) -> None:
    """Draw the figures of one model: its metrics and costs, its sweep, and its learning curves if it has any.

    Parameters
    ----------
    curves
        curve.csv of every run of the model; those of the selected runs are read.
    """
    drawn = {
        f"fig_metrics_{model}": results.metrics_of_model(metrics, model),
        f"fig_runtime_{model}": results.runtime_of_model(metrics, model),
    }
    ceiling = _ceiling(metrics)
    if model == "decision_tree":
        drawn["fig_dt_depth"] = training.sweep_of_metrics(runs, selection, model, "max_depth", "cv", ceiling)
    elif model == "lightgbm":
        for modality in modality_order(runs.loc[runs["model"] == model, "modality"]):
            if modality not in FUSIONS:
                swept = training.sweep_of_two(runs, selection, model, modality, ceiling)
                drawn[f"fig_lightgbm_sweep_{modality}"] = swept
        drawn["fig_lightgbm_curves"] = _curves(curves, selection, model, "iteration")
    else:
        source = "validation"
        drawn["fig_vgg_sweep"] = training.sweep_of_metrics(runs, selection, model, "learning_rate", source, ceiling)
        drawn["fig_vgg_curves"] = _curves(curves, selection, model, "epoch")
    save_all(folder, drawn)


def _ceiling(metrics: pd.DataFrame) -> float:
    """Return the R2 that the width of the labels of the test set allows, the same in every row."""
    return float(metrics["r2_ceiling"].iloc[0]) if len(metrics) else float("nan")


def _curves(paths: Sequence[Path | str], selection: pd.DataFrame, model: str, unit: str) -> Drawn:
    chosen = set(selection["path"])
    curves = {relative_folder(path): read_table(path) for path in paths if relative_folder(path) in chosen}
    return training.learning_curves(curves, selection, model, unit)


def draw_comparison(
    folder: Path | str,
    runs: pd.DataFrame,
    metrics: pd.DataFrame,
    comparisons: pd.DataFrame,
    tests: pd.DataFrame,
    objects: pd.DataFrame,
) -> None:
    """Draw accuracy against cost, models beside the baselines, fusions, and predicted against true."""
    learned = tests[~tests["model"].isin(BASELINE_NAMES)]
    drawn = {
        "fig_pareto": results.pareto(runs, metrics),
        "fig_baselines": results.beside_baselines(metrics),
        "fig_fusions": differences.fusions(metrics, comparisons),
        "fig_predicted_true": diagnostics.predicted_true(learned, metrics, objects),
    }
    save_all(folder, drawn)


def draw_intervals(folder: Path | str, table: pd.DataFrame, metrics: pd.DataFrame) -> None:
    """Draw coverage and width of prediction intervals."""
    save_all(folder, {"fig_intervals": intervals.intervals(table, metrics)})


def draw_variants(folder: Path | str, table: pd.DataFrame) -> None:
    """Draw what the variants of the study change."""
    save_all(folder, {"fig_variants": differences.variants(table)})


def draw_cascade(folder: Path | str, table: pd.DataFrame) -> None:
    """Draw accuracy against cost from a coarse zoom to a fine one."""
    save_all(folder, {"fig_cascade": cascade.cascade(table)})
