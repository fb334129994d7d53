"""Figures of the diagnostics: drawn of a miniature, and a sentence where there is nothing to draw."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from miniature_diagnostics import DIAGNOSTIC_FIGURES, importance, learning, saliency
from miniature_results import drawn_single, drawn_study

from hiss.files import read_table
from hiss.plots import diagnostics
from hiss.plots.importance import importance_images, importance_spectrum
from hiss.plots.importance import saliency as draw_saliency
from hiss.plots.learning import learning_curve
from hiss.plots.style import plt


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_study(tmp_path_factory.getbasetemp())


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def words(figure: plt.Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(plt.Text)).replace("\n", " ")


def test_every_diagnostic_is_drawn_with_its_data_and_has_a_caption(study: Path, repo: Path) -> None:
    for name in DIAGNOSTIC_FIGURES:
        assert len(read_table(study / "report/figures" / f"{name}.csv")) > 0
        assert (study / "report/figures" / f"{name}.png").stat().st_size > 10_000
        assert (repo / "workflow/report" / f"{name}.rst").read_text().startswith("**")


def test_residuals_show_the_slopes_that_their_table_tells(study: Path) -> None:
    table, trends = (
        read_table(study / "evaluation/diagnostics" / f"{name}.csv") for name in ("residuals", "residual_trends")
    )
    figure, data = diagnostics.residuals(table, trends)
    slope = trends[(trends["variable"] == "redshift") & (trends["part"] == "slope")]["slope"].item()
    assert f"slope {slope:+.2g}".replace("-", "\u2212") in words(figure)
    assert f"{len(table)} test objects" in words(figure)
    assert data.equals(trends)
    labels = [axis.get_xlabel() for axis in figure.axes]
    assert "redshift" in labels
    assert "residual / half width of the label" in labels
    assert "no residuals" in words(diagnostics.residuals(table.head(0), trends)[0])


def test_many_points_are_drawn_as_a_density(study: Path) -> None:
    rng = np.random.default_rng(1)
    n = 3000
    truth = rng.normal(0, 0.7, n)
    row = np.arange(n)
    tests = pd.DataFrame({"model": "lightgbm", "modality": "early", "zoom": 0, "target_id": row, "row": row})
    tests = tests.assign(truth=truth, prediction=truth + rng.normal(0, 0.2, n))
    objects = pd.DataFrame({"row": row, "p16": truth - 0.2, "p84": truth + 0.3})
    objects.loc[:5, ["p16", "p84"]] = -99.0
    metrics = pd.DataFrame(
        [{"model": "lightgbm", "modality": "early", "zoom": 0, "validation_rmse": 0.2, "r2": 0.9, "rmse": 0.2}]
    )
    figure, data = diagnostics.predicted_true(tests, metrics, objects)
    assert len(data) == n
    assert any(type(artist).__name__ == "PolyCollection" for artist in figure.axes[0].collections)
    few, _ = diagnostics.predicted_true(tests.head(100), metrics, objects)
    assert not any(type(artist).__name__ == "PolyCollection" for artist in few.axes[0].collections)


def test_predicted_against_true_is_of_the_best_model_a_panel_a_modality(study: Path) -> None:
    drawn = read_table(study / "report/figures/fig_predicted_true.csv")
    metrics = read_table(study / "evaluation/metrics.csv")
    learned = metrics[metrics["model"].isin(["decision_tree", "lightgbm"])]
    best = learned.sort_values("validation_rmse").iloc[0]
    assert set(drawn["model"]) == {best["model"]}
    own = learned[learned["model"] == best["model"]]
    assert set(drawn["modality"]) == set(own["modality"])
    for modality, part in drawn.groupby("modality"):
        of = own[own["modality"] == modality].sort_values("validation_rmse").iloc[0]
        assert set(part["zoom"]) == {of["zoom"]}
        np.testing.assert_allclose(np.sqrt(((part["truth"] - part["prediction"]) ** 2).mean()), of["rmse"])


def test_a_single_modality_is_drawn_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    single = drawn_single(tmp_path_factory.getbasetemp())
    assert set(read_table(single / "report/figures/fig_predicted_true.csv")["modality"]) == {"photo"}


def test_calibration_has_both_kinds_of_interval_of_lightgbm(study: Path) -> None:
    table = read_table(study / "evaluation/diagnostics/calibration.csv")
    assert {"decision_tree", "lightgbm"} == set(table["model"])
    assert set(table.loc[table["model"] == "lightgbm", "method"]) == {"residuals", "quantiles"}
    figure, _ = diagnostics.calibration(table)
    assert "width follows the object" in words(figure)
    assert "has prediction intervals" in words(diagnostics.calibration(table.head(0))[0])


def test_importance_is_drawn_of_what_a_model_sees() -> None:
    rng = np.random.default_rng(1)
    z = rng.uniform(0.03, 0.2, 30)
    regions, maps = importance(z, rng)
    summary = pd.concat([table.assign(modality=key[0], zoom=key[1]) for key, table in regions.items()])
    figure, data = importance_spectrum(summary, maps, z)
    assert set(data["modality"]) == {"spectra", "early"}
    assert set(data["zoom"]) == {2}, "the finest there is"
    assert r"H$\alpha$" in words(figure)
    lost = data[data["part"] == "lost"]
    assert set(lost["kind"]) == {"line", "wavelengths"}
    density = data[data["part"] == "sample"].query("modality == 'spectra'")
    total = maps["spectra", 2].query("part == 'sample'")["contribution"].sum()
    assert (density["density"] * (density["high"] - density["low"])).sum() / 1e4 == pytest.approx(total, rel=1e-6)
    _, data = importance_images(summary, maps)
    assert set(data["modality"]) == {"photo", "early"}
    photo = {key: value for key, value in maps.items() if key[0] == "photo"}
    assert "sees no spectrum" in words(importance_spectrum(summary, photo, z)[0])
    spectra = {key: value for key, value in maps.items() if key[0] == "spectra"}
    assert "sees no image" in words(importance_images(summary, spectra)[0])


def test_saliency_stands_beside_random_weights() -> None:
    rng = np.random.default_rng(1)
    regions, maps = saliency(rng.uniform(0.03, 0.2, 30), rng)
    figure, data = draw_saliency(regions, maps)
    assert "random weights" in words(figure)
    assert "gradients \u22120.02" in words(figure)
    assert {"random weights", "spectra, zoom 3"} <= set(data["network"].dropna())
    only = {("photo", 3): maps["photo", 3]}
    draw_saliency({("photo", 3): regions["photo", 3]}, only)
    assert "not asked" in words(draw_saliency({}, {})[0])


def test_a_power_law_is_drawn_where_it_is_determined() -> None:
    points, fits = learning()
    figure, data = learning_curve(points, fits)
    dashed = [sum(line.get_linestyle() == "--" for line in axis.lines) for axis in figure.axes]
    assert dashed == [0, 3], "the tree's is not determined"
    assert data.equals(points)
    assert "share of the objects" in words(learning_curve(points.head(0), fits)[0])
