"""Fusions of predictions: late, and the meta-learner on out-of-fold predictions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, Ridge

from hiss.errors import HissError
from hiss.files import read_json, read_table, write_json, write_table
from hiss.models.fusion import fuse_selected, late_fusion
from hiss.models.metrics import scores
from hiss.models.stacking import Stack, apply_stack, fit_stack, folds_cost, stack_selected

N, FOLDS = 400, 5


def _parts(seed: int = 1, n: int = N, first: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Photo and spectra predictions of the same objects, the spectra's in another order."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 0.7, n)
    ids = {"target_id": 2 * np.arange(first, first + n), "row": np.arange(first, first + n), "truth": truth}
    fold = np.arange(n) % FOLDS
    photo = pd.DataFrame(ids | {"prediction": 0.6 * truth + 0.1 + rng.normal(0, 0.3, n), "fold": fold})
    spectra = pd.DataFrame(ids | {"prediction": 0.8 * truth - 0.2 + rng.normal(0, 0.2, n), "fold": fold})
    return photo, spectra.sample(frac=1, random_state=seed)


def _columns(photo: pd.DataFrame, spectra: pd.DataFrame) -> np.ndarray:
    aligned = spectra.set_index("target_id").loc[photo["target_id"]]
    return np.stack([photo["prediction"], aligned["prediction"]], axis=1)


def test_the_meta_learner_is_the_best_linear_combination() -> None:
    photo, spectra = _parts(n=4000)
    stack, _ = fit_stack(photo, spectra)
    best = LinearRegression().fit(_columns(photo, spectra), photo["truth"])
    np.testing.assert_allclose([stack.photo, stack.spectra], best.coef_, atol=2e-3)
    assert stack.intercept == pytest.approx(best.intercept_, abs=2e-3)
    assert stack.n == 4000
    rmse = {name: scores(table["truth"], table["prediction"])["rmse"] for name, table in
            {"stack": apply_stack(stack, photo, spectra), "mean": late_fusion(photo, spectra), "photo": photo,
             "spectra": spectra}.items()}  # fmt: skip
    assert rmse["stack"] == min(rmse.values())
    assert rmse["stack"] < 0.8 * rmse["mean"]


def test_a_useless_modality_gets_nothing_and_no_weight_is_negative() -> None:
    photo, spectra = _parts()
    rng = np.random.default_rng(0)
    useless, _ = fit_stack(photo.assign(prediction=rng.normal(size=N)), spectra)
    assert 0 <= useless.photo < 0.05
    against = photo.assign(prediction=-photo["prediction"])
    assert fit_stack(against, spectra)[0].photo == 0
    constant, held_out = fit_stack(photo.assign(prediction=0.3), spectra)
    assert np.isfinite(held_out["prediction"]).all()
    assert constant.photo == pytest.approx(0, abs=1e-6)


def test_an_object_is_predicted_by_a_meta_learner_that_did_not_see_its_fold() -> None:
    photo, spectra = _parts()
    stack, held_out = fit_stack(photo, spectra)
    features = _columns(photo, spectra)
    for fold in range(FOLDS):
        out = (photo["fold"] == fold).to_numpy()
        other = Ridge(alpha=stack.alpha).fit(features[~out], photo["truth"][~out])
        np.testing.assert_allclose(held_out.loc[out, "prediction"], other.predict(features[out]), atol=1e-6)
    assert list(held_out) == ["target_id", "row", "truth", "prediction", "fold"]
    pd.testing.assert_frame_equal(held_out.drop(columns="prediction"), photo.drop(columns="prediction"))


def test_what_is_not_of_objects_held_out_in_the_same_folds_is_refused() -> None:
    photo, spectra = _parts()
    validation = photo.drop(columns="fold"), spectra.drop(columns="fold")
    with pytest.raises(HissError, match="needs out-of-fold predictions"):
        fit_stack(*validation)
    with pytest.raises(HissError, match="one of at least two folds"):
        fit_stack(photo.assign(fold=-1), spectra.assign(fold=-1))
    with pytest.raises(HissError, match="different folds"):
        fit_stack(photo.assign(fold=(photo["fold"] + 1) % FOLDS), spectra)
    with pytest.raises(HissError, match="different folds"):
        late_fusion(photo, spectra.drop(columns="fold"))
    with pytest.raises(HissError, match="different labels"):
        fit_stack(photo.assign(truth=photo["truth"] + 1), spectra)
    with pytest.raises(HissError, match="but not both"):
        fit_stack(photo.iloc[1:], spectra)
    with pytest.raises(HissError, match="predicted twice"):
        fit_stack(pd.concat([photo, photo.iloc[:1]]), spectra)


# ---- on files ----


@pytest.fixture
def study(tmp_path: Path) -> dict[str, Any]:
    """The selected photo and spectra runs of LightGBM at zoom 3, and their out-of-fold predictions."""
    held_out, validation = _parts(1), _parts(2, n=80, first=N)
    rows = []
    for modality, folds, other in zip(("photo", "spectra"), held_out, validation, strict=True):
        path = f"runs/sfr/flag0/lightgbm/{modality}/zoom3/learning_rate=0.1"
        table = other.drop(columns="fold")
        write_table(tmp_path / path / "validation.parquet", table)
        write_table(tmp_path / f"evaluation/out_of_fold/lightgbm/{modality}/zoom3.parquet", folds)
        run = {"target": "sfr", "sample": "flag0", "model": "lightgbm", "modality": modality, "zoom": 3, "seed": 1}
        times = {"load_s": 0.1, "fit_s": 2.0, "cv_s": 0.0, "predict_s": 0.2, "predict_per_object_us": 5.0}
        metrics = {"run": run | {"name": "learning_rate=0.1"}, "n_train": N, "n_validation": 80, "n_features": 300}
        metrics |= {"validation": scores(table["truth"], table["prediction"]), "time": times, "threads": 1}
        write_json(tmp_path / path / "metrics.json", metrics | {"peak_memory_mb": 50.0})
        rows.append({"model": "lightgbm", "modality": modality, "zoom": 3, "path": path})
    write_table(tmp_path / "evaluation/selection.csv", pd.DataFrame(rows))
    return {
        "selection": tmp_path / "evaluation/selection.csv",
        "metrics": sorted(tmp_path.glob("runs/**/metrics.json")),
        "out_of_fold": sorted(tmp_path.glob("evaluation/out_of_fold/**/*.parquet")),
        "model": "lightgbm",
        "zoom": 3,
        "folder": tmp_path / "runs/sfr/flag0/lightgbm/stacked/zoom3/ridge",
    }


def test_a_stacked_run_is_a_run_like_any_other(study: dict[str, Any]) -> None:
    values = stack_selected(**study)
    folder = study["folder"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "metrics.json", "model.json", "out_of_fold.parquet", "validation.parquet",
    ]  # fmt: skip
    assert read_json(folder / "metrics.json") == json.loads(json.dumps(values))
    assert values["run"]["modality"] == "stacked"
    assert values["run"]["settings"] == {"photo": "learning_rate=0.1", "spectra": "learning_rate=0.1"}
    validation = read_table(folder / "validation.parquet")
    assert values["validation"] == pytest.approx(scores(validation["truth"], validation["prediction"]))
    assert len(values["cv"]["rmse"]) == FOLDS
    stack = Stack.load(folder / "model.json")
    photo, spectra = _parts(2, n=80, first=N)
    np.testing.assert_allclose(validation["prediction"], stack.predict(photo, spectra))
    assert set(read_table(folder / "out_of_fold.parquet")["row"]) == set(range(N))
    assert set(validation["row"]) == set(range(N, N + 80))


def test_its_cost_is_that_of_its_parts_and_of_their_folds(study: dict[str, Any]) -> None:
    late = fuse_selected(study["selection"], study["metrics"], "lightgbm", 3, study["folder"].parent / "mean")
    stacked = stack_selected(**study)
    assert late["time"]["fit_s"] == 4
    assert stacked["time"]["cv_s"] == 4 * (FOLDS - 1)
    assert stacked["time"]["fit_s"] >= 4 * FOLDS
    assert stacked["time"]["predict_s"] == late["time"]["predict_s"] == 0.4
    assert folds_cost({"time": {"fit_s": 1.0, "cv_s": 7.5}}, 5) == 7.5


def test_labels_of_the_validation_objects_do_not_touch_the_meta_learner(study: dict[str, Any]) -> None:
    stack_selected(**study)
    before = read_json(study["folder"] / "model.json")
    for path in study["metrics"]:
        table = read_table(path.with_name("validation.parquet"))
        write_table(path.with_name("validation.parquet"), table.assign(truth=-5 * table["truth"], prediction=0.0))
    stack_selected(**study)
    after = read_json(study["folder"] / "model.json")
    assert {**after, "provenance": 0} == {**before, "provenance": 0}
    assert after["provenance"] != before["provenance"]


def test_missing_parts_and_foreign_files_stop_with_what_is_missing(study: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(HissError, match="no out-of-fold predictions of spectra"):
        stack_selected(**study | {"out_of_fold": study["out_of_fold"][:1]})
    with pytest.raises(HissError, match="0 selected runs of lightgbm, photo, zoom 2"):
        stack_selected(**study | {"zoom": 2})
    with pytest.raises(HissError, match="is not among the runs of the grid"):
        stack_selected(**study | {"metrics": []})
    write_json(tmp_path / "model.json", {"mean": 0.3})
    with pytest.raises(HissError, match="not a stacked fusion"):
        Stack.load(tmp_path / "model.json")
