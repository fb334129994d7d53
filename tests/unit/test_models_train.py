"""A training run from files to files, its predictions later, and late fusion of two of them."""

import json
import subprocess
import sys
import tracemalloc

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hiss.errors import HissError
from hiss.files import read_json, read_table
from hiss.imports import modules_of
from hiss.models.features import load_data
from hiss.models.fusion import fuse_selected, late_fusion
from hiss.models.metrics import scores
from hiss.models.run import model_type, predict_rows
from hiss.models.train import load_part, run_experiment

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
N = 150


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """zoom3.h5 and split.parquet as the sample floor writes them; test rows are NaN, so that reading one shows."""
    folder = tmp_path_factory.mktemp("sample")
    rng = np.random.default_rng(1)
    label = rng.normal(size=N)
    side = rng.choice(["train", "validation", "test", "none"], size=N, p=[0.55, 0.2, 0.15, 0.1])
    spectra = (label[:, None] + rng.normal(0, 0.3, (N, 40))).astype("f4")
    images = (label[:, None, None, None] + rng.normal(0, 0.5, (N, 5, 8, 8))).astype("f4")
    spectra[side == "none"] = np.nan
    with h5py.File(folder / "zoom3.h5", "w") as file:
        file["images"], file["image_sigma"] = images, np.full_like(images, 0.5)
        file["spectra"], file["spectrum_sigma"] = spectra, np.full_like(spectra, 0.3)
        file["wl"], file["target_id"] = np.linspace(3800, 9200, 40), 1000 + 3 * np.arange(N)
        file.attrs["provenance"] = "{}"
    row = np.flatnonzero(side != "none")
    kept = side[row]
    fold = np.where(kept == "train", np.arange(len(row)) % 5, -1)
    split = pd.DataFrame(
        {
            "row": row,
            "target_id": 1000 + 3 * row,
            "group": row,
            "avg": label[row],
            "split": kept,
            "fold": fold,
        }
    )
    split.to_parquet(folder / "split.parquet", index=False)
    return folder


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
    folder = root / f"runs/sfr/flag0/{model}/{modality}/zoom3/a=1"
    run_experiment(
        model_type(model),
        sample / "zoom3.h5",
        sample / "split.parquet",
        described(model, modality),
        folder,
        1,
        [__file__],
    )
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
    assert set(metrics["provenance"]["inputs"]) == {"arrays", "split"}
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


def test_test_rows_are_never_read(sample, tmp_path, monkeypatch):
    import hiss.models.features as features

    asked = []
    original = features.load_rows

    def watched(path, rows, *arguments, **keywords):
        asked.extend(np.asarray(rows).tolist())
        return original(path, rows, *arguments, **keywords)

    monkeypatch.setattr(features, "load_rows", watched)
    train(sample, tmp_path, "decision_tree", "early")
    split = read_table(sample / "split.parquet")
    assert set(asked) == set(split.loc[split["split"] != "test", "row"])
    with pytest.raises(HissError, match="never those of 'test'"):
        load_part(sample / "zoom3.h5", split, "test", "early")


@pytest.mark.parametrize("model", SETTINGS)
def test_finished_run_predicts_again(sample, tmp_path, model):
    folder = train(sample, tmp_path, model, "early")
    known = read_table(folder / "validation.parquet")
    rows = known["row"].to_numpy()[::-1]
    again = predict_rows(folder, model, sample / "zoom3.h5", rows)
    assert_array_equal(again["row"], rows)
    assert_array_equal(again["target_id"], known["target_id"][::-1])
    assert_allclose(again["prediction"], known["prediction"][::-1], rtol=0, atol=1e-5)


def test_same_run_same_bytes(sample, tmp_path):
    first, second = (train(sample, tmp_path / name, "lightgbm", "early") for name in "ab")
    for file in ("curve.csv", "validation.parquet", "out_of_fold.parquet", "model.txt"):
        assert (first / file).read_bytes() == (second / file).read_bytes()


def test_rows_with_gaps_are_refused(sample, tmp_path):
    split = read_table(sample / "split.parquet")
    missing = min(set(range(N)) - set(split["row"]))
    split.loc[split.index[0], ["row", "target_id"]] = [missing, 1000 + 3 * missing]
    split.loc[split.index[0], "split"] = "train"
    split.to_parquet(tmp_path / "split.parquet")
    run = described("decision_tree", "spectra")
    with pytest.raises(HissError, match=r"1 of .* training objects have NaN"):
        run_experiment(
            model_type("decision_tree"), sample / "zoom3.h5", tmp_path / "split.parquet", run, tmp_path / "run", 1
        )
    assert not (tmp_path / "run").exists()


def test_split_of_another_sample_is_told(sample):
    split = read_table(sample / "split.parquet")
    split["target_id"] += 1
    with pytest.raises(HissError, match="target_id"):
        load_part(sample / "zoom3.h5", split, "train", "early")
    with pytest.raises(HissError, match="no row is asked for"):
        load_part(sample / "zoom3.h5", split[split["split"] == "test"], "train", "early")


def test_blocks_do_not_change_what_is_loaded(sample, monkeypatch):
    rows = read_table(sample / "split.parquet")["row"].to_numpy()
    whole, _ = load_data(sample / "zoom3.h5", rows, "early", sky=True)
    monkeypatch.setattr("hiss.models.features._BLOCK_BYTES", 4 * 360 * 7)
    blocks, target_id = load_data(sample / "zoom3.h5", rows, "early", sky=True)
    assert_array_equal(whole.features, blocks.features)
    assert_array_equal(whole.sky_sigma, blocks.sky_sigma)
    assert_array_equal(target_id, 1000 + 3 * rows)
    with h5py.File(sample / "zoom3.h5") as file:
        assert_array_equal(blocks.images, file["images"][()][rows])
        assert_array_equal(blocks.spectra, file["spectra"][()][rows])


def test_features_are_in_memory_once(sample, monkeypatch):
    rows = np.repeat(read_table(sample / "split.parquet")["row"].to_numpy(), 30)
    monkeypatch.setattr("hiss.models.features._BLOCK_BYTES", 4 * 360 * 100)
    load_data(sample / "zoom3.h5", rows[:10], "early", sky=True)
    tracemalloc.start()
    try:
        data, _ = load_data(sample / "zoom3.h5", rows, "early", sky=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert data.features.nbytes > 5e6
    assert peak < 1.3 * data.features.nbytes


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
