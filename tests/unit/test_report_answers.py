"""The report's answers: a verdict follows its interval, and a sentence says what the tables say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from miniature_results import drawn_study
from page_reader import Page, read_page

from hiss.files import read_table
from hiss.report.answers import answers
from hiss.report.given import StudyTables
from hiss.report.phrases import modality_phrase


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_study(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def page(study: Path) -> Page:
    return read_page(study / "report" / "report.html")


def _metrics(n: int = 2000) -> pd.DataFrame:
    rows = []
    runs = [("lightgbm", "photo", 0.5), ("lightgbm", "spectra", 0.4), ("lightgbm", "early", 0.3)]
    runs += [("lightgbm", "late", 0.35), ("lightgbm", "stacked", 0.33), ("halpha", "lines", 0.2)]
    for model, modality, value in runs:
        settings = "scale=fitted" if model == "halpha" else "a=1"
        row = {"model": model, "modality": modality, "zoom": 0, "settings": settings, "n": n, "fit_s": 2.0}
        for name in ("r2", "rmse"):
            row |= {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}
        rows.append(row | {"validation_rmse": value, "r2_ceiling": 0.9})
    return pd.DataFrame(rows)


def _study(delta: float, low: float, high: float, n: int = 2000, **tables: pd.DataFrame) -> StudyTables:
    pair = {"kind": "modalities", "model": "lightgbm", "modality": "", "zoom": 0, "n": n}
    pair |= {"delta_rmse": delta, "low": low, "high": high}
    pairs = [pair | {"a": "early", "b": "spectra"}, pair | {"a": "stacked", "b": "late"}]
    pairs.append(pair | {"kind": "baselines", "modality": "early", "a": "lightgbm", "b": "halpha"})
    none = pd.DataFrame()
    return StudyTables(none, none, _metrics(n), pd.DataFrame(pairs), none, **tables)


def _said(*given: float, **tables: pd.DataFrame) -> str:
    found = answers(_study(*given, **tables), "archive")
    return " ".join(sentence for answer in found for sentence in answer.sentences).replace("\u00a0", " ")


def test_the_verdict_follows_the_interval() -> None:
    said = _said(-0.1, -0.15, -0.05)
    assert "yes. The RMSE of early fusion is lower than that of the spectra alone by 0.100 dex" in said
    assert "95 % interval −0.150 to −0.050" in said
    assert "stacked fusion beats late fusion" in said
    assert "the model's RMSE is lower by 0.100 dex" in said
    said = _said(0.1, 0.05, 0.15)
    assert "no. The RMSE of early fusion is higher" in said
    assert "late fusion beats stacked fusion" in said
    assert "the model's RMSE is higher by 0.100 dex (95 % interval +0.050 to +0.150): it does not pay" in said
    said = _said(-0.1, -0.25, 0.05)
    assert "LightGBM at zoom 0: the two cannot be told apart. The RMSE of early fusion differs" in said
    assert "stacked fusion and late fusion cannot be told apart" in said
    assert "the two cannot be told apart (RMSE difference −0.100 dex" in said
    assert _said(-0.1, np.nan, np.nan).count("too few objects for an interval") == 3


def test_what_the_fibre_costs_stands_beside_the_baselines() -> None:
    study = replace(_study(-0.1, -0.15, -0.05), fibre="The fibre sees a fifth of it.")
    said = {answer.question: answer.sentences for answer in answers(study, "archive")}
    assert said["How far is it above what is known without learning?"][-1] == "The fibre sees a fifth of it."


def test_the_best_run_is_no_baseline_and_is_named_with_its_interval_and_the_thesis() -> None:
    said = _said(-0.1, -0.15, -0.05)
    assert "LightGBM with early fusion at zoom 0 (a=1) has the lowest RMSE on the validation set" in said
    assert "its RMSE is 0.300 dex (95 % interval 0.200 to 0.400)" in said
    assert "as the thesis found; that it is the best of all cannot be told." in said, "there is nothing to compare with"
    assert (
        "The H-alpha luminosity (scale=fitted) has an R² of 0.200 (95 % interval 0.100 to 0.300; ceiling 0.90)" in said
    )


def test_what_r2_means_stands_beside_the_first_r2_and_is_told_at_length_below() -> None:
    found = answers(_study(-0.1, -0.15, -0.05), "archive")
    first = " ".join(found[0].sentences)
    assert first.index("R²") < first.index("R² tells how well that estimate is emulated")
    assert "What does R² mean here?" in [answer.question for answer in found]
    assert "emulates MPA-JHU" in _said(-0.1, -0.15, -0.05)


def test_a_small_sample_is_called_small() -> None:
    assert "That is a small sample" in _said(-0.1, -0.2, 0.0, 80)
    assert "That is a small sample" not in _said(-0.1, -0.2, 0.0, 2000)
    assert "about ±0.100 dex" in _said(-0.1, -0.2, 0.0, 80)


def test_without_a_comparison_nothing_is_said_of_intervals() -> None:
    question = "How small a difference can this test set tell?"
    study = _study(-0.1, np.nan, np.nan)
    told = {answer.question: answer.sentences for answer in answers(study, "archive")}
    assert told[question] == ["The test set has 2,000 galaxies, too few for an interval."]
    alone = replace(study, comparisons=study.comparisons.head(0))
    assert question not in [answer.question for answer in answers(alone, "archive")]


def _intervals(low: float, high: float) -> pd.DataFrame:
    row = {"model": "lightgbm", "modality": "early", "zoom": 0, "method": "residuals", "level": 0.9, "n": 100}
    row |= {"coverage": (low + high) / 2, "coverage_low": low, "coverage_high": high, "mean_width": 1.0}
    dull = row | {"bin": "1", "avg_low": -2.0, "avg_high": -1.0, "coverage": 0.6, "coverage_high": 0.8}
    return pd.DataFrame([row | {"bin": "all", "avg_low": -2.0, "avg_high": 2.0}, dull])


def test_coverage_is_read_by_its_interval() -> None:
    assert "cannot be told apart from 90 %" in _said(-0.1, -0.2, 0.0, intervals=_intervals(0.85, 0.93))
    short = _said(-0.1, -0.2, 0.0, intervals=_intervals(0.7, 0.88))
    assert "fewer than promised" in short
    assert "of log SFR −2.0 to −1.0 they hold only 60 %" in short
    assert "more than promised" in _said(-0.1, -0.2, 0.0, intervals=_intervals(0.92, 0.99))


def _variant(name: str, low: float, high: float) -> dict[str, object]:
    row = {"variant": name, "changed": f"{name} changed", "model": "lightgbm", "base": "early", "modality": "early"}
    row |= {"zoom": 3, "against": "early", "against_zoom": 3, "low": low, "high": high}
    return row | {"delta_rmse": (low + high) / 2}


def test_variants_are_told_apart_by_their_intervals() -> None:
    rows = [_variant("redshift", -0.2, -0.1), _variant("weights", -0.1, 0.1), _variant("flagged", np.nan, np.nan)]
    said = _said(-0.1, -0.2, 0.0, variants=pd.DataFrame(rows))
    assert "Of 2 differences with an interval, 1 excludes zero" in said
    assert "redshift (redshift changed): LightGBM with early fusion at zoom 3 has an RMSE lower by 0.150 dex" in said
    assert "Cannot be told apart from the study: weights." in said
    assert "Cannot be compared, with too few validation galaxies in common: flagged." in said


def test_attention_is_answered_by_a_variant_where_the_grid_has_none() -> None:
    tried = pd.DataFrame([_variant("attention", -0.2, -0.1) | {"model": "vggnet12", "modality": "attention"}])
    said = _said(-0.1, -0.2, 0.0, variants=tried)
    assert "VGGNet12 at zoom 3, on the validation set: attention fusion beats early fusion" in said


def test_the_cascade_is_compared_with_chance(study: Path) -> None:
    table = read_table(study / "evaluation/cascade.csv")
    worse = table.assign(rmse=table["rmse"].where(table["order"] != "fine", 9.0))
    assert "is no better than the cheap one" in _said(-0.1, -0.2, 0.0, cascade=worse)
    better = table.assign(rmse=table["rmse"].where(table["order"] != "fine", 0.01), mean_gain=0.02)
    for low, high, said in ((0.01, 0.03, "beats objects drawn at random"), (-0.01, 0.03, "cannot be told apart")):
        assert said in _said(-0.1, -0.2, 0.0, cascade=better.assign(mean_gain_low=low, mean_gain_high=high))


def test_modalities_are_named_in_words() -> None:
    assert modality_phrase("stacked") == "stacked fusion"
    assert modality_phrase("spectra_rest_z") == "the spectra alone with the spectra at rest and the redshift"


def test_answers_of_the_miniature_say_what_its_tables_say(study: Path, page: Page) -> None:
    metrics = read_table(study / "evaluation/metrics.csv")
    best = metrics.loc[metrics["validation_rmse"].idxmin()]
    assert f"its RMSE is {best['rmse']:.3f} dex (95 % interval {best['rmse_low']:.3f}" in page.text
    assert f"With {best['n']:,} test galaxies" in page.text
    assert "From zoom 2 to 3 the RMSE changes by" in page.text
    assert "4 baselines were trained on" in page.text
