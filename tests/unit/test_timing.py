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
MODALITIES = ("photo", "spectra")
SETTINGS = {
    "decision_tree": {"max_depth": 3},
    "lightgbm": {"learning_rate": 0.1, "max_depth": 3, "rounds": 5, "max_bin": 15},
    "vggnet12": {"learning_rate": 1e-3, "width": 2, "epochs": 5, "weights": "https://example.org/vgg13.safetensors"},
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Prepared features of photo and of spectra at zoom 3, ``<inputs>/zoom3.h5``, with their bins."""
    folder = tmp_path_factory.mktemp("prepared")
    rng = np.random.default_rng(1)
    label = rng.normal(size=N)
    with h5py.File(folder / "zoom3.h5", "w") as file:
        file["images"] = (label[:, None, None, None] + rng.normal(size=(N, 5, 8, 8))).astype("f4")
        file["image_sigma"] = np.ones((N, 5, 8, 8), "f4")
        file["spectra"] = (label[:, None] + rng.normal(size=(N, SAMPLES))).astype("f4")
        file["wl"] = np.linspace(3800, 9200, SAMPLES)
        file["target_id"] = np.arange(N)
    split = pd.DataFrame({"row": np.arange(N), "target_id": np.arange(N), "avg": label, "fold": np.arange(N) % 5})
    split["split"] = np.where(np.arange(N) < 80, "train", np.where(np.arange(N) < 110, "validation", "test"))
    objects = pd.DataFrame({"row": np.arange(N), "z": 0.1, "p16": label - 0.2, "p84": label + 0.2})
    write_table(folder / "objects.parquet", objects)
    sources = Sources(folder / "zoom3.h5", objects=folder / "objects.parquet")
    for modality in MODALITIES:
        place = folder / modality
        prepare_features(sources, split, modality, place / "zoom3.h5", {})
        bin_features(place / "zoom3.h5", 15, place / "zoom3_train.bins", place / "zoom3_validation.bins", 1)
    return folder


def runs_of(folder, model, n=2, modalities=("photo",)):
    """Return the selection and metrics.json of n settings of a model and each modality, the last of them selected."""
    paths, chosen = [], []
    for modality in modalities:
        for number in range(n):
            run = {"model": model, "modality": modality, "zoom": 3, "seed": 1, "settings": SETTINGS[model]}
            path = f"runs/sfr/flag0/{model}/{modality}/zoom3/a={number}"
            write_json(folder / path / "metrics.json", {"run": run})
            paths.append(path)
        chosen.append({"model": model, "modality": modality, "zoom": 3, "settings": f"a={n - 1}", "path": paths[-1]})
    return pd.DataFrame(chosen), [folder / path / "metrics.json" for path in paths]


def features_in(folder):
    return [folder / modality / "zoom3.h5" for modality in MODALITIES]


def bins_in(folder):
    return [path.with_name(f"zoom3_{side}.bins") for path in features_in(folder) for side in ("train", "validation")]


@pytest.fixture(autouse=True)
def soon_enough(monkeypatch):
    monkeypatch.setattr(timing, "_ENOUGH_S", 0.05)


@pytest.mark.parametrize("model", ["decision_tree", "lightgbm"])
def test_the_selected_setting_of_each_modality_is_timed(prepared, tmp_path, model):
    bins = bins_in(prepared) if model == "lightgbm" else []
    given = (*runs_of(tmp_path, model, modalities=MODALITIES), features_in(prepared), 1)
    table = time_selected(tree_type(model), *given, bins=bins, make_bins=make_bins)
    assert list(table) == TIME_COLUMNS
    assert table["modality"].tolist() == list(MODALITIES)
    for row in table.to_dict("records"):
        assert (row["model"], row["zoom"], row["settings"]) == (model, 3, "a=1")
        assert row["path"] == f"runs/sfr/flag0/{model}/{row['modality']}/zoom3/a=1"
        assert (row["threads"], row["n_train"], row["n_predict"]) == (1, 80, 30)
        for name in ("load_s", "fit_s", "cpu_s", "predict_s", "predict_cpu_s", "read_s"):
            assert row[name] > 0, name
        assert row["gpu_s"] == row["predict_gpu_s"] == 0
        assert (row["bin_s"] > 0) == (model == "lightgbm")
        assert row["fits"] >= 1
        assert row["device"]


def test_each_modality_is_fitted_to_its_own_features(prepared, tmp_path, network):
    given = (*runs_of(tmp_path, "vggnet12", modalities=MODALITIES), features_in(prepared), 1)
    time_selected(Network, *given)
    short, *timed = Network.made
    assert (short.epochs, short.seen) == (1, [(64, 320)]), "a short fit of a few objects, which nobody times"
    assert [(model.modality, set(model.seen)) for model in timed] == [("photo", {(80, 320)}), ("spectra", {(80, 30)})]
    assert [model.epochs for model in timed] == [5, 5]


def test_what_a_process_does_once_is_no_modality_s(prepared, tmp_path, network, monkeypatch):
    monkeypatch.setattr(Network, "wakes_s", 0.5)
    table = time_selected(Network, *runs_of(tmp_path, "vggnet12"), features_in(prepared), 1)
    assert table["fit_s"].item() < 0.4


def test_features_or_bins_that_are_not_given_are_told(prepared, tmp_path):
    photo, spectra = features_in(prepared)
    runs = runs_of(tmp_path, "lightgbm")
    with pytest.raises(HissError, match="0 files of features hold photo where one should"):
        time_selected(tree_type("lightgbm"), *runs, [spectra], 1)
    with pytest.raises(HissError, match=r"not given: .*photo/zoom3_train.bins, .*photo/zoom3_validation.bins"):
        time_selected(tree_type("lightgbm"), *runs, [photo], 1, bins=bins_in(prepared)[2:])


class Network(Model):
    """Stands for the network: as many lines in its curve as it has epochs, and a mean to predict."""

    name = "vggnet12"
    files = ()
    made: ClassVar[list["Network"]] = []
    wakes_s = 0.0
    """What the first fit of a process takes longer."""

    def __init__(self, modality, learning_rate, width, epochs, weights, seed, threads):
        super().__init__(modality, seed, threads)
        self.weights, self.epochs = weights, epochs
        self.seen = []
        self.made.append(self)

    def _fit(self, train, validation):
        if self is self.made[0] and not self.seen:
            time.sleep(self.wakes_s)
        self.seen.append(train.features.shape)
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
    runs = runs_of(tmp_path, "vggnet12")
    table = time_selected(Network, *runs, features_in(prepared), 1, weights=tmp_path / "vgg")
    assert [model.weights for model in network.made] == 2 * [str(tmp_path / "vgg")]
    assert table["n_predict"].item() == 30
    time_selected(Network, *runs, features_in(prepared), 1)
    assert network.made[-1].weights == SETTINGS["vggnet12"]["weights"]


def test_kernels_are_counted_for_all_epochs(prepared, tmp_path, monkeypatch, network):
    from hiss.evaluation import gpu

    def kernel_seconds(work):
        work()
        return 2.0

    monkeypatch.setattr(gpu, "gpu_name", lambda: "a GPU")
    monkeypatch.setattr(gpu, "kernel_seconds", kernel_seconds)
    given = (*runs_of(tmp_path, "vggnet12"), features_in(prepared), 1)
    row = time_selected(Network, *given, find_device=gpu.on_gpu).iloc[0]
    assert row["device"] == "a GPU"
    assert [model.epochs for model in network.made] == [1, 5, 3]
    assert row["gpu_s"] == pytest.approx(2.0 * 5 / 3)
    assert row["predict_gpu_s"] == 2.0


def test_none_or_two_selected_runs_are_told(prepared, tmp_path):
    selection, metrics = runs_of(tmp_path, "decision_tree")
    with pytest.raises(HissError, match="0 of these runs are selected"):
        time_selected(tree_type("decision_tree"), selection, metrics[:1], features_in(prepared), 1)
    both = pd.concat([selection, selection.assign(path=selection["path"].str.replace("a=1", "a=0"))])
    with pytest.raises(HissError, match="2 of these runs are selected"):
        time_selected(tree_type("decision_tree"), both, metrics, features_in(prepared), 1)


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
    time_selected(tree_type("decision_tree"), *runs_of(tmp_path, "decision_tree"), features_in(prepared), 1)
    assert set(asked) == {"train", "validation"}
