"""What a selected setting costs when it runs alone: the times the report gives."""

import inspect
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from hiss.errors import HissError
from hiss.evaluation.collect import relative_folder
from hiss.evaluation.selection import selected_metrics
from hiss.files import read_json
from hiss.modality import Modality
from hiss.models.base import Data, Model, build
from hiss.models.features import SIDES, open_part
from hiss.models.train import open_parts, with_weights
from hiss.progress import say
from hiss.script import Stopwatch

TIME_COLUMNS: Final = [
    "model", "modality", "zoom", "settings", "path", "threads", "device", "n_train", "n_predict", "load_s", "bin_s",
    "fit_s", "cpu_s", "gpu_s", "fits", "predict_s", "predict_cpu_s", "predict_gpu_s", "read_s",
]  # fmt: skip

_ENOUGH_S: Final = 1.0  # of one kind of work, beyond which it is not repeated
_MOST_REPEATS: Final = 9
_FEW: Final = 64  # objects of the fit that nobody times
_SHORT: Final = {"epochs": 1, "rounds": 1}  # and what makes it short, where the model has such a setting
_BLOCK: Final = 2**22  # features read at once


class Cost(NamedTuple):
    """Medians over the repeats of one piece of work."""

    wall_s: float
    cpu_s: float
    """Of all threads of this process."""
    repeats: int


class OnDevice(NamedTuple):
    """What a model ran on, and the seconds of its kernels where that is a GPU."""

    device: str
    fit_s: float = 0.0
    predict_s: float = 0.0


FindDevice = Callable[[Model, Callable[..., Model], Data, Data], OnDevice]
"""Tells what a fitted model ran on; also given what makes an unfitted one of its settings, some of them replaced."""


def on_processor(fitted: Model, new: Callable[..., Model], train: Data, validation: Data) -> OnDevice:
    """Return the processor's name: what a model without code for a GPU ran on."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return OnDevice(names[0] if names else platform.machine())


def time_selected(
    kind: type[Model],
    selection: pd.DataFrame,
    metrics: Iterable[Path | str],
    features: Iterable[Path | str],
    threads: int,
    bins: Iterable[Path | str] = (),
    weights: Path | str | None = None,
    make_bins: Callable[[Data, Data, int, int], object] | None = None,
    find_device: FindDevice = on_processor,
) -> pd.DataFrame:
    """Fit the selected runs of a model at a zoom again, one modality after the other, and time them.

    What is short is repeated until its median is sound. A fit of a few objects goes before, and nobody times it: what a
    process does once, such as to wake a GPU, is no modality's.

    Parameters
    ----------
    kind
        The model's class.
    selection
        As `hiss.evaluation.selection.select_runs` returns it.
    metrics
        metrics.json of the runs of one model and zoom, of all its modalities.
    features
        Their prepared features, ``<inputs>/zoom<k>.h5``; no test object is among them.
    threads
        Threads given to the fit; nothing else should run beside it.
    bins
        LightGBM's bins of all these features, ``zoom<k>_train.bins`` and ``zoom<k>_validation.bins`` beside them.
    weights
        File of ImageNet weights in place of what the settings name.
    make_bins
        Makes the bins of training and validation features, and is timed, where ``bins`` are given.
    find_device
        What tells the device and its kernels' seconds.

    Returns
    -------
    DataFrame
        A row a modality: the run, ``threads, device, n_train, n_predict``; ``load_s``, reading of the training and the
        validation features; ``bin_s``, LightGBM's binning, done once for all settings; ``fit_s``, ``predict_s`` (the
        validation objects) by the clock, with the processor's ``cpu_s``, ``predict_cpu_s`` over all threads and the
        GPU's ``gpu_s``, ``predict_gpu_s`` in kernels; ``fits``, over how many fits the median is; ``read_s``, reading
        of the validation features. What was read is dropped from memory before, as far as the system does it.

    Raises
    ------
    HissError
        When not exactly one run of a modality is selected, or its features or bins are not among those given.
    """
    of_modality: dict[str, list[Path]] = {}
    for path in map(Path, metrics):
        of_modality.setdefault(read_json(path)["run"]["modality"], []).append(path)
    prepared, binned = [Path(path) for path in features], [Path(path) for path in bins]
    rows: list[dict[str, Any]] = []
    for modality, paths in of_modality.items():
        chosen = selected_metrics(selection, paths)
        run = read_json(chosen)["run"]
        settings = with_weights(run["settings"], weights)
        new = _maker(kind, settings, modality, int(run["seed"]), threads)
        own = _of_inputs(prepared, Modality.parse(modality).inputs)
        sides = _bins_of(own, binned)
        if not rows:
            _warm_up(kind, new, own)
        say(f"{modality}: {chosen.parent.name}")
        row = {name: run[name] for name in ("model", "modality", "zoom")}
        row |= {"settings": chosen.parent.name, "path": relative_folder(chosen), "threads": threads}
        row |= _time_one(new, own, sides, find_device)
        if sides and make_bins is not None:
            row["bin_s"] = _binning(make_bins, own, settings["max_bin"], threads)
        rows.append(row)
    return pd.DataFrame(rows, columns=TIME_COLUMNS)


def _maker(
    kind: type[Model], settings: Mapping[str, Any], modality: str, seed: int, threads: int
) -> Callable[..., Model]:
    """Return what makes an unfitted model of these settings, some of them replaced."""

    def new(**other: Any) -> Model:
        return build(kind, {**settings, **other}, modality, seed, threads)

    return new


def _of_inputs(prepared: Sequence[Path], inputs: str) -> Path:
    """Return the one file of prepared features that holds these inputs."""
    found = [path for path in prepared if path.parent.name == inputs]
    if len(found) != 1:
        raise HissError(f"{len(found)} files of features hold {inputs} where one should; name one of this zoom")
    return found[0]


def _bins_of(features: Path, bins: Sequence[Path]) -> list[Path]:
    """Return the bins of both sides of some features, where there are bins at all."""
    wanted = [features.with_name(f"{features.stem}_{side}.bins") for side in SIDES] if bins else []
    if missing := [str(path) for path in wanted if path not in bins]:
        raise HissError(f"the features are to be binned once for all, but not given: {', '.join(missing)}")
    return wanted


def _warm_up(kind: type[Model], new: Callable[..., Model], features: Path) -> None:
    """Fit a few objects for a moment, so that libraries and device are awake before anything is timed."""
    known = inspect.signature(kind).parameters
    few = []
    for side in SIDES:
        data = open_part(features, side).data
        few.append(data.take(np.arange(min(_FEW, len(data)))))
    model = new(**{name: value for name, value in _SHORT.items() if name in known})
    model.fit(few[0], few[1])
    model.predict(few[1])


def _time_one(
    new: Callable[..., Model], features: Path, bins: Sequence[Path], find_device: FindDevice
) -> dict[str, Any]:
    """Return what it costs to read features, to fit a model to them and to predict, and on what."""
    load, read = _reading(features, SIDES), _reading(features, ("validation",))
    train, validation = (part.data for part in open_parts(features, bins))
    fitted = new()
    fit = measure(lambda: fitted.fit(train, validation))
    predict = measure(lambda: fitted.predict(validation))
    on = find_device(fitted, new, train, validation)
    row = {"device": on.device, "n_train": len(train), "n_predict": len(validation)}
    row |= {"load_s": load.wall_s, "read_s": read.wall_s, "bin_s": 0.0}
    row |= {"fit_s": fit.wall_s, "cpu_s": fit.cpu_s, "gpu_s": on.fit_s, "fits": fit.repeats}
    return row | {"predict_s": predict.wall_s, "predict_cpu_s": predict.cpu_s, "predict_gpu_s": on.predict_s}


def _binning(make_bins: Callable[[Data, Data, int, int], object], features: Path, max_bin: int, threads: int) -> float:
    train, validation = (part.data for part in open_parts(features))
    return measure(lambda: make_bins(train, validation, max_bin, threads)).wall_s


def measure(work: Callable[[], object], before: Callable[[], None] | None = None) -> Cost:
    """Return what a piece of work costs; short work is repeated, and its median is taken.

    Parameters
    ----------
    before
        Done before each repeat, outside the times.
    """
    wall: list[float] = []
    cpu: list[float] = []
    while not wall or (sum(wall) < _ENOUGH_S and len(wall) < _MOST_REPEATS):
        if before is not None:
            before()
        start = time.process_time()
        with Stopwatch() as clock:
            work()
        wall.append(clock.seconds)
        cpu.append(time.process_time() - start)
    return Cost(median(wall), median(cpu), len(wall))


def _reading(features: Path | str, sides: Iterable[str]) -> Cost:
    """Return what it costs to read the features of some sides of the split, from the disk where the system lets us."""

    def read() -> None:
        for side in sides:
            data = open_part(features, side).data
            step = max(1, _BLOCK // max(1, data.features.shape[1]))
            for start in range(0, len(data), step):
                np.array(data.features[start : start + step])

    return measure(read, before=lambda: _forget(features))


def _forget(path: Path | str) -> None:
    """Ask the system to drop its copy of a file in memory, so that it is read from the disk; macOS cannot."""
    if not hasattr(os, "posix_fadvise"):
        return
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)  # what is not on the disk yet would stay
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)
