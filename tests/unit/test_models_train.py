"""A training run from files to files, its predictions later, and late fusion of two of them."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_sample import write_small_sample

from hiss.errors import HissError
from hiss.files import read_json, read_table
from hiss.imports import modules_of
from hiss.models.features import Sources, prepare_features
from hiss.models.fusion import fuse_selected, late_fusion
from hiss.models.metrics import scores
from hiss.models.run import model_type
from hiss.models.train import run_experiment
from hiss.models.trained import predict_rows

SETTINGS = {
    "decision_tree": {"max_depth": 3, "min_samples_leaf": 1},
    "lightgbm": {"learning_rate": 0.1, "max_depth": 4, "rounds": 15, "cross_validate": True},
    "vggnet12": {"learning_rate": 1e-3, "width": 2, "epochs": 2},
}
FILES = {
    "decision_tree": {"model.json", "model.npz", "out_of_fold.parquet"},
    "lightgbm": {"model.txt", "out_of_fold.parquet"},
    "vggnet12": {"model.json", "model.safetensors"},
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_small_sample(tmp_path_factory.mktemp("sample"))


def sources(sample):
    return Sources(sample / "zoom3.h5", objects=sample / "objects.parquet")


def described(model: str, modality: str) -> dict:
    return {
        "target": "sfr",
        "sample": "flag0",
        "model": model,
        "modality": modality,
        "zoom": 3,
        "name": "a=1",
        "settings": SETTINGS[model],
        "seed": 1,
    }


def train(sample, root, model, modality):
    features = root / f"{modality}.h5"
    prepare_features(sources(sample), read_table(sample / "split.parquet"), modality, features, {})
    folder = root / f"runs/sfr/flag0/{model}/{modality}/zoom3/a=1"
    run_experiment(model_type(model), features, described(model, modality), folder, 1, [__file__])
    return folder


@pytest.mark.parametrize("model", SETTINGS)
def test_run_writes_its_folder(sample, tmp_path, model):
    folder = train(sample, tmp_path, model, "early")
    assert {path.name for path in folder.iterdir()} == FILES[model] | {
        "metrics.json",
        "curve.csv",
        "validation.parquet",
    }
    metrics, split = read_json(folder / "metrics.json"), read_table(sample / "split.parquet")
    assert metrics["run"] == described(model, "early")
    assert metrics["n_train"] == (split["split"] == "train").sum()
    assert metrics["n_features"] == 5 * 8 * 8 + 40
    assert set(metrics["time"]) == {"load_s", "fit_s", "cv_s", "predict_s", "predict_per_object_us"}
    assert set(metrics["provenance"]["inputs"]) == {"features"}
    assert 0 <= metrics["peak_memory_mb"] < 2000
    predicted = read_table(folder / "validation.parquet")
    held = split[split["split"] == "validation"]
    assert list(predicted) == ["target_id", "row", "truth", "prediction"]
    assert_array_equal(predicted[["target_id", "row", "truth"]], held[["target_id", "row", "avg"]])
    assert metrics["validation"] == pytest.approx(scores(predicted["truth"], predicted["prediction"]))
    field = pq.read_schema(folder / "validation.parquet").field("prediction")
    assert field.metadata[b"unit"] == b"log10(M_sun yr-1)"


@pytest.mark.parametrize("model", ["decision_tree", "lightgbm"])
def test_trees_are_cross_validated(sample, tmp_path, model):
    folder = train(sample, tmp_path, model, "spectra")
    held_out = read_table(folder / "out_of_fold.parquet")
    split = read_table(sample / "split.parquet")
    inside = split[split["split"] == "train"]
    assert_array_equal(held_out[["row", "truth", "fold"]], inside[["row", "avg", "fold"]])
    cv = read_json(folder / "metrics.json")["cv"]
    for fold, part in held_out.groupby("fold"):
        assert cv["r2"][int(fold)] == pytest.approx(scores(part["truth"], part["prediction"])["r2"])
    assert min(cv["r2"]) > 0.5
    columns = list(read_table(folder / "curve.csv"))
    assert columns == (
        ["fold", "r2", "mae", "rmse", "nmad"]
        if model == "decision_tree"
        else ["iteration", "train_rmse", "validation_rmse"]
    )


def test_cnn_has_no_folds(sample, tmp_path):
    metrics = read_json(train(sample, tmp_path, "vggnet12", "photo") / "metrics.json")
    assert metrics["cv"] is None
    assert metrics["time"]["cv_s"] == 0
    assert metrics["best_iteration"] in (1, 2)


@pytest.mark.parametrize("model", SETTINGS)
def test_finished_run_predicts_again(sample, tmp_path, model):
    folder = train(sample, tmp_path, model, "early")
    known = read_table(folder / "validation.parquet")
    rows = known["row"].to_numpy()[::-1]
    again = predict_rows(model_type(model), folder, sources(sample), rows)
    assert_array_equal(again["row"], rows)
    assert_array_equal(again["target_id"], known["target_id"][::-1])
    assert_allclose(again["prediction"], known["prediction"][::-1], rtol=0, atol=1e-5)


def test_same_run_same_bytes(sample, tmp_path):
    first, second = (train(sample, tmp_path / name, "lightgbm", "early") for name in "ab")
    for file in ("curve.csv", "validation.parquet", "out_of_fold.parquet", "model.txt"):
        assert (first / file).read_bytes() == (second / file).read_bytes()


@pytest.mark.parametrize("model", SETTINGS)
def test_rows_with_gaps_are_refused(sample, tmp_path, model):
    split = read_table(sample / "split.parquet")
    split.loc[split.index[split["split"] == "test"][:1], "split"] = "train"  # a row of NaN
    prepare_features(sources(sample), split, "spectra", tmp_path / "spectra.h5", {})
    run = described(model, "spectra")
    with pytest.raises(HissError, match=r"1 of .* training objects have NaN"):
        run_experiment(model_type(model), tmp_path / "spectra.h5", run, tmp_path / "run", 1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("model", SETTINGS)
def test_no_test_object_is_in_what_a_run_writes(sample, tmp_path, model):
    folder = train(sample, tmp_path, model, "early")
    split = read_table(sample / "split.parquet").set_index("target_id")["split"]
    for table in folder.glob("*.parquet"):
        expected = "train" if table.stem == "out_of_fold" else "validation"
        assert set(split.loc[read_table(table)["target_id"]]) == {expected}


def test_training_scripts_know_their_own_model_alone(repo):
    scripts = repo / "workflow" / "scripts"
    own = {"train_tree.py": "tree", "train_lightgbm.py": "lgbm", "train_cnn.py": "vgg"}
    for script, module in own.items():
        known = {path.stem for path in modules_of(scripts / script) if path.parent.name == "models"}
        assert known & {"tree", "lgbm", "vgg", "network", "run"} == {module} | (
            {"network"} if module == "vgg" else set()
        )


def test_tree_imports_no_heavy_library(repo):
    code = (
        "import sys, hiss.models.train, hiss.models.tree; print([m for m in ('torch', 'lightgbm') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repo / "workflow" / "scripts",
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"


def predictions(ids, values):
    return pd.DataFrame({"target_id": ids, "row": ids, "truth": np.arange(len(ids)) * 1.0, "prediction": values})


def test_late_fusion_joins_on_the_object():
    photo = predictions([3, 5, 9], [1.0, 2.0, 3.0])
    spectra = predictions([3, 5, 9], [3.0, 2.0, 7.0]).iloc[::-1]
    fused = late_fusion(photo, spectra)
    assert fused["prediction"].tolist() == [2.0, 2.0, 5.0]
    assert fused["target_id"].tolist() == [3, 5, 9]


def test_late_fusion_of_different_objects_is_refused():
    photo = predictions([3, 5, 9], [1.0, 2.0, 3.0])
    with pytest.raises(HissError, match="2 objects"):
        late_fusion(photo, predictions([3, 5, 8], [1.0, 2.0, 3.0]))
    with pytest.raises(HissError, match="twice"):
        late_fusion(photo, predictions([3, 5, 5], [1.0, 2.0, 3.0]))
    other = predictions([3, 5, 9], [1.0, 2.0, 3.0]).assign(truth=7.0)
    with pytest.raises(HissError, match="labels"):
        late_fusion(photo, other)


def test_selected_runs_are_fused(sample, tmp_path):
    folders = [train(sample, tmp_path, "decision_tree", modality) for modality in ("photo", "spectra")]
    metrics = [folder / "metrics.json" for folder in folders]
    selection = pd.DataFrame(
        {
            "model": "decision_tree",
            "modality": ["photo", "spectra"],
            "zoom": 3,
            "path": [str(folder.relative_to(tmp_path)) for folder in folders],
        }
    )
    selection.to_csv(tmp_path / "selection.csv", index=False)
    out = tmp_path / "late"
    fuse_selected(tmp_path / "selection.csv", metrics, "decision_tree", 3, out, [__file__])
    told, fused = json.loads((out / "metrics.json").read_text()), read_table(out / "validation.parquet")
    parts = [read_table(folder / "validation.parquet") for folder in folders]
    assert_allclose(fused["prediction"], (parts[0]["prediction"] + parts[1]["prediction"]) / 2)
    assert told["run"]["modality"] == "late"
    assert told["run"]["name"] == "mean"
    assert told["n_features"] == 5 * 8 * 8 + 40
    assert told["time"]["fit_s"] == pytest.approx(sum(read_json(path)["time"]["fit_s"] for path in metrics))
    with pytest.raises(HissError, match="0 selected runs of decision_tree, photo, zoom 2"):
        fuse_selected(tmp_path / "selection.csv", metrics, "decision_tree", 2, out)
    with pytest.raises(HissError, match="not among the runs"):
        fuse_selected(tmp_path / "selection.csv", metrics[1:], "decision_tree", 3, out)
