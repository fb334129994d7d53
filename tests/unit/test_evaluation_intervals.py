"""Conformal prediction intervals, their coverage, and the quantiles they are made of."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm

from hiss.errors import HissError
from hiss.evaluation.conformal import (
    conformal_quantile,
    half_width,
    quantile_scores,
    residual_scores,
    widened,
    widening,
)
from hiss.evaluation.coverage import COVERAGE_COLUMNS, coverage_table
from hiss.evaluation.predicted import Predicted, with_interval
from hiss.evaluation.quantile_ends import uncrossed
from hiss.evaluation.quantiles import quantiles_of

# ---- the quantile ----


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=60),
    st.sampled_from([0.5, 0.8, 0.9, 0.95]),
    st.randoms(use_true_random=False),
)
def test_objects_that_stand_alone_give_the_usual_corrected_quantile(scores, level, random) -> None:
    n = len(scores)
    groups = list(range(n))
    random.shuffle(groups)
    place = int(np.ceil(round((n + 1) * level, 9)))
    expected = sorted(scores)[place - 1] if place <= n else np.inf
    assert conformal_quantile(scores, groups, level) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 5), min_size=9, max_size=40), st.integers(2, 4))
def test_a_group_counts_once_however_many_objects_it_holds(scores, copies) -> None:
    groups = np.arange(len(scores))
    once = conformal_quantile(scores, groups, 0.8)
    assert conformal_quantile(np.repeat(scores, copies), np.repeat(groups, copies), 0.8) == once
    many = np.append(scores, np.full(500, 9.0))
    with_a_crowd = conformal_quantile(many, np.append(groups, np.full(500, len(scores))), 0.8)
    assert with_a_crowd == conformal_quantile(np.append(scores, 9.0), np.append(groups, len(scores)), 0.8)


def test_too_few_groups_promise_nothing_and_bad_scores_stop() -> None:
    assert conformal_quantile(np.ones(8), np.arange(8), 0.9) == np.inf
    assert conformal_quantile(np.ones(9), np.arange(9), 0.9) == 1.0
    assert conformal_quantile(np.ones(90), np.arange(90) // 15, 0.9) == np.inf
    for scores in ([], [1.0, np.nan]):
        with pytest.raises(HissError, match="errors of objects held out"):
            conformal_quantile(scores, np.arange(len(scores)), 0.9)


# ---- coverage on data of which all is known ----


def _within_binomial_error(covered: int, trials: int, level: float) -> bool:
    return binom.ppf(1e-4, trials, level) <= covered <= binom.ppf(1 - 1e-4, trials, level)


@pytest.mark.parametrize("level", [0.8, 0.9])
@pytest.mark.parametrize("draw", ["standard_normal", "standard_cauchy", "standard_exponential"])
def test_a_new_object_is_covered_as_often_as_asked_for_any_distribution(level: float, draw: str) -> None:
    rng, n, trials = np.random.default_rng(5), 99, 3000
    errors = np.abs(getattr(rng, draw)((trials, n + 1)))
    covered = sum(row[-1] <= conformal_quantile(row[:-1], np.arange(n), level) for row in errors)
    assert _within_binomial_error(covered, trials, level)


def test_groups_counted_object_by_object_would_not_hold_what_is_promised() -> None:
    rng, trials, n_groups = np.random.default_rng(8), 1500, 79
    by_group = by_object = 0
    for _ in range(trials):
        scale = rng.exponential(size=n_groups + 1)
        size = np.where(scale < 0.5, 30, 1)  # quiet groups are the large ones
        groups = np.repeat(np.arange(n_groups), size[:-1])
        scores = scale[groups] * rng.uniform(0.8, 1.2, len(groups))
        new = scale[-1] * rng.uniform(0.8, 1.2)
        by_group += new <= conformal_quantile(scores, groups, 0.8)
        by_object += new <= conformal_quantile(scores, np.arange(len(scores)), 0.8)
    assert _within_binomial_error(by_group, trials, 0.8)
    assert by_object / trials < 0.6


def _uneven(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Objects whose scatter grows with x, and imperfect quantiles of them: too narrow, and off to one side."""
    x = rng.uniform(0, 1, n)
    sigma = 0.1 + 0.9 * x
    truth = 2 * x + sigma * rng.normal(size=n)
    return pd.DataFrame(
        {"row": np.arange(n), "x": x, "truth": truth, "prediction": 2 * x}
        | {"low": 2 * x - 1.3 * sigma, "high": 2 * x + 1.8 * sigma}
    )


def _all_train(n: int) -> pd.DataFrame:
    return pd.DataFrame({"row": np.arange(n), "group": np.arange(n), "split": "train"})


def test_conformalised_quantiles_hold_where_the_scatter_is_large_and_are_narrow_where_it_is_small() -> None:
    rng, n = np.random.default_rng(2), 4000
    held_out, new = _uneven(n, rng), _uneven(n, rng)
    by = widening(held_out, _all_train(n), 0.9)
    low, high = widened(new["low"], new["high"], by)
    half = half_width(held_out, _all_train(n), 0.9)
    inside = ((low <= new["truth"]) & (new["truth"] <= high)).to_numpy()
    flat = (np.abs(new["truth"] - new["prediction"]) <= half).to_numpy()
    for found in (inside, flat):  # of one calibration, so its own error is there too
        assert abs(found.mean() - 0.9) < 4 * np.sqrt(2 * 0.9 * 0.1 / n)
    wild, calm = (new["x"] > 0.75).to_numpy(), (new["x"] < 0.25).to_numpy()
    assert abs(inside[wild].mean() - 0.9) < 0.06 < abs(flat[wild].mean() - 0.9)
    assert (high - low)[calm].mean() < 0.6 * 2 * half < 2 * half < (high - low)[wild].mean()
    assert np.corrcoef(high - low, 0.1 + 0.9 * new["x"])[0, 1] > 0.99


def test_quantiles_that_are_too_wide_are_drawn_in_but_never_turned_over() -> None:
    rng, n = np.random.default_rng(3), 2000
    truth = rng.normal(size=n)
    wide = pd.DataFrame({"row": np.arange(n), "truth": truth, "low": -5.0, "high": 5.0})
    by = widening(wide, _all_train(n), 0.9)
    assert by < 0
    low, high = widened(wide["low"], wide["high"], by)
    assert high[0] == pytest.approx(norm.ppf(0.95), abs=0.15)
    low, high = widened([0.0, 0.0], [0.1, 10.0], -1.0)
    np.testing.assert_allclose(low, [0.05, 1.0])
    np.testing.assert_allclose(high, [0.05, 9.0])


def test_scores_are_how_far_the_truth_lies_outside() -> None:
    np.testing.assert_allclose(residual_scores([1.0, 2.0], [1.5, 1.0]), [0.5, 1.0])
    np.testing.assert_allclose(quantile_scores([0.0, 5.0, 1.4], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]), [1.0, 3.0, -0.4])


def test_ends_that_cross_are_sorted_and_leave_as_much_below_as_above() -> None:
    low, high = uncrossed([0.0, 3.0], [1.0, 2.0])
    assert (low.tolist(), high.tolist()) == ([0.0, 2.0], [1.0, 3.0])
    assert quantiles_of(0.9) == pytest.approx((0.05, 0.95))


@pytest.mark.parametrize("wrong", ["a test object", "one left out", "one twice"])
def test_an_interval_is_made_of_the_training_objects_each_once(wrong: str) -> None:
    split = _all_train(40)
    split.loc[split["row"] >= 30, "split"] = "test"
    good = pd.DataFrame({"row": np.arange(30)[::-1], "truth": np.arange(30.0)[::-1], "prediction": 0.0})
    assert half_width(good, split, 0.8) == 24.0
    rows = {"a test object": np.append(np.arange(29), 35), "one left out": np.arange(29)}
    rows["one twice"] = np.append(np.arange(29), 5)
    with pytest.raises(HissError, match="not of the split's training objects"):
        half_width(pd.DataFrame({"row": rows[wrong], "truth": 0.0, "prediction": 0.0}), split, 0.8)


# ---- the table ----


def _tests(method: str, **columns: object) -> pd.DataFrame:
    truth = np.linspace(-2, 2, 200)
    base = {"model": "lightgbm", "modality": "early", "zoom": 3, "row": range(200), "truth": truth, "method": method}
    return pd.DataFrame(base | {"prediction": truth + 0.1, "low": truth - 1, "high": truth + 1} | columns)


def test_coverage_is_counted_overall_and_by_bins_of_the_label_with_a_wilson_interval() -> None:
    tests = _tests("residuals", half_width=1.0)
    tests.loc[:19, ["low", "high"]] += 5  # a tenth, all of them at the lowest rates, is not covered
    table = coverage_table(tests, 0.9, 4)
    assert list(table) == COVERAGE_COLUMNS
    assert table["bin"].tolist() == ["all", "1", "2", "3", "4"]
    assert table["n"].tolist() == [200, 50, 50, 50, 50]
    assert table["coverage"].tolist() == [0.9, 0.6, 1, 1, 1]
    assert (table["mean_width"] == 2).all()
    assert (table["coverage_low"] < table["coverage"]).all()
    z, p, n = norm.ppf(0.975), 0.9, 200
    middle, half = (
        (p + z**2 / (2 * n)) / (1 + z**2 / n),
        z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n),
    )
    assert table.loc[0, "coverage_low"] == pytest.approx(middle - half)
    assert table.loc[0, "coverage_high"] == pytest.approx(middle + half)
    assert table.loc[1:, "avg_low"].is_monotonic_increasing
    assert (table.loc[1:, "avg_high"] <= table["avg_low"].shift(-1).loc[1:].fillna(9)).all()


def test_where_there_are_quantiles_the_residuals_stand_beside_them() -> None:
    table = coverage_table(_tests("quantiles", half_width=0.05), 0.9, 2)
    assert table.groupby("method")["bin"].apply(list).to_dict() == {
        m: ["all", "1", "2"] for m in ("quantiles", "residuals")
    }
    of_all = table[table["bin"] == "all"].set_index("method")
    assert of_all.loc["quantiles", ["coverage", "median_width"]].tolist() == [1, 2]
    assert of_all.loc["residuals", "coverage"] == 0  # 0.1 away, 0.05 allowed
    assert of_all.loc["residuals", "median_width"] == pytest.approx(0.1)


@pytest.mark.parametrize("level", [None, 0.9])
def test_without_intervals_the_table_is_empty_and_well_formed(level: float | None) -> None:
    nothing = _tests("", low=np.nan, high=np.nan, half_width=np.nan)
    table = coverage_table(nothing, level, 4)
    assert list(table) == COVERAGE_COLUMNS
    assert table.empty


@pytest.mark.parametrize("with_ends", [False, True])
def test_where_too_few_objects_promise_nothing_there_is_no_interval(with_ends: bool, capsys) -> None:
    """Whatever its kind: an infinite widening must not become a NaN that counts as a miss."""
    split = pd.DataFrame({"row": range(18), "group": range(18), "split": "train"})
    held = pd.DataFrame({"row": range(18), "truth": 0.0, "prediction": np.linspace(-1, 1, 18)})
    ends = held.drop(columns="prediction").assign(low=-1.0, high=1.0)
    new = pd.DataFrame({"prediction": [0.0, 1.0]})
    run = Predicted(new, held, (pd.DataFrame({"low": [-1.0, 0.0], "high": [1.0, 2.0]}), ends) if with_ends else None)
    table = with_interval(run, split, 0.95, "a run")
    assert table[["low", "high", "half_width"]].isna().all(axis=None)
    assert set(table["method"]) == {""}
    assert "too few training objects" in capsys.readouterr().err
    assert with_interval(run, split, 0.9, "a run")["low"].notna().all()
