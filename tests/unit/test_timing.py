"""What a selected setting costs, run alone: which run, what is counted, and how often."""

import time
from itertools import count
from typing import ClassVar

import h5py
import numpy as np
import pandas as pd
import pytest

from hiss.errors import HissError
from hiss.evaluation import timing
from hiss.evaluation.timing import TIME_COLUMNS, measure, time_selected
from hiss.files import write_json, write_table
from hiss.models.base import Model
from hiss.models.bins import bin_features, make_bins
from hiss.models.features import Sources, prepare_features
from hiss.models.trees import tree_type

N, SAMPLES = 120, 30
SETTINGS = {
    "decision_tree": {"max_depth": 3},
    "lightgbm": {"learning_rate": 0.1, "max_depth": 3, "rounds": 5, "max_bin": 15},
    "vggnet12": {"learning_rate": 1e-3, "width": 2, "epochs": 5, "weights": "https://example.org/vgg13.safetensors"},
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Prepared features of photo at zoom 3, with their bins."""
    folder = tmp_path_factory.mktemp("prepared")
    rng = np.random.default_rng(1)
    label = rng.normal(size=N)
    with h5py.File(folder / "zoom3.h5", "w") as file:
        file["images"] = (label[:, None, None, None] + rng.normal(size=(N, 5, 8, 8))).astype("f4")
        file["image_sigma"] = np.ones((N, 5, 8, 8), "f4")
        file["spectra"], file["wl"] = np.ones((N, SAMPLES), "f4"), np.linspace(3800, 9200, SAMPLES)
        file["target_id"] = np.arange(N)
    split = pd.DataFrame({"row": np.arange(N), "target_id": np.arange(N), "avg": label, "fold": np.arange(N) % 5})
    split["split"] = np.where(np.arange(N) < 80, "train", np.where(np.arange(N) < 110, "validation", "test"))
    objects = pd.DataFrame({"row": np.arange(N), "z": 0.1, "p16": label - 0.2, "p84": label + 0.2})
    write_table(folder / "objects.parquet", objects)
    sources = Sources(folder / "zoom3.h5", objects=folder / "objects.parquet")
    prepare_features(sources, split, "photo", folder / "features.h5", {})
    bin_features(folder / "features.h5", 15, folder / "train.bins", folder / "validation.bins", 1)
    return folder


def runs_of(folder, model, n=2):
    """Return the selection and metrics.json of n settings of a model, the last of them selected."""
    paths = []
    for number in range(n):
        run = {"model": model, "modality": "photo", "zoom": 3, "seed": 1, "settings": SETTINGS[model]}
        path = f"runs/sfr/flag0/{model}/photo/zoom3/a={number}"
        write_json(folder / path / "metrics.json", {"run": run})
        paths.append(path)
    record = {"model": model, "modality": "photo", "zoom": 3, "settings": f"a={n - 1}", "path": paths[-1]}
    return pd.DataFrame([record]), [folder / path / "metrics.json" for path in paths]


@pytest.fixture(autouse=True)
def soon_enough(monkeypatch):
    monkeypatch.setattr(timing, "_ENOUGH_S", 0.05)


@pytest.mark.parametrize("model", ["decision_tree", "lightgbm"])
def test_the_selected_setting_is_timed(prepared, tmp_path, model):
    bins = [prepared / "train.bins", prepared / "validation.bins"] if model == "lightgbm" else []
    given = (*runs_of(tmp_path, model), prepared / "features.h5", 1)
    table = time_selected(tree_type(model), *given, bins=bins, make_bins=make_bins)
    assert list(table) == TIME_COLUMNS
    row = table.iloc[0]
    assert (row["model"], row["modality"], row["zoom"], row["settings"]) == (model, "photo", 3, "a=1")
    assert (row["threads"], row["n_train"], row["n_predict"]) == (1, 80, 30)
    for name in ("load_s", "fit_s", "cpu_s", "predict_s", "predict_cpu_s", "read_s"):
        assert row[name] > 0, name
    assert row["gpu_s"] == row["predict_gpu_s"] == 0
    assert (row["bin_s"] > 0) == (model == "lightgbm")
    assert row["fits"] >= 1
    assert row["device"]
    assert 0 <= row["peak_memory_mb"] < 2000


class Network(Model):
    """Stands for the network: as many lines in its curve as it has epochs, and a mean to predict."""

    name = "vggnet12"
    files = ()
    made: ClassVar[list["Network"]] = []

    def __init__(self, modality, learning_rate, width, epochs, weights, seed, threads):
        super().__init__(modality, seed, threads)
        self.weights, self.epochs = weights, epochs
        self.made.append(self)

    def _fit(self, train, validation):
        self.mean = train.target.mean()
        self.curve = pd.DataFrame({"iteration": np.arange(self.epochs)})

    def _predict(self, data):
        return np.full(len(data), self.mean)

    def save(self, folder):
        raise NotImplementedError

    load = save


@pytest.fixture
def network(monkeypatch):
    monkeypatch.setattr(Network, "made", [])
    return Network


def test_a_network_is_given_the_fetched_weights(prepared, tmp_path, network):
    table = time_selected(
        Network, *runs_of(tmp_path, "vggnet12"), prepared / "features.h5", 1, weights=tmp_path / "vgg"
    )
    assert [model.weights for model in network.made] == [str(tmp_path / "vgg")]
    assert table["n_predict"].item() == 30
    time_selected(Network, *runs_of(tmp_path, "vggnet12"), prepared / "features.h5", 1)
    assert network.made[-1].weights == SETTINGS["vggnet12"]["weights"]


def test_kernels_are_counted_for_all_epochs(prepared, tmp_path, monkeypatch, network):
    from hiss.evaluation import gpu

    def kernel_seconds(work):
        work()
        return 2.0

    monkeypatch.setattr(gpu, "gpu_name", lambda: "a GPU")
    monkeypatch.setattr(gpu, "kernel_seconds", kernel_seconds)
    given = (*runs_of(tmp_path, "vggnet12"), prepared / "features.h5", 1)
    row = time_selected(Network, *given, find_device=gpu.on_gpu).iloc[0]
    assert row["device"] == "a GPU"
    assert [model.epochs for model in network.made] == [5, 3]
    assert row["gpu_s"] == pytest.approx(2.0 * 5 / 3)
    assert row["predict_gpu_s"] == 2.0


def test_none_or_two_selected_runs_are_told(prepared, tmp_path):
    selection, metrics = runs_of(tmp_path, "decision_tree")
    with pytest.raises(HissError, match="0 of these runs are selected"):
        time_selected(tree_type("decision_tree"), selection, metrics[:1], prepared / "features.h5", 1)
    both = pd.concat([selection, selection.assign(path=selection["path"].str.replace("a=1", "a=0"))])
    with pytest.raises(HissError, match="2 of these runs are selected"):
        time_selected(tree_type("decision_tree"), both, metrics, prepared / "features.h5", 1)


def test_short_work_is_repeated_and_its_median_taken(monkeypatch):
    ticks = iter([0.0, 0.01, 1.0, 1.03, 2.0, 2.02])
    monkeypatch.setattr(timing.time, "process_time", lambda: 0.0)
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    calls, before = count(), count()
    cost = measure(lambda: next(calls), before=lambda: next(before))
    assert next(calls) == next(before) == cost.repeats == 3
    assert cost.wall_s == pytest.approx(0.02)


def test_long_work_is_done_once_and_endless_repeats_are_not():
    cost = measure(lambda: time.sleep(0.06))
    assert cost.repeats == 1
    assert cost.cpu_s < cost.wall_s
    assert measure(lambda: None).repeats == timing._MOST_REPEATS


def test_only_training_and_validation_objects_are_read(prepared, tmp_path, monkeypatch):
    asked = []
    original = timing.open_part
    monkeypatch.setattr(timing, "open_part", lambda path, side: asked.append(side) or original(path, side))
    time_selected(tree_type("decision_tree"), *runs_of(tmp_path, "decision_tree"), prepared / "features.h5", 1)
    assert set(asked) == {"train", "validation"}
