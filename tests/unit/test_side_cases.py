"""Science cases: chosen by what is measured, compared where the difference is known, said, drawn and reported."""

import typing

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from hiss.config.settings import parse_settings
from hiss.config.side import Property
from hiss.errors import HissError
from hiss.evaluation.intervals import resample_groups
from hiss.files import write_json
from hiss.plots.cases import cases as draw_cases
from hiss.plots.style import save_figure
from hiss.report.cases import CasesTables, cases_section
from hiss.report.page import load_figures
from hiss.side.case_objects import PROPERTIES, balmer_decrement, line_sn, median_sn
from hiss.side.case_words import MEANING, QUESTION, headline, sentences
from hiss.side.cases import (
    CASE_COLUMNS,
    HIGHER,
    LOWER,
    TOO_FEW,
    UNTOLD,
    Case,
    _Part,
    compare_cases,
    detectable,
    holm,
    p_value,
    place_cases,
)

N = 900
LOW, RARE = Case("noisy", "sn", "below", 10.0, 0.25, "Because."), Case("rare", "size", "above", 8.0, None, "")


def made_up(seed=1, gain=0.5, n=N):
    """Test objects of which a third has a low S/N, and predictions of which early fusion is better there alone."""
    rng = np.random.default_rng(seed)
    row = np.arange(n)
    split = pd.DataFrame({"row": row, "group": row // 2, "split": "test"})
    sn = rng.uniform(5, 20, n)
    size = np.where(row < 4, 9.0, 5.0)
    objects = pd.DataFrame({"row": row, "target_id": row, "sn": sn, "size": size})
    objects.loc[row % 50 == 0, "sn"] = np.nan
    truth = rng.normal(0, 0.7, n)
    parts = []
    for model in ("decision_tree", "lightgbm"):
        for zoom in (0, 3):
            shared = rng.normal(0, 0.2, n)
            late = shared + rng.normal(0, 0.1, n)
            early = np.where(sn < 10, (1 - gain) * late, late + rng.normal(0, 0.02, n))
            for modality, error in (("early", early), ("late", late), ("photo", 3 * late), ("spectra", late + 0.3)):
                made = {"model": model, "modality": modality, "zoom": zoom, "row": row, "truth": truth}
                parts.append(pd.DataFrame(made | {"prediction": truth + error}))
    return pd.concat(parts, ignore_index=True), split, objects


def metrics_of(tests):
    table = tests[["model", "modality", "zoom"]].drop_duplicates().reset_index(drop=True)
    return table.assign(validation_rmse=np.linspace(0.3, 0.2, len(table)))


@pytest.fixture(scope="module")
def compared():
    tests, split, objects = made_up()
    return compare_cases(tests, split, objects, [LOW, RARE], 300, 1, 10), tests, split, objects


# ---- what is measured ----


def test_the_config_offers_what_is_measured_and_no_other():
    assert typing.get_args(Property) == PROPERTIES


def test_signal_to_noise_is_the_median_of_what_was_measured():
    flux, sigma = np.array([[1.0, 4, 9, np.nan], [1, 2, 3, 4], [1, 1, 1, 1]]), np.ones((3, 4))
    sigma[2] = [0, np.nan, -1, np.inf]
    assert median_sn(flux, sigma)[:2].tolist() == [4, 2.5]
    assert median_sn(flux[2:], np.full((1, 4), np.nan)).tolist() == pytest.approx([np.nan], nan_ok=True)


def test_a_balmer_decrement_needs_both_lines():
    sn = line_sn([30, 30, 30, 30], [1, 1, 20, 0]), line_sn([10, 10, 10, 10], [1, 5, 1, 1])
    assert_allclose(balmer_decrement([30] * 4, [10] * 4, *sn), [3, np.nan, np.nan, np.nan])


def test_limits_are_of_the_study_s_objects_and_an_unknown_column_names_those_there_are():
    objects = pd.DataFrame({"row": np.arange(10), "target_id": 0, "sn": [*range(5), 100, 100, 100, 100, np.nan]})
    split = pd.DataFrame({"row": np.arange(5)})
    placed = place_cases(
        {"low": {"column": "sn", "below_quantile": 0.5, "reason": "so"}, "high": {"column": "sn", "above": 3}},
        objects, split,
    )  # fmt: skip
    assert [(case.side, case.limit, case.quantile) for case in placed] == [("below", 2, 0.5), ("above", 3, None)]
    assert placed[0].inside(objects["sn"].to_numpy()).tolist() == [True, True] + [False] * 8
    assert placed[1].inside(objects["sn"].to_numpy()).tolist() == [False] * 4 + [True] * 5 + [False]
    with pytest.raises(HissError, match="no column 'colour' is measured; there are sn"):
        place_cases({"x": {"column": "colour", "below": 1}}, objects, split)
    nowhere = place_cases({"low": {"column": "sn", "below_quantile": 0.5}}, objects, pd.DataFrame({"row": [9]}))
    assert not nowhere[0].inside(objects["sn"].to_numpy()).any()


# ---- what is compared ----


def test_a_known_gain_is_found_on_its_case_and_nowhere_else(compared):
    table, tests, _, objects = compared
    assert list(table) == CASE_COLUMNS
    assert len(table) == 2 * 2 * 2 * 3
    noisy = table[(table["case"] == "noisy") & (table["against"] == "late")]
    assert (noisy["verdict"] == LOWER).all()
    assert (noisy["change_verdict"] == LOWER).all()
    own = objects["sn"] < 10
    assert set(noisy["n"]) == {int(own.sum())}
    assert set(noisy["n_rest"]) == {int((objects["sn"] >= 10).sum())}
    assert set(noisy["n_unknown"]) == {18}
    for row in noisy.to_dict("records"):
        for name, chosen in (("", own), ("_rest", objects["sn"] >= 10)):
            values = []
            for modality in ("early", "late"):
                part = tests[(tests["model"] == row["model"]) & (tests["zoom"] == row["zoom"])]
                part = part[part["modality"] == modality].set_index("row").loc[objects.loc[chosen, "row"]]
                values.append(np.sqrt(((part["prediction"] - part["truth"]) ** 2).mean()))
            assert row[f"rmse_early{name}"] == pytest.approx(values[0])
            assert row[f"rmse_against{name}"] == pytest.approx(values[1])
        assert row["delta_rmse"] == pytest.approx(-0.5 * row["rmse_against"])
        assert row["low"] < row["delta_rmse"] < row["high"] < 0
        assert row["change"] == pytest.approx(row["delta_rmse"] - row["delta_rest"])
        assert row["p_holm"] >= row["p"]
        assert 0 < row["detectable"] < 0.1


def test_a_case_of_too_few_objects_gets_no_interval(compared):
    table, *_ = compared
    rare = table[table["case"] == "rare"]
    assert set(rare["n"]) == {4}
    assert set(rare["verdict"]) == set(rare["change_verdict"]) == {TOO_FEW}
    assert rare[["delta_rmse", "low", "high", "p", "change"]].isna().all().all()


def test_what_early_fusion_loses_is_said_too():
    tests, split, objects = made_up(gain=-0.5)
    table = compare_cases(tests, split, objects, [LOW], 300, 1, 10)
    late = table[table["against"] == "late"]
    assert (late["verdict"] == HIGHER).all()
    assert (late["change_verdict"] == HIGHER).all()
    said = sentences(table, [LOW], metrics_of(tests))
    assert "it is worse than late fusion on “noisy”" in said[0]
    assert "it gains less here than elsewhere" in said[1]


def test_chance_alone_is_told_as_a_difference_in_one_of_twenty_samples():
    rng = np.random.default_rng(7)
    n, tries = 60, 400
    counts, index = resample_groups(np.arange(n) // 2, 200, 1)
    chosen = np.arange(n) < 40
    found = []
    for _ in range(tries):
        shared = rng.normal(0, 1, n)
        one, other = (shared + rng.normal(0, 0.5, n) for _ in range(2))
        part = _Part(one, other, chosen, counts, index)
        found.append(p_value(part.delta, part.resampled, part.groups))
    false = (np.array(found) < 0.05).mean()
    assert 0.02 < false < 0.09  # 0.05 +- 0.011
    assert 0.4 < np.mean(found) < 0.6


def test_the_difference_that_is_called_detectable_is_told_four_times_in_five():
    rng = np.random.default_rng(8)
    error, groups = 0.03, 25
    limit = detectable(rng.normal(0, error, 4000), groups)
    found = [p_value(value, value + rng.normal(0, error, 400), groups) for value in rng.normal(limit, error, 600)]
    assert (np.array(found) < 0.05).mean() == pytest.approx(0.8, abs=0.06)


def test_objects_of_one_group_count_once():
    tests, split, objects = made_up(n=300)
    alone = compare_cases(tests, split.assign(group=split["row"]), objects, [LOW], 1000, 1, 10)
    twins = pd.concat([tests, tests.assign(row=tests["row"] + 300)], ignore_index=True)
    group = np.concatenate([np.arange(300), np.arange(300)])
    both = pd.DataFrame({"row": np.arange(600), "group": group, "split": "test"})
    double = pd.concat([objects, objects.assign(row=objects["row"] + 300)], ignore_index=True)
    again = compare_cases(twins, both, double, [LOW], 1000, 1, 10)
    assert (again["n"] == 2 * alone["n"]).all()
    assert_allclose(again["delta_rmse"], alone["delta_rmse"], atol=1e-12)
    assert_allclose(again["high"] - again["low"], alone["high"] - alone["low"], rtol=1e-6)
    assert_allclose(again["detectable"], alone["detectable"], rtol=1e-6)


def test_runs_that_predict_the_same_differ_by_nothing():
    tests, split, objects = made_up()
    late = tests["modality"] == "late"
    tests.loc[late, "prediction"] = tests.loc[tests["modality"] == "early", "prediction"].to_numpy()
    table = compare_cases(tests, split, objects, [LOW], 200, 1, 10)
    same = table[table["against"] == "late"]
    assert (same[["delta_rmse", "low", "high", "change"]] == 0).all().all()
    assert (same["p"] == 1).all()
    assert set(same["verdict"]) == {UNTOLD}


def test_holm_s_correction_has_its_known_values():
    assert_allclose(holm([0.01, 0.04, 0.03, np.nan]), [0.03, 0.06, 0.06, np.nan])
    assert_allclose(holm([0.5, 0.9]), [1, 1])
    assert holm([]).tolist() == []
    rng = np.random.default_rng(9)
    wrong = [(holm(rng.uniform(0, 1, 20)) < 0.05).any() for _ in range(2000)]
    assert np.mean(wrong) == pytest.approx(0.05, abs=0.015)


def test_predictions_of_other_objects_are_refused():
    tests, split, objects = made_up(n=40)
    with pytest.raises(HissError, match="not of the split's test set"):
        compare_cases(tests[tests["row"] > 0], split, objects, [LOW], 100, 1, 5)


# ---- what is said and shown ----


def test_the_sentences_have_the_numbers_the_reason_and_the_count(compared):
    table, tests, _, _ = compared
    metrics = metrics_of(tests)
    assert headline(metrics, table) == ("lightgbm", 3)  # the lowest validation RMSE of early fusion
    said = sentences(table, [LOW, RARE], metrics)
    assert said[0].startswith(QUESTION)
    assert "LightGBM at zoom 3" in said[0]
    assert "it beats late fusion on “noisy”" in said[0]
    assert "of “rare” there are too few" in said[0]
    row = table[(table["case"] == "noisy") & (table["model"] == "lightgbm") & (table["zoom"] == 3)].iloc[0]
    assert f"{row['n']:,} of {row['n'] + row['n_rest']:,} test galaxies" in said[1]
    assert "Because." in said[1]
    assert f"{row['delta_rmse']:+.3f}".replace("-", "−") in said[1]
    assert "it gains more here than elsewhere" in said[1]
    assert f"below {row['detectable']:.3f} dex would be found less than 80 % of the time" in said[1]
    assert "They are too few" in said[2]
    assert said[3].startswith("In all 12 differences were measured: 1 case, 2 models, 2 zooms, 3 rivals")
    assert "some 1 would have a p value below 0.05 by chance" in said[3]


def test_a_case_of_which_nothing_is_known_says_so(compared):
    _, tests, split, objects = compared
    (case,) = place_cases({"dark": {"column": "sn", "below_quantile": 0.5}}, objects.assign(sn=np.nan), split)
    table = compare_cases(tests, split, objects.assign(sn=np.nan), [case], 100, 1, 10)
    assert set(table["verdict"]) == {TOO_FEW}
    said = sentences(table, [case], metrics_of(tests))
    assert said[1] == f"Dark: sn is not known of any of the {N} test galaxies."
    assert len(said) == 2


def test_without_early_fusion_there_is_nothing_to_compare(tmp_path):
    tests, split, objects = made_up(n=60)
    table = compare_cases(tests[tests["modality"] != "early"], split, objects, [LOW], 100, 1, 10)
    assert table.empty
    assert list(table) == CASE_COLUMNS
    (only,) = sentences(table, [LOW], metrics_of(tests[tests["modality"] != "early"]))
    assert "no early fusion" in only
    figure, data = draw_cases(table)
    save_figure(figure, tmp_path, "fig_cases", data)
    section = cases_section(CasesTables({"sentences": [only], "meaning": MEANING}, table), {})
    assert not section.tables


def test_the_figure_and_the_section_show_what_was_found(compared, tmp_path):
    table, tests, *_ = compared
    figure, data = draw_cases(table)
    save_figure(figure, tmp_path, "fig_cases", data)
    assert set(data["case"]) == {"noisy"}
    assert len(data) == 2 * 2 * 3
    caption = tmp_path / "fig_cases.rst"
    caption.write_text("**Where fusion should win.** Text.\n")
    figures = load_figures([tmp_path / "fig_cases.svg"], [caption])
    said = {"sentences": sentences(table, [LOW, RARE], metrics_of(tests)), "meaning": list(MEANING)}
    write_json(tmp_path / "answers.json", said)
    section = cases_section(CasesTables(said, pd.read_csv(_written(table, tmp_path))), figures)
    assert section.figures == [figures["fig_cases"]]
    (shown,) = section.tables
    assert len(shown.rows) == len(table)
    assert shown.rows[-1][8].text == TOO_FEW
    assert "(" in shown.rows[0][6].text


def _written(table, folder):
    table.to_csv(folder / "cases.csv", index=False)
    return folder / "cases.csv"


# ---- the config ----


def config_of(**cases):
    return parse_settings({"sky": {"source": "simulated"}, "side_studies": {"cases": cases}}, "mine").side_studies.cases


def test_a_case_is_a_line_over_those_of_the_study_and_null_takes_one_away():
    far = {"column": "z", "above_quantile": 0.75}
    chosen = config_of(subsets={"far": far, "dusty": None}).chosen()
    assert list(chosen) == ["noisy_spectrum", "beyond_fibre", "edge_on", "far"]
    assert chosen["far"] == far | {"reason": ""}
    other = config_of(subsets={"edge_on": {"column": "axis_ratio", "below": 0.3}}).chosen()["edge_on"]
    assert other["below"] == 0.3
    assert "seen from the side" in other["reason"]


@pytest.mark.parametrize(
    ("cases", "sentence"),
    [
        ({"subsets": {"x": {"column": "colour", "below": 1}}}, "'spectrum_sn', 'sn_median'"),
        ({"subsets": {"x": {"column": "z"}}}, "one limit; name one of below, above"),
        ({"subsets": {"x": {"column": "z", "below": 1, "above": 0}}}, "one limit"),
        ({"subsets": {"x": {"column": "z", "below_quantile": 25}}}, "less than 1"),
        ({"subsets": dict.fromkeys(("noisy_spectrum", "beyond_fibre", "edge_on", "dusty"))}, "say cases: null"),
        ({"min_objects": 1}, "greater than or equal to 3"),
    ],
)
def test_a_case_that_cannot_be_is_refused_with_a_sentence(cases, sentence):
    with pytest.raises(HissError, match=sentence):
        config_of(**cases)
