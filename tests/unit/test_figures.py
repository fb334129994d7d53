"""Figures: every one with its data, for whole and for small studies, the same bytes each time."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from miniature_results import drawn_sample, drawn_study

from hiss.evaluation.collect import MODALITIES
from hiss.files import read_table
from hiss.plots import results, sample, training
from hiss.plots.style import MODALITY_COLOUR, plt, save_figure

SAMPLE_FIGURES = {
    "fig_1_1_example_object",
    "fig_2_1_avg_distribution",
    "fig_2_2_missing_flux",
    "fig_2_3_gap_lengths",
    "fig_2_4_gap_wavelengths",
    "fig_2_5_multi_objects",
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study of a tree and of boosting at two zooms; without a CNN."""
    return drawn_study(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sky of which no object has a star formation rate."""
    return drawn_sample(tmp_path_factory.getbasetemp())


def _figure(folder: Path, name: str) -> pd.DataFrame:
    return read_table(folder / "report" / "figures" / f"{name}.csv")


def test_every_figure_has_svg_png_and_data(study: Path) -> None:
    names = {path.stem for path in (study / "report" / "figures").glob("*.svg")}
    assert names == SAMPLE_FIGURES | {
        "fig_metrics_decision_tree",
        "fig_runtime_decision_tree",
        "fig_dt_depth",
        "fig_metrics_lightgbm",
        "fig_runtime_lightgbm",
        "fig_lightgbm_sweep",
        "fig_lightgbm_curves",
        "fig_predicted_true",
        "fig_pareto",
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
        "No run of lightgbm": training.sweep_of_two(none, selection, "lightgbm"),
        "No run of vggnet12 is selected": training.learning_curves({}, selection, "vggnet12", "epoch"),
        "VGGNet12 is not in this grid, so it has no metrics": results.metrics_of_model(metrics, "vggnet12"),
        "VGGNet12 is not in this grid, so it has no run time": results.runtime_of_model(metrics, "vggnet12"),
        "No run has a fit time": results.pareto(none, metrics),
    }
    for sentence, (figure, _) in drawn.items():
        assert sentence in _sentences(figure)
    plt.close("all")


def test_a_sky_without_labels_shows_an_object_of_the_cube(unlabelled: Path) -> None:
    example = _figure(unlabelled, "fig_1_1_example_object")
    assert (example["part"] == "spectrum").sum() == 4620
    assert {f"image {band}" for band in "ugriz"} <= set(example["part"])
    for name in SAMPLE_FIGURES - {"fig_1_1_example_object"}:
        assert len(_figure(unlabelled, name)) == 0
        assert (unlabelled / "report" / "figures" / f"{name}.svg").stat().st_size > 500


def test_one_point_is_called_no_sweep_and_a_model_may_lack_zooms(study: Path) -> None:
    runs = read_table(study / "evaluation/runs.csv")
    selection = read_table(study / "evaluation/selection.csv")
    one = runs[(runs["model"] == "decision_tree") & (runs["max_depth"] == 3)]
    figure, _ = training.sweep_of_metrics(one, selection, "decision_tree", "max_depth", "cv")
    assert "This grid has one maximum depth, 3" in _sentences(figure)
    metrics = read_table(study / "evaluation/metrics.csv")
    tests = pd.concat([read_table(path) for path in sorted((study / "evaluation").glob("test_*.parquet"))])
    fewer = tests[(tests["model"] == "lightgbm") | (tests["zoom"] == 3)]
    objects = read_table(study / "sample/objects.parquet")
    figure, _ = results.predicted_true(fewer, metrics, objects, "early")
    assert "not run at this zoom" in _sentences(figure)
    plt.close("all")


def test_pareto_front_is_of_runs_nothing_beats() -> None:
    runs = pd.DataFrame({"fit_s": [3.0, 1.0, 2.0, 4.0, 1.0], "validation_rmse": [0.2, 0.5, 0.6, 0.1, 0.4]})
    assert results.pareto_front(runs).index.to_list() == [4, 0, 3]


def test_modalities_have_their_own_colours() -> None:
    assert set(MODALITY_COLOUR) == set(MODALITIES)
    assert len(set(MODALITY_COLOUR.values())) == len(MODALITIES)
