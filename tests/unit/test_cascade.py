"""Coarse to fine: who goes on, what it brings over chance, and what it costs."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import r2_score, root_mean_squared_error

from hiss.errors import HissError
from hiss.evaluation.cascade import CASCADE_COLUMNS, SHARES, evaluate_cascade, saved_at
from hiss.evaluation.cascade_words import verdict
from hiss.files import read_table, write_json, write_table

N = 200
BIN_S, FIT_S = 3.0, 7.0


class Study:
    """LightGBM's selected runs at two zooms with predictions, times and, on request, quantiles."""

    def __init__(self, folder, hard, quantiles=True, fine_factor=0.3, seed=1):
        rng = np.random.default_rng(seed)
        self.folder, self.hard = folder, hard
        self.truth = rng.normal(size=N)
        self.errors = {}
        rows, self.metrics, self.times, self.quantiles = [], [], [], []
        for zoom in (0, 3):
            for modality, factor in (("photo", 1.6), ("spectra", 1.4), ("early", 1.0)):
                error = rng.normal(0, 1, N) * hard * factor * (fine_factor if zoom == 0 else 1.0)
                self.errors[modality, zoom] = error
                path = f"runs/sfr/flag0/lightgbm/{modality}/zoom{zoom}/a=1"
                value = float(np.sqrt((error**2).mean()))
                rows.append({"model": "lightgbm", "modality": modality, "zoom": zoom, "path": path, "value": value})
                self._write_run(path, error, modality, zoom)
        self.selection = pd.DataFrame(rows)
        if quantiles:
            self._write_quantiles(hard)
        sides = np.where(np.arange(2 * N) < N, "validation", "test")
        self.split = pd.DataFrame({"row": np.arange(2 * N), "group": np.arange(2 * N) // 2, "split": sides})

    def _write_run(self, path, error, modality, zoom):
        table = pd.DataFrame({"row": np.arange(N), "truth": self.truth, "prediction": self.truth + error})
        write_table(self.folder / path / "validation.parquet", table.iloc[::-1])
        write_json(self.folder / path / "metrics.json", {"best_iteration": 100})
        self.metrics.append(self.folder / path / "metrics.json")
        dear = 16.0 if zoom == 0 else 1.0
        time = {"path": path, "n_predict": N, "read_s": 1e-4 * N * dear, "predict_s": 2e-4 * N * dear}
        times = self.folder / f"times/lightgbm/zoom{zoom}.csv"
        row = pd.DataFrame([time | {"fit_s": FIT_S * dear, "bin_s": BIN_S * dear}])
        if times in self.times:  # the table of a zoom is of all its modalities
            others = read_table(times)
            row = pd.concat([others[others["path"] != path], row], ignore_index=True)
        else:
            self.times.append(times)
        write_table(times, row)

    def _write_quantiles(self, width):
        folder = self.folder / "quantiles/early/zoom3"
        for end, trees in (("low", 30), ("high", 20)):
            (folder / end).mkdir(parents=True)
            (folder / end / "model.txt").write_text("tree\n" + "\nTree=0\n" * trees)
        ends = pd.DataFrame({"row": np.arange(N), "low": -width, "high": width})
        write_table(folder / "validation.parquet", ends)
        self.quantiles.append(folder / "out_of_fold.parquet")

    def evaluate(self, **other):
        inputs = {
            "selection": self.selection, "metrics": self.metrics, "times": self.times, "quantiles": self.quantiles,
            "split": self.split, "zooms": [3, 0], "n_resamples": 300, "seed": 1,
        }  # fmt: skip
        return evaluate_cascade(**inputs | other)


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    """Some objects are much harder than others, and the quantiles know which."""
    return Study(tmp_path_factory.mktemp("varied"), np.where(np.arange(N) % 4 == 0, 2.0, 0.2))


def at(table, order, share):
    found = table[(table["order"] == order) & np.isclose(table["share"], share)]
    assert len(found) == 1
    return found.iloc[0]


def test_all_shares_of_all_orders_are_told(varied):
    table = varied.evaluate()
    assert list(table) == CASCADE_COLUMNS
    counts = table["order"].value_counts().to_dict()
    assert counts == {"uncertainty": len(SHARES), "random": len(SHARES), "oracle": len(SHARES), "fine": 1}
    assert set(table["n"]) == {N}
    assert table.loc[table["order"] == "random", "n_fine"].tolist() == (SHARES * N).round().tolist()
    assert set(table["difficulty"]) == {"interval"}
    assert (table["cheap"].iloc[0], table["fine"].iloc[0]) == ("early, zoom 3", "early, zoom 0")


def test_none_and_all_are_the_two_models_themselves(varied):
    table = varied.evaluate()
    for order in ("uncertainty", "random", "oracle"):
        for share, zoom in ((0.0, 3), (1.0, 0)):
            prediction = varied.truth + varied.errors["early", zoom]
            row = at(table, order, share)
            assert row["rmse"] == pytest.approx(root_mean_squared_error(varied.truth, prediction))
            assert row["r2"] == pytest.approx(r2_score(varied.truth, prediction))
            assert row["gain"] == pytest.approx(0, abs=1e-12)
    assert at(table, "fine", 1.0)["rmse"] == pytest.approx(at(table, "random", 1.0)["rmse"])


@pytest.mark.parametrize("share", [0.25, 0.6])
def test_the_uncertain_ones_go_on(varied, share):
    table, n = varied.evaluate(), round(share * N)
    order = np.argsort(-varied.hard, kind="stable")
    error = varied.errors["early", 3].copy()
    error[order[:n]] = varied.errors["early", 0][order[:n]]
    assert at(table, "uncertainty", share)["rmse"] == pytest.approx(np.sqrt((error**2).mean()))


def test_chance_is_the_mean_over_draws(varied):
    rng, table = np.random.default_rng(1), varied.evaluate()
    cheap, fine = (varied.errors["early", zoom] ** 2 for zoom in (3, 0))
    drawn = [np.where(np.isin(np.arange(N), rng.choice(N, 80, replace=False)), fine, cheap).mean() for _ in range(4000)]
    assert at(table, "random", 0.4)["rmse"] == pytest.approx(np.sqrt(np.mean(drawn)), rel=5e-3)


def test_no_order_beats_the_oracle(varied):
    table = varied.evaluate().set_index("share")
    rmse = {order: part["rmse"] for order, part in table.groupby("order")}
    for order in ("uncertainty", "random"):
        assert (rmse["oracle"] <= rmse[order] + 1e-12).all()
    rng = np.random.default_rng(2)
    saved = varied.errors["early", 3] ** 2 - varied.errors["early", 0] ** 2
    once = np.ones((1, N))
    bound = saved_at(saved, saved, once)
    for _ in range(20):
        assert (saved_at(saved, rng.normal(size=N), once) <= bound + 1e-12).all()


def test_costs_add_up(varied):
    table = varied.evaluate()
    cheap, fine, ends = 300.0, 16 * 300.0, 0.5 * 200.0  # microseconds; the quantiles' trees are half the model's
    assert at(table, "random", 0.3)["cost_us"] == pytest.approx(cheap + 0.3 * fine)
    assert at(table, "uncertainty", 0.3)["cost_us"] == pytest.approx(cheap + 0.3 * fine + ends)
    assert at(table, "fine", 1.0)["cost_us"] == pytest.approx(fine)
    both = (BIN_S + FIT_S) * 17
    assert at(table, "random", 0.3)["train_s"] == pytest.approx(both)
    assert at(table, "uncertainty", 0.3)["train_s"] == pytest.approx(both + 0.5 * FIT_S)
    assert at(table, "fine", 1.0)["train_s"] == pytest.approx((BIN_S + FIT_S) * 16)


def test_a_gain_that_is_there_is_found_and_said(varied):
    table = varied.evaluate()
    ordered = table[table["order"] == "uncertainty"]
    inside = ordered[(ordered["share"] > 0) & (ordered["share"] < 1)]
    assert (inside.loc[inside["share"] >= 0.1, "gain_low"] > 0).all()
    assert ((inside["gain_low"] < inside["gain"]) & (inside["gain"] < inside["gain_high"])).all()
    assert ordered["mean_gain"].iloc[0] == pytest.approx(inside["gain"].mean())
    assert ordered["mean_gain_low"].iloc[0] > 0
    assert verdict(table).startswith("To send on those objects of which the cheap model is least certain beats")
    assert "beats objects drawn at random" in verdict(table)
    pd.testing.assert_frame_equal(table, varied.evaluate())


def test_an_order_that_knows_nothing_gains_nothing(tmp_path):
    rng = np.random.default_rng(3)
    misled = Study(tmp_path, np.where(np.arange(N) % 4 == 0, 2.0, 0.2), quantiles=False)
    misled._write_quantiles(rng.uniform(1, 2, N))
    table = misled.evaluate()
    ordered = table[table["order"] == "uncertainty"].iloc[0]
    assert ordered["mean_gain_low"] < 0 < ordered["mean_gain_high"]
    assert "does not beat objects drawn at random" in verdict(table)


def test_without_quantiles_disagreement_tells(tmp_path):
    study = Study(tmp_path, np.where(np.arange(N) % 4 == 0, 2.0, 0.2), quantiles=False)
    table = study.evaluate()
    assert set(table["difficulty"]) == {"disagreement"}
    apart = np.abs(study.errors["photo", 3] - study.errors["spectra", 3])
    error = np.where(np.argsort(np.argsort(-apart)) < 50, study.errors["early", 0], study.errors["early", 3])
    assert at(table, "uncertainty", 0.25)["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert at(table, "uncertainty", 0.0)["cost_us"] == pytest.approx(300 + 2 * 200)
    one = study.selection["modality"] == "photo"
    alone = study.evaluate(selection=study.selection[one])
    assert set(alone["order"]) == {"random", "oracle", "fine"}
    assert set(alone["difficulty"]) == {"none"}
    assert verdict(alone) == "Nothing tells how uncertain the cheap model is, so no order by it can be judged."


def test_the_gain_that_training_objects_let_one_expect(tmp_path):
    """The fine model is better for the easy half alone, and the hard half is the uncertain one."""
    study = Study(tmp_path, np.where(np.arange(N) % 2, 2.0, 1.0))
    rng, n = np.random.default_rng(4), 600
    hard = np.where(np.arange(n) % 2, 2.0, 1.0)
    factor = {3: 1.0, 0: np.where(hard > 1.5, 1.2, 0.3)}
    truth, rows, paths = rng.normal(size=n), 10_000 + np.arange(n), []
    for zoom in (3, 0):
        prediction = truth + rng.normal(size=n) * hard * factor[zoom]
        paths.append(tmp_path / f"out_of_fold/lightgbm/early/zoom{zoom}.parquet")
        write_table(
            paths[-1], pd.DataFrame({"row": rows, "truth": truth, "prediction": prediction})[:: 1 - 2 * (zoom > 0)]
        )
    write_table(study.quantiles[0], pd.DataFrame({"row": rows, "low": -hard, "high": hard}))
    worse = np.where(study.hard > 1.5, 1.2, 0.3)
    path = study.metrics[2].parent.relative_to(tmp_path).as_posix()
    del study.metrics[2]
    study._write_run(path, study.hard * worse * rng.normal(size=N), "early", 0)
    table = study.evaluate(out_of_fold=paths)
    assert set(table["order"]) == {"uncertainty", "expected", "random", "oracle", "fine"}
    mean_gain = table.groupby("order")[["mean_gain_low", "mean_gain_high"]].first()
    assert mean_gain.loc["expected", "mean_gain_low"] > 0 > mean_gain.loc["uncertainty", "mean_gain_high"]
    assert at(table, "expected", 0.5)["rmse"] < at(table, "uncertainty", 0.5)["rmse"]
    assert at(table, "expected", 0.3)["cost_us"] == at(table, "uncertainty", 0.3)["cost_us"]
    said = verdict(table)
    assert "is least certain does not beat objects drawn at random: over the shares the RMSE is higher by" in said
    assert "the largest gain beats objects drawn at random" in said
    assert "expected" not in set(study.evaluate(out_of_fold=paths[:1])["order"])


def test_a_fine_model_that_is_no_better_is_said(tmp_path):
    table = Study(tmp_path, np.ones(N), fine_factor=1.2).evaluate()
    assert verdict(table).startswith("The fine model (early, zoom 0) is no better than the cheap one (early, zoom 3)")


def test_resamples_hold_the_right_share_of_objects():
    saved, key = np.array([4.0, 2.0, 1.0]), np.array([3.0, 2.0, 1.0])
    found = saved_at(saved, key, np.array([[2.0, 0.0, 2.0], [1.0, 1.0, 2.0]]))
    assert_allclose(found[:, SHARES == 0.5], [[2.0], [1.5]])
    assert_allclose(found[:, SHARES == 0.75], [[2.25], [1.75]])
    assert_allclose(found[:, -1], [2.5, 2.0])


def test_what_does_not_belong_together_is_told(varied, tmp_path):
    with pytest.raises(HissError, match="was timed 0 times"):
        varied.evaluate(times=varied.times[1:])
    with pytest.raises(HissError, match="no run of LightGBM is selected at zoom 2"):
        varied.evaluate(zooms=[2, 0])
    other = Study(tmp_path, np.ones(N))
    path = other.folder / "runs/sfr/flag0/lightgbm/early/zoom0/a=1/validation.parquet"
    table = pd.DataFrame({"row": np.arange(N - 1), "truth": 0.0, "prediction": 0.0})
    write_table(path, table)
    with pytest.raises(HissError, match="predict different objects"):
        other.evaluate()
