"""What the report says of a study, for every outcome: who wins, what zooms cost, what to take, what claims hold."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from miniature_report import read_study
from miniature_results import drawn_single, drawn_study

from hiss.evaluation.summarise import COMPARISON_COLUMNS
from hiss.report.answers import answers
from hiss.report.answers_best import margins, zoom_question, zooms
from hiss.report.given import StudyTables
from hiss.report.phrases import records
from hiss.report.recommend import data_kb, recommendations, recommendations_table, sentences
from hiss.report.study_tables import best_table, metrics_table, zooms_table
from hiss.report.thesis_claims import claims, claims_table
from hiss.report.thesis_claims import sentences as claimed

WINS, LOSES, OPEN, FEW = (-0.2, -0.1), (0.1, 0.2), (-0.1, 0.1), (np.nan, np.nan)


def _metrics(*runs: tuple[str, str, int, float, float], n: int = 900) -> pd.DataFrame:
    """Model, modality, zoom, RMSE on the validation and the test set, seconds of a fit."""
    rows = []
    for model, modality, zoom, rmse, seconds in runs:
        row: dict[str, Any] = {"model": model, "modality": modality, "zoom": zoom, "settings": "a=1", "n": n}
        for name in ("r2", "mae", "rmse", "nmad"):
            row |= {name: rmse, f"{name}_low": rmse - 0.1, f"{name}_high": rmse + 0.1}
        row |= {"validation_rmse": rmse, "r2_ceiling": 0.9, "fit_s": seconds, "predict_s": seconds / 100}
        rows.append(row | {"read_s": seconds / 400, "peak_memory_mb": 100.0 * seconds})
    return pd.DataFrame(rows)


def _pair(kind: str, a: str, b: str, ends: tuple[float, float], **where: Any) -> dict[str, Any]:
    row = {"kind": kind, "model": "lightgbm", "modality": "", "zoom": 0, "a": a, "b": b, "n": 900}
    middle = sum(ends) / 2 if np.isfinite(ends[0]) else 0.05
    return row | {"delta_rmse": middle, "low": ends[0], "high": ends[1], "better_on_validation": a} | where


def _pairs(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=COMPARISON_COLUMNS)


def _study(metrics: pd.DataFrame, comparisons: pd.DataFrame, **tables: pd.DataFrame) -> StudyTables:
    split = pd.DataFrame({"split": ["validation"] * 100 + ["test"] * 100})
    runs = tables.pop("runs", pd.DataFrame())
    selection = tables.pop("selection", pd.DataFrame(columns=["path"]))
    return StudyTables(runs, selection, metrics, comparisons, split, **tables)


TWO = _metrics(("lightgbm", "early", 0, 0.3, 8.0), ("vggnet12", "photo", 1, 0.4, 90.0))
BEST = {"modality": "early", "a": "lightgbm/early/zoom0"}


# ---- the winner ----


def _margins(*ends: tuple[float, float]) -> str:
    others = [("vggnet12", "photo"), ("vggnet12", "spectra"), ("decision_tree", "early")][: len(ends)]
    metrics = _metrics(("lightgbm", "early", 0, 0.3, 8.0), *((*name, 1, 0.4, 9.0) for name in others))
    rows = [_pair("best", BEST["a"], f"{m}/{d}/zoom1", e) for (m, d), e in zip(others, ends, strict=True)]
    return " ".join(margins(_pairs(*rows), metrics)).replace("\u00a0", " ")


def test_the_runner_up_is_told_with_its_interval_for_every_outcome() -> None:
    winner, other = "LightGBM with early fusion at zoom 0", "VGGNet12 on the images alone at zoom 1"
    assert f"{winner} beats {other} (RMSE difference −0.150 dex, 95 % interval −0.200 to −0.100)" in _margins(WINS)
    assert f"{other} beats {winner}" in _margins(LOSES)
    assert f"{winner} and {other} cannot be told apart" in _margins(OPEN)
    assert "too few objects for an interval" in _margins(FEW)
    assert _margins() == ""


def test_all_others_are_counted_and_those_not_beaten_are_named() -> None:
    said = _margins(OPEN, WINS, LOSES)
    assert "Of 3 other combinations of model and modality" in said
    assert "beats 1 with an interval that excludes zero" in said
    assert "Not to be told apart from it: VGGNet12 on the images alone at zoom 1 (+0.000 dex" in said
    assert "Better than it on the test set: Decision tree with early fusion at zoom 1 (by 0.150 dex" in said


def test_the_winner_s_table_names_both_sides() -> None:
    table = best_table(_pairs(_pair("best", BEST["a"], "vggnet12/photo/zoom1", WINS)))
    assert [cell.text for cell in table.rows[0][:4]] == ["LightGBM, early fusion", "0", "VGGNet12, photo", "1"]
    assert table.rows[0][-1].text == "the winner"
    assert best_table(_pairs()).rows == []


def test_r2_never_stands_without_its_ceiling() -> None:
    said = [text for answer in answers(_study(TWO, _pairs()), "archive") for text in answer.sentences]
    assert any("R² 0.300 (95\u00a0% interval 0.200 to 0.400; ceiling 0.90)" in text for text in said)
    table = metrics_table(TWO, "lightgbm", {})
    assert [name for name, _ in table.columns][2:4] == ["R²", "R² ceiling"]
    assert table.rows[0][3].text == "0.90"


def _first(metrics: pd.DataFrame, *pairs: dict[str, Any], sky: str = "archive") -> str:
    return " ".join(answers(_study(metrics, _pairs(*pairs)), sky)[0].sentences)


def test_a_baseline_that_is_lower_is_named_right_after_the_best_model() -> None:
    said = _first(pd.concat([TWO, _metrics(("magnitudes", "none", 0, 0.25, 1.0))], ignore_index=True))
    assert said.startswith("Of the models that learn from pixels and spectra, LightGBM with early fusion at zoom 0")
    assert (
        "has the lowest RMSE on the validation set. A baseline has a lower one there: a linear regression on five "
        "magnitudes (0.2500 dex) against its 0.3000 dex. On the 900 test galaxies" in said
    )
    assert "baseline" not in _first(pd.concat([TWO, _metrics(("mean", "none", 0, 0.9, 1.0))], ignore_index=True))


def test_the_lowest_on_the_test_set_stands_beside_a_lower_baseline() -> None:
    other = TWO.assign(rmse=[0.3, 0.2])
    assert "is the lowest of these models, 0.200 dex; it is named" in _first(other)
    known = pd.concat([other, _metrics(("magnitudes", "none", 0, 0.1, 1.0))], ignore_index=True)
    assert "0.200 dex (a linear regression on five magnitudes, a baseline, has 0.100 dex); it is" in _first(known)


def test_the_thesis_s_finding_is_repeated_only_where_it_holds() -> None:
    for ends, told in ((WINS, ""), (LOSES, "does not hold"), (OPEN, "cannot be told"), (FEW, "cannot be told")):
        said = _first(TWO, _pair("best", BEST["a"], "vggnet12/photo/zoom1", ends))
        assert ("This is the thesis's finding too" in said) == (ends is WINS)
        chosen = f"The validation set chooses it, as the thesis found; that it is the best of all {told}."
        assert (chosen in said) == (ends is not WINS)


def test_what_the_label_is_follows_the_kind_of_sky() -> None:
    assert "derived from these very spectra" in _first(TWO)
    local, drawn = _first(TWO, sky="local"), _first(TWO, sky="simulated")
    assert "where the tables of the local folder are MPA-JHU's" in local
    assert "derived from these very spectra" not in drawn
    assert "the known rate with noise drawn for it" in drawn


def test_without_any_interval_none_is_counted_as_beaten_or_open() -> None:
    said = _margins(FEW, FEW)
    assert "Against none of 2 other combinations of model and modality is there an interval." in said
    assert "excludes zero" not in said
    assert "Not to be told apart" not in said


def test_runs_that_predict_the_same_are_said_to() -> None:
    assert "LightGBM with early fusion at zoom 0 and VGGNet12 on the images alone at zoom 1 predict the same." in (
        _margins((0.0, 0.0))
    )
    metrics = _metrics(*(("lightgbm", "early", zoom, 0.3, 1.0) for zoom in (0, 1)))
    step = _pair("zooms", "zoom 1", "zoom 0", (0.0, 0.0), modality="early", zoom=1)
    assert zooms(metrics, _pairs(step), records(metrics)[0])[1] == "At zooms 0 and 1 it predicts the same."


# ---- zooms ----


def test_only_neighbouring_zooms_are_called_halvings() -> None:
    steps = [_pair("zooms", f"zoom {k}", "zoom 0", LOSES, modality="early", zoom=k) for k in (1, 2)]
    assert zoom_question(_pairs(steps[0])) == "What does each halving of the resolution cost, and save?"
    assert zoom_question(_pairs(steps[1])) == "What does each step to a coarser zoom cost, and save?"


def test_each_halving_has_its_price_and_its_saving() -> None:
    metrics = _metrics(*(("lightgbm", "early", zoom, 0.3 + zoom / 10, 8.0 / 4**zoom) for zoom in (0, 1, 2)))
    tree = _metrics(*(("decision_tree", "photo", zoom, 0.6, 1.0) for zoom in (0, 1)))
    learned = pd.concat([metrics, tree], ignore_index=True)
    steps = [_pair("zooms", f"zoom {k}", f"zoom {k - 1}", LOSES, modality="early", zoom=k) for k in (1, 2)]
    steps.append(_pair("zooms", "zoom 1", "zoom 0", OPEN, model="decision_tree", modality="photo", zoom=1))
    said = " ".join(zooms(learned, _pairs(*steps), records(metrics)[0])).replace("\u00a0", " ")
    assert (
        "From zoom 0 to 1 the RMSE changes by +0.150 dex (95 % interval +0.100 to +0.200, which excludes zero)" in said
    )
    assert "the fit takes 2.00 s in place of 8.00 s (0.25 of it)" in said
    assert "From zoom 0 to 2 in all: an RMSE of 0.300 becomes 0.500 dex, at 0.06 of the time of a fit." in said
    assert "Decision tree on the images alone: zoom 0 to 1 +0.000 dex (95 % interval −0.100 to +0.100) at 1.00" in said
    table = zooms_table(_pairs(*steps), learned)
    assert table.caption == "Zoom against zoom: what a halving of the resolution costs and saves"
    skipped = zooms_table(_pairs(_pair("zooms", "zoom 2", "zoom 0", WINS, zoom=2, modality="early")), learned)
    assert skipped.caption == "Zoom against zoom: what each step to a coarser zoom costs and saves"
    assert [cell.text for cell in table.rows[0][-3:]] == ["0.25", "0.25", "0.25"]


def test_one_zoom_has_no_halving_and_unknown_times_save_nothing() -> None:
    assert zooms(TWO, _pairs(), records(TWO)[0]) == []
    metrics = _metrics(*(("lightgbm", "early", zoom, 0.3, np.nan) for zoom in (0, 1)))
    step = _pair("zooms", "zoom 1", "zoom 0", FEW, modality="early", zoom=1)
    said = zooms(metrics, _pairs(step), records(metrics)[0])[1]
    assert said.endswith("by +0.050 dex (too few objects for an interval).")


# ---- what to take ----


def test_recommendations_are_the_front_of_validation_rmse_by_decades() -> None:
    metrics = _metrics(
        ("decision_tree", "photo", 3, 0.6, 0.05),
        ("lightgbm", "spectra", 3, 0.4, 0.5),
        ("lightgbm", "early", 0, 0.5, 5.0),
        ("vggnet12", "early", 0, 0.3, 500.0),
        ("mean", "none", 3, 0.9, 0.001),
    )
    # The test set would choose another: the choice must not see it.
    metrics.loc[metrics["model"] == "decision_tree", ["rmse", "rmse_low", "rmse_high"]] = [0.1, 0.05, 0.15]
    table = recommendations(metrics, 100)
    fit = table[table["cost"] == "fit_s"]
    assert fit["budget"].to_list() == pytest.approx([0.1, 1.0, 1000.0])
    assert fit["model"].to_list() == ["decision_tree", "lightgbm", "vggnet12"]
    assert "mean" not in set(table["model"])
    assert table.loc[table["cost"] == "predict_us", "value"].iloc[0] == pytest.approx(0.000625 / 100 * 1e6)
    said = sentences(table)[0]
    assert "at most 0.1 s, Decision tree on the images alone at zoom 3, RMSE 0.100 (0.050 to 0.150)" in said
    assert "at most 1,000 s, VGGNet12 with early fusion at zoom 0" in said
    assert len(recommendations_table(table).rows) == len(table)


def test_of_equal_runs_the_cheaper_is_taken_and_nothing_is_said_without_costs() -> None:
    metrics = _metrics(("lightgbm", "photo", 0, 0.4, 3.0), ("lightgbm", "photo", 1, 0.4, 2.0))
    table = recommendations(metrics, 100)
    assert table[table["cost"] == "fit_s"]["zoom"].to_list() == [1]
    blank = metrics.assign(fit_s=np.nan, predict_s=np.nan)
    assert set(recommendations(blank, 100)["cost"]) == {"read_kb"}
    assert sentences(recommendations(metrics.head(0), 100)) == []


def test_what_was_not_measured_to_read_is_no_candidate_for_reading_and_predicting() -> None:
    metrics = _metrics(("halpha", "lines", 0, 0.2, 0.01), ("lightgbm", "photo", 3, 0.4, 2.0))
    metrics.loc[0, "read_s"] = np.nan
    table = recommendations(metrics, 100)
    assert set(table.loc[table["cost"] == "predict_us", "model"]) == {"lightgbm"}
    assert set(table.loc[table["cost"] == "fit_s", "model"]) == {"halpha"}
    assert "no candidate for: the reading of the baselines was not" in recommendations_table(table).note


def test_large_and_small_budgets_are_written_out() -> None:
    metrics = _metrics(("lightgbm", "photo", 0, 0.4, 900_000.0), ("lightgbm", "photo", 1, 0.5, 0.00002))
    said = sentences(recommendations(metrics, 100))[0]
    assert "at most 0.0001 s" in said
    assert "at most 1,000,000 s" in said


def test_data_of_an_object_are_its_pixels_and_samples() -> None:
    assert data_kb("photo", 0) == 5 * 64 * 64 * 4 / 1000
    assert data_kb("spectra", 3) == 577 * 4 / 1000
    assert data_kb("early", 1) == data_kb("stacked", 1) == data_kb("photo", 1) + data_kb("spectra", 1)
    assert data_kb("early_spectra0", 3) == data_kb("photo", 3) + data_kb("spectra", 0)
    assert data_kb("lines", 3) == data_kb("spectra", 0)
    assert data_kb("none", 0) == 0


# ---- the thesis ----


def _verdicts(metrics: pd.DataFrame, *pairs: dict[str, Any], **tables: pd.DataFrame) -> dict[str, str]:
    return {claim.claim: claim.verdict for claim in claims(_study(metrics, _pairs(*pairs), **tables))}


def test_the_main_finding_holds_only_where_the_test_set_says_so() -> None:
    claim, other = "Early-fusion LightGBM is the best of all", "vggnet12/photo/zoom1"
    for ends, verdict in ((WINS, "holds"), (LOSES, "does not hold"), (OPEN, "cannot be told"), (FEW, "cannot be told")):
        assert _verdicts(TWO, _pair("best", BEST["a"], other, ends))[claim] == verdict
    three = _metrics(("lightgbm", "early", 0, 0.3, 8.0), *((m, "photo", 1, 0.4, 9.0) for m in ("vggnet12", "lightgbm")))
    for second, verdict in ((WINS, "holds"), (LOSES, "does not hold"), (OPEN, "cannot be told")):
        pairs = [_pair("best", BEST["a"], other, WINS), _pair("best", BEST["a"], "lightgbm/photo/zoom1", second)]
        found = claims(_study(three, _pairs(*pairs)))[0]
        assert found.verdict == verdict, "the runner-up alone does not settle it"
        assert ("Better on the test set: LightGBM on the images alone at zoom 1" in found.found) == (second is LOSES)
    assert _verdicts(TWO)[claim] == "cannot be told", "nothing to compare it with"
    beaten = TWO.assign(validation_rmse=[0.4, 0.3])
    for ends, verdict in ((WINS, "does not hold"), (LOSES, "cannot be told"), (OPEN, "cannot be told")):
        assert _verdicts(beaten, _pair("best", other, BEST["a"], ends))[claim] == verdict
    assert _verdicts(TWO[1:])[claim] == "cannot be told", "not in this grid"


def test_a_network_on_images_is_strong_where_it_beats_the_others_on_them() -> None:
    claim = "VGGNet12 is strong on the images alone"
    where = {"model": "", "modality": "photo", "zoom": 1}

    def verdict(*ends: tuple[float, float]) -> str:
        models = ("lightgbm", "decision_tree")
        pairs = [_pair("models", "vggnet12", b, e, **where) for b, e in zip(models, ends, strict=False)]
        return _verdicts(TWO, *pairs)[claim]

    assert verdict(WINS, WINS) == "holds"
    assert verdict(WINS, LOSES) == "does not hold"
    assert verdict(WINS, OPEN) == "cannot be told"
    assert verdict() == "cannot be told"
    assert _verdicts(TWO[:1])[claim] == "cannot be told"


def test_fusion_is_judged_by_its_pairs_at_the_model_s_best_zoom() -> None:
    metrics = _metrics(
        ("lightgbm", "early", 0, 0.3, 8.0), ("lightgbm", "photo", 0, 0.5, 1), ("lightgbm", "late", 0, 0.4, 2)
    )
    found = _verdicts(metrics, _pair("modalities", "early", "photo", WINS), _pair("modalities", "early", "late", LOSES))
    assert found["Images and spectra together beat the better of them: LightGBM"] == "holds"
    assert found["One model of both beats the mean of separate results: LightGBM"] == "does not hold"


def _runs(depths: dict[int, list[tuple[int, float]]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs of a tree on images: depth and R2 of the folds at each zoom, the best of which is selected."""
    rows = [
        {"model": "decision_tree", "modality": "photo", "zoom": zoom, "max_depth": depth, "cv_r2": r2}
        | {"path": f"runs/{zoom}/{depth}"}
        for zoom, pairs in depths.items()
        for depth, r2 in pairs
    ]
    runs = pd.DataFrame(rows)
    return runs, runs.loc[runs.groupby("zoom")["cv_r2"].idxmax(), ["path"]]


def test_the_thesis_s_settings_stand_beside_the_selected() -> None:
    claim = "Decision tree, photo: best depth 4"
    for depths, verdict in (
        ({0: [(3, 0.1), (4, 0.2)], 1: [(3, 0.1), (4, 0.2)]}, "holds"),
        ({0: [(3, 0.1), (4, 0.2)], 1: [(3, 0.3), (4, 0.2)]}, "holds in part"),
        ({0: [(3, 0.3), (4, 0.2)], 1: [(3, 0.45), (4, 0.2)]}, "does not hold"),
        ({0: [(3, 0.3), (5, 0.2)]}, "cannot be told"),
    ):
        runs, selection = _runs(depths)
        study = _study(TWO, _pairs(), runs=runs, selection=selection)
        found = {found.claim: found for found in claims(study)}[claim]
        assert found.verdict == verdict
        if verdict == "does not hold":
            assert "depth 3 at zoom 0 and depth 3 at zoom 1" in found.found
            assert "behind by at most 0.250 (R² of the folds)" in found.found


def test_run_times_are_ordered_and_nothing_is_claimed_of_them() -> None:
    metrics = _metrics(("lightgbm", "early", 0, 0.3, 8.0), ("lightgbm", "photo", 0, 0.5, 1.5))
    found = {claim.claim: claim for claim in claims(_study(metrics, _pairs()))}
    times = found["LightGBM: run time across modalities, which the thesis shows"]
    assert times.found == "Fit at zoom 0, from the shortest: photo 1.5 s, early fusion 8 s."
    assert times.verdict == ""
    assert times.source == "thesis, Figure 3.24"


def test_verdicts_are_counted_in_words_and_rows_in_the_table() -> None:
    found = claims(_study(TWO, _pairs(_pair("best", BEST["a"], "vggnet12/photo/zoom1", WINS))))
    said = claimed(found)
    assert said[0] == "Of 2 claims, on this sky: 1 holds and 1 cannot be told; the table below has each."
    assert said[1].startswith(
        "Early-fusion LightGBM is the best of all: holds. It has the lowest validation RMSE of the models"
    )
    assert len(claims_table(found).rows) == len(found)
    assert claimed([]) == []
    assert claims(_study(_metrics(("mean", "none", 0, 0.9, 1.0)), _pairs())) == []


def test_answers_come_in_the_order_of_the_questions_asked_first() -> None:
    found = answers(_study(TWO, _pairs(_pair("best", BEST["a"], "vggnet12/photo/zoom1", WINS))), "archive")
    questions = [answer.question for answer in found]
    assert questions[0] == "Which model predicts the star formation rate best, and from what?"
    assert questions.index("Which model, modality and zoom for a given budget?") < questions.index(
        "What does R² mean here?"
    )
    assert "AVG was derived from these very spectra" in " ".join(found[0].sentences)


@pytest.mark.parametrize("make", [drawn_study, drawn_single], ids=["several models", "one tree on images"])
def test_no_sentence_of_any_study_has_a_hole(make: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    study = read_study(make(tmp_path_factory.getbasetemp()))
    said = [text for answer in answers(study, "archive") for text in answer.sentences]
    said += [f"{claim.claim} {claim.found}" for claim in claims(study)]
    assert len(said) > 10
    for text in said:
        assert not re.search(r"\b(nan|None|inf)\b|\{|\}", text), text
        assert text.rstrip()[-1] in ".:", text
