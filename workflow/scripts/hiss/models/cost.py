"""What a study costs before it starts: core hours and memory of its training jobs, from measured rates."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from hiss.bands import BANDS, CUTOUT_SIZE, SPECTRUM_SIZE
from hiss.modality import Modality

RATES: Final = {
    "prepare_value": 3e-8,
    "bin_value": 9e-8,
    "tree_value": 6e-9,
    "lightgbm_value": 2.4e-10,
    "lightgbm_feature": 7e-7,
    "lightgbm_iteration": 2e-4,
}
"""Core-seconds: of a value of the features put together, and binned; of a value a level of a tree, times log2 of the
objects; of an iteration of LightGBM, a value a leaf, a feature a leaf, and by itself.

Measured by benchmarks/models.py on the machine that docs/results.md names, one thread a job."""

CNN_IMAGE: Final = (0.050, 0.015, 0.0067, 0.0050)
CNN_SPECTRUM: Final = (0.034, 0.017, 0.0091, 0.0061)
"""Core-seconds that the network of width 64 needs to learn from one object once, of either kind, at zooms 0 to 3: a
step on a batch of 64 on one core of the same machine. On a GPU it was not measured."""

CNN_WIDTH: Final = 64
CNN_EPOCHS: Final = 60
"""Epochs until a fit stops, in the mean; it depends on the learning rate, and patience alone is 30."""

ITERATIONS_AT_RATE_1: Final = 36
"""Iterations of LightGBM until a fit stops, times its learning rate: early stopping ends those of a high one sooner."""

_START_UP_MB = {"decision_tree": 190, "lightgbm": 200, "vggnet12": 600, "features": 150, "bins": 170}
_CNN_WEIGHTS_MB = 900  # at width 64: the network's, their gradients, Adam's two moments, the best epoch's
_CNN_STEP_MB = 4e-4  # at width 64: what the layers keep of a value of the features for the way back, measured
_FEATURE_BYTES = 4
_REST_FRAME_SAMPLES = 1.12  # bins of the rest-frame grid for a sample of the observed one
_BLOCKS_MB = 250  # what the making of features holds beside them


@dataclass(frozen=True)
class Work:
    """One job of the study.

    ``fits`` counts fits on all training objects; five folds of a fifth less are four. ``selected`` tells what is done
    with the settings that win from the grid that finds them. ``model`` is also ``features`` or ``bins``. ``begun`` is
    work that a job does beside what is counted as its own.
    """

    model: str
    modality: str
    zoom: int
    settings: Mapping[str, Any]
    fits: float = 1
    selected: bool = False
    begun: bool = False


@dataclass(frozen=True)
class Cost:
    """What the jobs of a model at a zoom cost; the memory is the largest job's."""

    model: str
    zoom: int
    jobs: int
    grid_hours: float
    selected_hours: float
    memory_mb: float


def shape_of(modality: str, zoom: int) -> tuple[int, int]:
    """Return pixels and samples of an object's features."""
    seen = Modality.parse(modality)
    pixels = len(BANDS) * (CUTOUT_SIZE >> zoom) ** 2 if seen.images else 0
    samples = SPECTRUM_SIZE >> (zoom if seen.spectra_zoom is None else seen.spectra_zoom) if seen.spectra else 0
    return pixels, round(samples * _REST_FRAME_SAMPLES) if seen.rest_frame else samples


def core_seconds(work: Work, n_train: int, n_validation: int) -> float:
    """Return what a job takes of one core, its start aside."""
    n_features = sum(shape_of(work.modality, work.zoom))
    if work.model == "features":
        return RATES["prepare_value"] * n_features * (n_train + n_validation)
    if work.model == "bins":
        return RATES["bin_value"] * n_features * (n_train + n_validation)
    fit = {"decision_tree": _tree_seconds, "lightgbm": _lightgbm_seconds, "vggnet12": _cnn_seconds}[work.model]
    return work.fits * fit(work, n_train, n_features)


def _tree_seconds(work: Work, n_train: int, n_features: int) -> float:
    """Every level sorts all objects by every feature."""
    return float(RATES["tree_value"] * n_train * np.log2(n_train) * n_features * work.settings["max_depth"])


def _lightgbm_seconds(work: Work, n_train: int, n_features: int) -> float:
    """Every leaf reads its objects' bins, out of order, and looks through the histograms of its features."""
    settings = work.settings
    leaves = min(settings["num_leaves"], 2 ** settings["max_depth"])
    drawn = n_features * settings["feature_fraction"]
    of_leaf = drawn * (RATES["lightgbm_value"] * n_train + RATES["lightgbm_feature"])
    return float(iterations_of(settings) * (leaves * of_leaf + RATES["lightgbm_iteration"]))


def iterations_of(settings: Mapping[str, Any]) -> float:
    """Return the iterations LightGBM is expected to run."""
    expected = ITERATIONS_AT_RATE_1 / settings["learning_rate"] + settings["early_stopping_rounds"]
    return float(min(settings["rounds"], expected))


def _cnn_seconds(work: Work, n_train: int, n_features: int) -> float:
    seen, settings = Modality.parse(work.modality), work.settings
    each = CNN_IMAGE[work.zoom] if seen.images else 0.0
    if seen.spectra:
        each += CNN_SPECTRUM[work.zoom if seen.spectra_zoom is None else seen.spectra_zoom]
    relative = (settings["width"] / CNN_WIDTH) ** 1.5  # 1.5, as narrow layers fill a core's registers less
    return float(min(settings["epochs"], CNN_EPOCHS) * n_train * each * relative)


def memory_mb(work: Work, n_train: int, n_validation: int) -> float:
    """Return the peak memory of a job [MB]."""
    n_features = sum(shape_of(work.modality, work.zoom))
    training, held = (_FEATURE_BYTES * n_features * n / 1e6 for n in (n_train, n_validation))
    if work.model == "vggnet12":
        return _START_UP_MB["vggnet12"] + 2 * (training + held) + _network_mb(work.settings, n_features)
    more = {
        "features": min(_BLOCKS_MB, 3 * training),
        "bins": 2 * training + held,
        "decision_tree": training + held,
        "lightgbm": training / 4 + training / 2 + held,  # bins, histograms, and the features that are predicted
    }
    return _START_UP_MB[work.model] + more[work.model]


def _network_mb(settings: Mapping[str, Any], n_features: int) -> float:
    relative = settings["width"] / CNN_WIDTH
    return float(_CNN_WEIGHTS_MB * relative**2 + _CNN_STEP_MB * n_features * settings["batch_size"] * relative)


def describe_objects(split: Path) -> tuple[tuple[int, int], str]:
    """Return the numbers of training and validation objects, and words for them.

    They are those of ``split.parquet``; before there is one, of 1,000 objects, 60 % and 20 % of them.
    """
    if not split.is_file():
        return (600, 200), "each 1,000 objects of the sample (there is no split yet)"
    import pyarrow.parquet as pq

    side = pq.read_table(split, columns=["split"])["split"].to_pylist()
    n_train, n_validation = side.count("train"), side.count("validation")
    return (n_train, n_validation), f"{n_train:,} training and {n_validation:,} validation objects"


def estimate(works: Iterable[Work], n_train: int, n_validation: int) -> list[Cost]:
    """Return what each model costs at each zoom, in the order of the works."""
    groups: dict[tuple[str, int], list[Work]] = {}
    for work in works:
        groups.setdefault((work.model, work.zoom), []).append(work)
    costs = []
    for (model, zoom), members in groups.items():
        hours = [core_seconds(work, n_train, n_validation) / 3600 for work in members]
        of_grid, of_selected = (
            sum(one for one, work in zip(hours, members, strict=True) if work.selected is selected)
            for selected in (False, True)
        )
        memory = max(memory_mb(work, n_train, n_validation) for work in members)
        jobs = sum(not work.begun for work in members)
        costs.append(Cost(model, zoom, jobs, of_grid, of_selected, memory))
    return costs


def cost_table(costs: Iterable[Cost], n_objects: str) -> str:
    """Return the estimate as a table in text, its total last.

    Parameters
    ----------
    n_objects
        What the estimate is for.
    """
    costs = list(costs)
    lines = [
        f"Training is estimated to cost, for {n_objects}, of one core:",
        f"{'':14s} {'zoom':>4s} {'jobs':>5s} {'grid [h]':>10s} {'selected [h]':>12s} {'memory of a job [MB]':>21s}",
    ]
    lines += [
        f"{one.model:14s} {one.zoom:4d} {one.jobs:5d} {one.grid_hours:10.3f} {one.selected_hours:12.3f} "
        f"{one.memory_mb:21.0f}"
        for one in costs
    ]
    total = f"{sum(one.grid_hours for one in costs):10.3f} {sum(one.selected_hours for one in costs):12.3f}"
    lines.append(f"{'total':14s} {'':4s} {sum(one.jobs for one in costs):5d} {total}")
    if any(one.model == "vggnet12" for one in costs):
        lines.append("A GPU takes a small part of the CNN's hours.")
    return "\n".join(lines)
