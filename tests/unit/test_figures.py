"""Figures: every one with its data, for whole and for small studies, the same bytes each time."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from miniature_diagnostics import DIAGNOSTIC_FIGURES
from miniature_results import BASELINES, drawn_sample, drawn_single, drawn_study

from hiss.cube.transmission import filter_transmissions
from hiss.errors import HissError
from hiss.evaluation.collect import MODALITIES
from hiss.files import read_table
from hiss.plots import cascade, differences, intervals, results, sample, training
from hiss.plots.filters import filters
from hiss.plots.style import modality_colour, modality_label, modality_marker, plt, save_figure

SAMPLE_FIGURES = {
    "fig_1_1_example_object",
    "fig_1_3_filters",
    "fig_2_1_avg_distribution",
    "fig_2_2_missing_flux",
    "fig_2_3_gap_lengths",
    "fig_2_4_gap_wavelengths",
    "fig_2_5_multi_objects",
    "fig_3_3_class_counts",
    "fig_label_scatter",
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study of a tree and of boosting at two zooms; without a CNN."""
    return drawn_study(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree on images at one zoom: nothing to fuse, no baseline, interval, variant or cascade."""
    return drawn_single(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sky of which no object has a star formation rate."""
    return drawn_sample(tmp_path_factory.getbasetemp())


def _figure(folder: Path, name: str) -> pd.DataFrame:
    return read_table(folder / "report" / "figures" / f"{name}.csv")


def test_every_figure_has_svg_png_and_data(study: Path) -> None:
    names = {path.stem for path in (study / "report" / "figures").glob("*.svg")}
    assert names == SAMPLE_FIGURES | DIAGNOSTIC_FIGURES | {
        "fig_metrics_decision_tree",
        "fig_runtime_decision_tree",
        "fig_dt_depth",
        "fig_metrics_lightgbm",
        "fig_runtime_lightgbm",
        "fig_lightgbm_sweep_photo",
        "fig_lightgbm_sweep_spectra",
        "fig_lightgbm_sweep_early",
        "fig_lightgbm_curves",
        "fig_predicted_true",
        "fig_pareto",
        "fig_baselines",
        "fig_fusions",
        "fig_intervals",
        "fig_variants",
        "fig_cascade",
    }
    for name in names:
        assert len(_figure(study, name)) > 0, name
        assert (study / "report" / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert not plt.get_fignums(), "a figure was left open"


def test_the_data_behind_figures_are_the_tables_they_are_drawn_from(study: Path) -> None:
    metrics = read_table(study / "evaluation/metrics.csv").set_index(["model", "modality", "zoom"])
    drawn = _figure(study, "fig_metrics_lightgbm").set_index(["model", "modality", "zoom"])
    np.testing.assert_allclose(drawn["rmse_low"], metrics.loc[drawn.index, "rmse_low"])
    distribution = _figure(study, "fig_2_1_avg_distribution")
    objects = read_table(study / "sample/objects.parquet")
    assert distribution["all"].sum() == len(objects)
    assert distribution["flag0"].sum() == (objects["flag"] == 0).sum()
    depth = _figure(study, "fig_dt_depth")
    assert sorted(set(depth["max_depth"])) == [1, 2, 3, 4, 5, 6]
    gallery = _figure(study, "fig_2_5_multi_objects")
    multi = read_table(study / "sample/multi_object.parquet")
    assert set(gallery["row"]) <= set(multi.loc[multi["multi"], "row"])


def test_gaps_are_counted_at_their_wavelengths() -> None:
    wl = np.linspace(4000, 5000, 11)
    gaps = pd.DataFrame({"row": [0, 1, 2], "zoom": 0, "first": [2, 3, 0], "length": [3, 1, 11]})
    _, data = sample.gap_wavelengths(gaps, wl, 4)
    assert data["spectra"].to_list() == [0, 0, 1, 2, 1, 0, 0, 0, 0, 0, 0]
    assert data["share"].max() == 0.5
    plt.close("all")


def test_gaps_are_counted_at_each_zoom() -> None:
    wl = np.linspace(4000, 5000, 16)
    gaps = pd.DataFrame({"row": [0, 0, 1], "zoom": [0, 1, 1], "first": [4, 2, 6], "length": [3, 2, 2]})
    figure, data = sample.gap_wavelengths(gaps, wl, 2)
    assert data[data["zoom"] == 0]["spectra"].to_list() == [0] * 4 + [1] * 3 + [0] * 9
    assert data[data["zoom"] == 1]["spectra"].to_list() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["zoom 0 (64 px)", "zoom 1 (32 px)"]
    plt.close("all")


def test_classes_are_counted_with_those_that_have_a_label() -> None:
    kinds = ["GALAXY"] * 30 + ["QSO"] * 3 + ["STAR"] + [""]
    targets = pd.DataFrame({"class": kinds, "avg": [0.5] * 20 + [np.nan] * 10 + [-99.0] * 5})
    figure, data = sample.class_counts(targets)
    found = data.set_index("class")
    assert found["targets"].to_dict() == {"GALAXY": 30, "QSO": 3, "STAR": 1, "unknown": 1}
    assert found["with_sfr"].to_dict() == {"GALAXY": 20, "QSO": 0, "STAR": 0, "unknown": 0}
    assert {"30", "20", "3", "1", "0"} <= {text.get_text() for text in figure.axes[0].texts}
    assert "holds no object" in _sentences(sample.class_counts(targets.head(0))[0])
    plt.close("all")


def test_filters_are_those_the_cube_weighs_spectra_by() -> None:
    _, data = filters(None)
    curves = data.pivot(index="wavelength", columns="part", values="transmission")
    expected = filter_transmissions(curves.index.to_numpy(float))
    for band, curve in zip("ugriz", expected, strict=True):
        np.testing.assert_allclose(curves[f"filter {band}"], curve)
    assert (curves.iloc[[0, -1]] == 0).all(axis=None), "every filter is shown whole"
    plt.close("all")


def test_boosting_s_settings_are_shown_in_four_metrics_of_each_modality(study: Path) -> None:
    runs = read_table(study / "evaluation/runs.csv")
    for modality in ("photo", "spectra", "early"):
        drawn = _figure(study, f"fig_lightgbm_sweep_{modality}")
        own = runs[(runs["model"] == "lightgbm") & (runs["modality"] == modality)]
        for name in ("r2", "mae", "rmse", "nmad"):
            np.testing.assert_allclose(np.sort(drawn[f"validation_{name}"]), np.sort(own[f"validation_{name}"]))
    figure, _ = training.sweep_of_two(runs, runs.head(0), "lightgbm", "early", 0.9)
    assert len(figure.axes) == 4 * 2
    assert [axis.get_ylabel() for axis in figure.axes[::2]] == ["$R^2$", "MAE [dex]", "RMSE [dex]", "NMAD [dex]"]
    assert "ceiling of the label" in _sentences(figure)
    plt.close("all")


def test_missing_flux_is_binned_by_its_share() -> None:
    missing = pd.DataFrame({"zoom": [0] * 6 + [1], "fraction": [0, 0.005, 0.01, 0.03, 0.7, 1.0, 0.2]})
    _, data = sample.missing_flux(missing)
    assert data.set_index("missing")["spectra"].to_dict() == {
        "none": 1,
        "up to 1 %": 2,
        "1 to 5 %": 1,
        "5 to 10 %": 0,
        "10 to 50 %": 0,
        "over 50 %": 1,
        "all": 1,
    }
    plt.close("all")


def test_the_same_figure_has_the_same_bytes(study: Path, tmp_path: Path) -> None:
    objects = read_table(study / "sample/objects.parquet")
    digests = []
    for name in ("one", "two"):
        figure, data = sample.avg_distribution(objects)
        save_figure(figure, tmp_path / name, "figure", data)
        files = sorted((tmp_path / name).iterdir())
        assert [path.suffix for path in files] == [".csv", ".png", ".svg"]
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1]


def _table(folder: Path, name: str) -> pd.DataFrame:
    return read_table(folder / "evaluation" / f"{name}.csv")


def _sentences(figure: object) -> str:
    return " ".join(text.get_text() for text in figure.findobj(plt.Text)).replace("\n", " ")


def test_nothing_to_show_is_said_not_drawn(study: Path) -> None:
    runs = read_table(study / "evaluation/runs.csv")
    selection = read_table(study / "evaluation/selection.csv")
    metrics = read_table(study / "evaluation/metrics.csv")
    none = runs.iloc[:0]
    drawn = {
        "No object of this sky": sample.avg_distribution(read_table(study / "sample/objects.parquet").iloc[:0]),
        "None of the 5 spectra has a gap": sample.gap_lengths(read_table(study / "sample/gaps.parquet").iloc[:0], 5),
        "None of the 7 cutouts": sample.multi_objects(np.empty((0, 1, 1)), pd.DataFrame(), 0.9, 7),
        "No run of vggnet12": training.sweep_of_metrics(runs, selection, "vggnet12", "learning_rate", "validation"),
        "No run of lightgbm": training.sweep_of_two(none, selection, "lightgbm", "photo"),
        "No run of vggnet12 is selected": training.learning_curves({}, selection, "vggnet12", "epoch"),
        "VGGNet12 is not in this grid, so it has no metrics": results.metrics_of_model(metrics, "vggnet12"),
        "VGGNet12 is not in this grid, so it has no run time": results.runtime_of_model(metrics, "vggnet12"),
        "No run has a fit time": results.pareto(none, metrics),
        "no fusion and single modality to compare": differences.fusions(metrics, _table(study, "comparisons").iloc[:0]),
        "No variant has an object in common": differences.variants(_table(study, "variants").iloc[:0]),
        "The study has no cascade": cascade.cascade(_table(study, "cascade").iloc[:0]),
        "No run of this study has prediction intervals": intervals.intervals(
            _table(study, "intervals").iloc[:0], metrics
        ),
    }
    for sentence, (figure, _) in drawn.items():
        assert sentence in _sentences(figure)
    plt.close("all")


def test_a_sky_without_labels_shows_an_object_of_the_cube(unlabelled: Path) -> None:
    example = _figure(unlabelled, "fig_1_1_example_object")
    assert (example["part"] == "spectrum").sum() == 4620
    assert {f"image {band}" for band in "ugriz"} <= set(example["part"])
    counts = _figure(unlabelled, "fig_3_3_class_counts")
    assert counts.set_index("class")["targets"].to_dict() == {"GALAXY": 0, "QSO": 0, "STAR": 3}
    assert counts["with_sfr"].sum() == 0
    assert (_figure(unlabelled, "fig_1_3_filters")["part"] == "spectrum").sum() == 4620
    for name in SAMPLE_FIGURES - {"fig_1_1_example_object", "fig_1_3_filters", "fig_3_3_class_counts"}:
        assert len(_figure(unlabelled, name)) == 0
        assert (unlabelled / "report" / "figures" / f"{name}.svg").stat().st_size > 500


def test_one_point_is_called_no_sweep_and_a_model_may_lack_zooms(study: Path) -> None:
    runs = read_table(study / "evaluation/runs.csv")
    selection = read_table(study / "evaluation/selection.csv")
    one = runs[(runs["model"] == "decision_tree") & (runs["max_depth"] == 3)]
    figure, _ = training.sweep_of_metrics(one, selection, "decision_tree", "max_depth", "cv")
    assert "This grid has one maximum depth, 3" in _sentences(figure)
    plt.close("all")


def test_pareto_front_is_of_runs_nothing_beats() -> None:
    runs = pd.DataFrame({"fit_s": [3.0, 1.0, 2.0, 4.0, 1.0], "validation_rmse": [0.2, 0.5, 0.6, 0.1, 0.4]})
    assert results.pareto_front(runs).index.to_list() == [4, 0, 3]


def test_modalities_have_their_own_colours_and_markers() -> None:
    for look in (modality_colour, modality_marker, modality_label):
        assert len({look(name) for name in MODALITIES}) == len(MODALITIES)
    for name in ("early_spectra0", "early_rest", "early_z"):
        assert modality_colour(name) == modality_colour("early")
    assert modality_label("early_spectra0_rest_z") == "early fusion, spectra of zoom 0, at rest, with z"
    with pytest.raises(HissError, match="modality 'images' is not known"):
        modality_colour("images")


def test_models_stand_beside_the_baselines_by_their_validation_rmse(study: Path) -> None:
    drawn, metrics = _figure(study, "fig_baselines"), _table(study, "metrics")
    assert drawn["model"].to_list() == [*BASELINES, "decision_tree", "lightgbm"]
    for row in drawn.to_dict("records"):
        own = metrics[metrics["model"] == row["model"]]
        best = own.loc[own["validation_rmse"].idxmin()]
        assert (row["modality"], row["zoom"], row["rmse"]) == (best["modality"], best["zoom"], best["rmse"])


def test_fusions_are_set_against_the_better_single_modality(study: Path) -> None:
    drawn, metrics = _figure(study, "fig_fusions"), _table(study, "metrics")
    assert set(drawn["a"]) == {"early", "late", "stacked"}
    assert len(drawn) == 2 * 2 * 3
    alone = metrics[metrics["modality"].isin(["photo", "spectra"])]
    for (model, zoom), rows in drawn.groupby(["model", "zoom"]):
        here = alone[(alone["model"] == model) & (alone["zoom"] == zoom)]
        assert set(rows["b"]) == {here.loc[here["validation_rmse"].idxmin(), "modality"]}


def _marks(figure: object, filled: bool) -> int:
    """Count the points of forest panels whose interval excludes zero, or those whose interval includes it."""
    lines = [line for axis in figure.axes for line in axis.get_lines() if line.get_linestyle() == "None"]
    return sum(len(line.get_xdata()) for line in lines if (line.get_markerfacecolor() != "white") == filled)


def test_a_point_is_filled_where_the_interval_excludes_zero(study: Path) -> None:
    table = _table(study, "variants")
    known = table[table["delta_rmse"].notna()]
    excludes = (known["low"] > 0) | (known["high"] < 0)
    assert 0 < excludes.sum() < len(known) < len(table)
    figure, data = differences.variants(table)
    assert len(data) == len(known)
    assert (_marks(figure, filled=True), _marks(figure, filled=False)) == (excludes.sum(), (~excludes).sum())
    assert "less zoom 2" in _sentences(figure), "a variant of two zooms is compared with the study at each"
    assert "flagged" not in _sentences(figure), "it has no object in common with the study"
    plt.close("all")


def test_intervals_are_those_of_the_best_run_with_every_kind(study: Path) -> None:
    table, metrics = _table(study, "intervals"), _table(study, "metrics")
    drawn = _figure(study, "fig_intervals")
    boosted = drawn[drawn["model"] == "lightgbm"]
    assert set(boosted["method"]) == {"residuals", "quantiles"}
    both = metrics[(metrics["model"] == "lightgbm") & ~metrics["modality"].isin(["late", "stacked"])]
    best = both.loc[both["validation_rmse"].idxmin()]
    assert set(boosted["modality"]) == {best["modality"]}
    assert set(boosted["zoom"]) == {best["zoom"]}
    assert len(boosted) == 2 * (1 + table["bin"].nunique() - 1)
    assert set(drawn["model"]) == {"decision_tree", "lightgbm"}


def test_an_endless_interval_is_drawn_nowhere(study: Path) -> None:
    table = _table(study, "intervals").assign(mean_width=np.inf)
    figure, _ = intervals.intervals(table, _table(study, "metrics"))
    figure.draw_without_rendering()
    assert figure.axes[1].get_ylim() == (0, 1)
    plt.close("all")


def test_a_cascade_without_a_measure_of_uncertainty_says_so(study: Path) -> None:
    table = _table(study, "cascade")
    figure, data = cascade.cascade(table)
    assert "50%" in _sentences(figure)
    assert set(data["order"]) == {"uncertainty", "expected", "random", "oracle", "fine"}
    figure, _ = cascade.cascade(table[~table["order"].isin(["uncertainty", "expected"])])
    assert "Nothing tells how uncertain the cheap model is" in _sentences(figure)
    plt.close("all")


def test_the_smallest_study_has_its_figures(single: Path) -> None:
    names = {path.stem for path in (single / "report" / "figures").glob("*.svg")}
    assert not names & {"fig_intervals", "fig_variants", "fig_cascade"}
    assert len(_figure(single, "fig_fusions")) == 0
    assert _figure(single, "fig_baselines")["model"].to_list() == ["decision_tree"]
    assert len(_figure(single, "fig_predicted_true")) > 0


def test_the_plot_to_choose_by_does_not_see_the_test_set(study: Path) -> None:
    runs, metrics = _table(study, "runs"), _table(study, "metrics")
    blind = metrics.drop(columns=[name for name in metrics if name.split("_")[0] in ("r2", "mae", "rmse", "nmad")])
    figure, data = results.pareto(runs, blind)
    assert len(data) == (~runs["modality"].isin(["late", "stacked"])).sum() + len(metrics)
    alone = data[data["panel"].str.startswith("selected")]
    np.testing.assert_allclose(alone["validation_rmse"], metrics["validation_rmse"])
    front = alone[alone["on_front"]].sort_values("fit_s")
    assert front["validation_rmse"].is_monotonic_decreasing
    assert [axis.get_ylabel() for axis in figure.axes] == ["validation RMSE [dex]", ""]
    plt.close("all")
