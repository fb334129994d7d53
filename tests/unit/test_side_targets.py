"""Second targets judged: the best run of each kind of data, scores with intervals, sentences, figures."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, log_loss

from hiss.errors import HissError
from hiss.files import read_table, write_json, write_table
from hiss.models.base import Data
from hiss.models.predictions import prediction_columns, prediction_table
from hiss.models.tree import DecisionTree
from hiss.plots.side import draw_target
from hiss.report.targets import TargetTables, target_section
from hiss.side.chosen import best_first
from hiss.side.judge import predict_selected
from hiss.side.scores import Judged, baseline_score, resampled_recall, tables_of, wilson
from hiss.side.target_words import meaning, sentences

CLASSES = ("GALAXY", "QSO", "STAR")
COSTS = {"settings": "a", "n_train": 90, "n_validation": 30, "n_test": 1, "fit_s": 2.0, "predict_per_object_us": 9.0}


def split_of(n: int, truth: np.ndarray) -> pd.DataFrame:
    side = np.array(["train", "validation", "test"])[np.arange(n) % 3]
    return pd.DataFrame(
        {"row": np.arange(n), "target_id": np.arange(n), "group": np.arange(n) // 2, "truth": truth, "split": side}
    )


def drawn(probability: dict[str, float], zooms=(0, 3), n=900, seed=1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return test predictions that give the true class so much probability on average, and the split."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=[0.7, 0.2, 0.1]).astype(float)
    split = split_of(n, truth)
    test = split[split["split"] == "test"]
    codes = test["truth"].to_numpy(int)
    tables = []
    for zoom in zooms:
        for modality, share in probability.items():
            p = rng.dirichlet(np.ones(3), len(test)) * (1 - share)
            p[np.arange(len(test)), codes] += share
            own = test[["target_id", "row", "truth"]].assign(**prediction_columns(p))
            tables.append(own.assign(model="lightgbm", modality=modality, zoom=zoom))
    return pd.concat(tables, ignore_index=True), split


def costs_of(tests: pd.DataFrame) -> pd.DataFrame:
    places = tests[["model", "modality", "zoom"]].drop_duplicates()
    share = {"photo": 0.5, "spectra": 0.6, "early": 0.9, "late": 0.7}
    worth = places["modality"].map(share) + 0.01 * (places["zoom"] == 0)
    return places.assign(**COSTS, peak_memory_mb=50.0, validation=worth, validation_loss=1.0)


@pytest.fixture(scope="module")
def judged() -> tuple[Judged, dict[str, pd.DataFrame], pd.DataFrame]:
    tests, split = drawn({"photo": 0.02, "spectra": 0.1, "early": 0.35, "late": 0.2})
    one = Judged.of(tests, split, CLASSES, 400, seed=1)
    return one, dict(tables_of(one, costs_of(tests), redshift=False)), split


def test_scores_are_scikit_learn_s_and_lie_in_their_intervals(judged):
    one, tables, _ = judged
    for row in tables["scores"].to_dict("records"):
        own = one.tests.query(f"modality == {row['modality']!r} and zoom == {row['zoom']}")
        assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(own.truth, own.prediction))
        assert row["macro_f1"] == pytest.approx(f1_score(own.truth, own.prediction, average="macro"))
        for name in ("balanced_accuracy", "macro_f1"):
            assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]


def test_a_resample_of_each_object_once_gives_the_scores_themselves():
    rng = np.random.default_rng(2)
    truth, found = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    recall, f1 = resampled_recall(truth, found, np.ones((1, 200), int), np.arange(200), 3)
    assert recall.mean() == pytest.approx(balanced_accuracy_score(truth, found))
    assert f1[0] == pytest.approx(f1_score(truth, found, average=None))


def test_intervals_hold_the_true_score_as_often_as_they_say():
    """Balanced accuracy of guesses that are right with probability 0.7 in each class, over skies."""
    rng, held = np.random.default_rng(3), 0
    for sky in range(200):
        truth = rng.choice(3, 300, p=[0.5, 0.3, 0.2])
        found = np.where(rng.random(300) < 0.7, truth, (truth + 1) % 3)
        p = np.full((300, 3), 0.1)
        p[np.arange(300), found] = 0.8
        split = pd.DataFrame({"row": np.arange(300), "group": np.arange(300), "split": "test"})
        tests = pd.DataFrame({"row": np.arange(300), "target_id": 0, "truth": truth.astype(float)})
        tests = tests.assign(model="lightgbm", modality="photo", zoom=3, **prediction_columns(p))
        row = tables_of(Judged.of(tests, split, CLASSES, 300, sky), costs_of(tests), False)["scores"].iloc[0]
        held += row["balanced_accuracy_low"] <= 0.7 <= row["balanced_accuracy_high"]
    assert 0.88 <= held / 200 <= 0.99


def test_the_confusion_is_scikit_learn_s_and_recall_its_diagonal(judged):
    one, tables, _ = judged
    own = one.tests.query("modality == 'photo' and zoom == 3")
    table = tables["confusion"].query("modality == 'photo' and zoom == 3")
    counts = table.pivot(index="truth", columns="prediction", values="count").to_numpy()
    np.testing.assert_array_equal(counts, confusion_matrix(own.truth, own.prediction))
    recall = tables["recall"].query("modality == 'photo' and zoom == 3")
    np.testing.assert_allclose(recall.recall, np.diag(counts) / counts.sum(axis=1))
    assert (recall.low < recall.recall).all()
    assert (recall.recall < recall.high).all()


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (3, 7), (9, 9), (61, 300)])
def test_the_interval_of_a_share_is_scipy_s(hits, n):
    ends = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(wilson(hits / n, n), (ends.low, ends.high), atol=1e-12)


def test_the_interval_of_recall_counts_frames_of_one_video_once():
    """Each of 12 videos of a class is found whole or not at all: 20 frames of each tell no more than one."""
    group = np.repeat(np.arange(12), 20)
    split = pd.DataFrame({"row": np.arange(240), "group": group, "split": "test", "truth": 0.0})
    p = np.where((group < 9)[:, None], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1])
    tests = split[["row", "truth"]].assign(target_id=0, model="tree", modality="photo", zoom=3, **prediction_columns(p))
    tables = tables_of(Judged.of(tests, split, CLASSES, 50, 1), costs_of(tests), False)
    found = tables["recall"].iloc[0]
    ends = binomtest(9, 12).proportion_ci(0.95, method="wilson")
    assert (found["n"], found["groups"], found["hits"], found["recall"]) == (240, 12, 180, 0.75)
    np.testing.assert_allclose((found["low"], found["high"]), (ends.low, ends.high))
    sure = tables["reliability"].iloc[0]
    assert (sure["n"], sure["groups"]) == (240, 12)
    np.testing.assert_allclose((sure["low"], sure["high"]), (ends.low, ends.high))


def test_honest_probabilities_have_a_small_calibration_error_and_boastful_ones_a_large_one():
    rng = np.random.default_rng(4)
    p = rng.dirichlet(np.ones(3), 6000)
    truth = (rng.random(6000)[:, None] > p.cumsum(axis=1)).sum(axis=1).astype(float)
    split = split_of(6000, truth).assign(split="test")
    sharp = p**4 / (p**4).sum(axis=1, keepdims=True)
    errors = []
    for given in (p, sharp):
        tests = split[["target_id", "row", "truth"]].assign(**prediction_columns(given))
        tests = tests.assign(model="lightgbm", modality="photo", zoom=0)
        tables = tables_of(Judged.of(tests, split, CLASSES, 100, 1), costs_of(tests), False)
        errors.append(tables["scores"]["calibration_error"].iloc[0])
        assert tables["reliability"]["n"].sum() == 6000
    assert errors[0] < 0.03 < 0.15 < errors[1]


def test_a_fusion_that_is_better_is_told_from_its_parts_and_an_equal_one_is_not(judged):
    _, tables, _ = judged
    fine = tables["differences"].query("zoom == 0 and against_zoom == 0")
    early = fine[(fine.modality == "early") & (fine.against == "photo")].iloc[0]
    assert 0 < early.low < early.delta < early.high
    same, split = drawn(dict.fromkeys(("photo", "spectra", "early", "late"), 0.2), seed=6)
    none = tables_of(Judged.of(same, split, CLASSES, 400, 1), costs_of(same), False)["differences"]
    assert ((none.low <= 0) & (none.high >= 0)).mean() > 0.8


def test_redshifts_have_the_scores_of_their_trade():
    rng = np.random.default_rng(5)
    z = rng.uniform(0.02, 0.3, 900)
    split = split_of(900, z)
    test = split[split["split"] == "test"]
    error = rng.normal(0.01, 0.02, len(test)) * (1 + test["truth"])
    error.iloc[:30] = 0.5 * (1 + test["truth"].iloc[:30])
    tests = test[["target_id", "row", "truth"]].assign(prediction=test["truth"] + error)
    tests = tests.assign(model="lightgbm", modality="photo", zoom=0)
    one = Judged.of(tests, split, (), 300, 1)
    row = tables_of(one, costs_of(tests), redshift=True)["scores"].iloc[0]
    assert row["bias"] == pytest.approx(0.01, abs=0.006)
    assert row["sigma_nmad"] == pytest.approx(0.02, abs=0.006)
    assert row["outliers_15"] == pytest.approx(30 / len(test))
    assert row["outliers_15_low"] < row["outliers_15"] < row["outliers_15_high"]
    train = split.loc[split["split"] == "train", "truth"].mean()
    assert baseline_score(one, split) == pytest.approx(np.sqrt(((test["truth"] - train) ** 2).mean()))


def test_what_is_said_is_what_the_tables_hold(judged):
    one, tables, split = judged
    counts = pd.DataFrame(
        {
            "name": [*CLASSES, "no label"],
            "objects": [630, 180, 90, 4],
            "used": [630, 180, 90, 0],
            "why": ["", "", "", "x"],
        }
    )
    said = " ".join(sentences("class", one, tables, counts, baseline_score(one, split)))
    best = tables["scores"].sort_values("validation").iloc[-1]
    assert f"{best['balanced_accuracy']:.3f} (95 % interval {best['balanced_accuracy_low']:.3f}" in said
    assert "with early fusion at zoom 0 tells" in said
    assert "From zoom 0 to zoom 3 the balanced accuracy of LightGBM with early fusion changes by" in said
    assert "against 0.333 of a guess" in said
    assert "Early fusion of LightGBM at that zoom beats" in said
    assert "Of the rarest class, STAR, it finds" in said
    assert "Left out" not in said
    few = counts.assign(used=[630, 180, 0, 0], why=["", "", "12 left, fewer than 30: not learned", ""])
    two = Judged(one.tests, one.counts, one.group, CLASSES[:2])
    assert "STAR (12 left, fewer than 30: not learned)" in sentences("class", two, tables, few, 0.5)[0]
    assert any("count alike" in text for text in meaning("class", one, weighted=True))
    assert not any("count alike" in text for text in meaning("class", one, weighted=False))


def test_the_figures_and_the_section_are_made_of_the_tables(judged, tmp_path):
    one, tables, _ = judged
    draw_target(tmp_path, "class", "class", tables, one.tests)
    for name in ("cost", "zoom", "confusion", "reliability"):
        assert all((tmp_path / f"fig_side_{name}_class.{suffix}").stat().st_size for suffix in ("svg", "png", "csv"))
    counts = pd.DataFrame({"name": ["GALAXY"], "objects": [9], "used": [9], "why": [""]})
    answers = {"sentences": ["It is so."], "meaning": ["It means this."]}
    parts = TargetTables(answers, counts, tables["scores"], tables["recall"], tables["differences"])
    section = target_section("class", parts, {})
    assert section.heading == "Galaxy, quasar or star"
    assert section.tables[1].columns[3] == ("balanced accuracy on validation", True)
    assert [len(table.rows) for table in section.tables] == [1, 8, 8, len(tables["differences"])]


# ---- the test objects are predicted once, by the run that did best on the validation objects ----


def made(folder: Path, modality: str, settings: dict[str, int], worth: float, data: Data) -> Path:
    """Train a tree on data and write its folder as a training job would, with a validation score of our choice."""
    model = DecisionTree(modality, **settings)
    model.fit(data, data)
    model.save(folder)
    name = f"max_depth={settings['max_depth']}"
    write_json(
        folder / "metrics.json",
        {
            "run": {"modality": modality, "zoom": 3, "name": name}, "classes": list(CLASSES), "n_train": len(data),
            "n_validation": 9, "peak_memory_mb": 10.0, "time": {"fit_s": 0.5},
            "validation": {"balanced_accuracy": worth, "log_loss": 1.0},
        },
    )  # fmt: skip
    rows = np.arange(len(data))
    held = prediction_table(model, data, rows, rows)
    held.insert(2, "truth", data.target)
    write_table(folder / "validation.parquet", held)
    return folder / "metrics.json"


@pytest.mark.parametrize(("score", "order"), [("balanced_accuracy", "cab"), ("rmse", "bca")])
def test_the_best_is_what_does_best_on_the_validation_objects_whatever_it_does_on_the_test_set(score, order):
    table = pd.DataFrame({"name": list("abc"), "validation": [0.8, 0.7, 0.8], "validation_loss": [0.5, 0.1, 0.3]})
    for reached in ([0.9, 0.1, 0.2], [0.1, 0.9, 0.2]):
        assert "".join(best_first(table.assign(**{score: reached}))["name"]) == order


def test_redshifts_are_told_to_four_decimals():
    rng = np.random.default_rng(8)
    split = split_of(300, rng.uniform(0.02, 0.3, 300))
    test = split[split["split"] == "test"]
    tests = [
        test[["target_id", "row", "truth"]].assign(
            prediction=test["truth"] + rng.normal(0, 0.004, len(test)), model="lightgbm", modality=name, zoom=3
        )
        for name in ("photo", "spectra", "early", "late")
    ]
    one = Judged.of(pd.concat(tests), split, (), 100, 1)
    tables = tables_of(one, costs_of(one.tests), redshift=True)
    counts = pd.DataFrame({"name": ["redshift", "no label"], "objects": 300, "used": [300, 0], "why": ""})
    said = sentences("redshift", one, tables, counts, 0.0801)
    first = tables["scores"].iloc[0]
    assert said[1].startswith("LightGBM on images alone at zoom 3")
    assert f"{first['rmse']:.4f} (95 % interval {first['rmse_low']:.4f} to {first['rmse_high']:.4f})" in said[1]
    assert "against 0.0801 of the mean" in said[1]
    assert not any("From zoom" in text for text in said)


@pytest.fixture
def sky(tmp_path):
    rng = np.random.default_rng(7)
    truth = rng.integers(0, 3, 240).astype(float)
    images = rng.normal(size=(240, 5, 2, 2)).astype(np.float32) + truth[:, None, None, None].astype(np.float32)
    spectra = rng.normal(size=(240, 12)).astype(np.float32) + truth[:, None].astype(np.float32)
    split = split_of(240, truth)

    def load(modality, zoom, rows):
        parts = {"photo": (images, None), "spectra": (None, spectra)}[modality]
        chosen = [None if part is None else part[rows] for part in parts]
        sigma = None if chosen[0] is None else np.ones_like(chosen[0])
        data = replace(Data.from_arrays(*chosen, truth[rows], image_sigma=sigma), classes=CLASSES)
        return data, rows.astype(np.int64)

    train = split.loc[split["split"] == "train", "row"].to_numpy()
    metrics = [
        made(tmp_path / f"{modality}{depth}", modality, {"max_depth": depth}, worth, load(modality, 3, train)[0])
        for modality in ("photo", "spectra")
        for depth, worth in ((1, 0.5), (4, 0.9))
    ]
    return split, load, metrics


def test_the_run_that_did_best_on_validation_predicts_the_test_objects_once(sky):
    split, load, metrics = sky
    asked = []

    def watched(modality, zoom, rows):
        asked.append((modality, zoom, tuple(rows)))
        return load(modality, zoom, rows)

    predictions, costs = predict_selected(DecisionTree, metrics, watched, split)
    test = tuple(split.loc[split["split"] == "test", "row"])
    assert asked == [("photo", 3, test), ("spectra", 3, test)]
    assert set(costs.query("modality != 'late'")["settings"]) == {"max_depth=4"}
    assert set(predictions["modality"]) == {"photo", "spectra", "late"}
    late = predictions.query("modality == 'late'").sort_values("row")
    parts = [predictions.query(f"modality == {name!r}").sort_values("row") for name in ("photo", "spectra")]
    for column in ("p_0", "p_1", "p_2"):
        np.testing.assert_allclose(late[column], (parts[0][column].to_numpy() + parts[1][column].to_numpy()) / 2)
    assert costs.query("modality != 'late'")["validation"].tolist() == [0.9, 0.9]
    of_late = costs.set_index("modality").loc["late"]
    assert of_late["fit_s"] == 1.0
    assert of_late["peak_memory_mb"] == 10.0
    halves = [read_table(path.with_name("validation.parquet")) for path in (metrics[1], metrics[3])]
    p = sum(half[["p_0", "p_1", "p_2"]].to_numpy() for half in halves) / 2
    assert of_late["validation"] == pytest.approx(balanced_accuracy_score(halves[0]["truth"], p.argmax(axis=1)))
    assert of_late["validation_loss"] == pytest.approx(log_loss(halves[0]["truth"], p))


def test_what_a_process_does_once_is_no_modality_s_time(sky, monkeypatch):
    split, load, metrics = sky
    asleep, slow = [True], DecisionTree.predict

    def waking(model, data):
        if asleep.pop() if asleep else False:
            time.sleep(0.5)
        return slow(model, data)

    monkeypatch.setattr(DecisionTree, "predict", waking)
    _, costs = predict_selected(DecisionTree, metrics, load, split)
    assert not asleep
    assert (costs["predict_per_object_us"] * costs["n_test"] < 0.4e6).all()


def test_no_run_and_other_objects_are_refused(sky):
    split, load, metrics = sky
    with pytest.raises(HissError, match="no run whose model"):
        predict_selected(DecisionTree, [], load, split)
    with pytest.raises(HissError, match="other objects than the split"):
        predict_selected(DecisionTree, metrics, lambda *given: (load(*given)[0], given[2] + 1), split)


def test_the_answers_can_be_written_and_read(judged, tmp_path):
    one, tables, _ = judged
    counts = pd.DataFrame({"name": [*CLASSES, "no label"], "objects": 9, "used": [9, 8, 7, 0], "why": ""})
    write_json(tmp_path / "a.json", {"sentences": sentences("class", one, tables, counts, 1 / 3)})
    assert len(json.loads((tmp_path / "a.json").read_text())["sentences"]) >= 5
