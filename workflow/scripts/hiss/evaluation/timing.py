"""What a selected setting costs when it runs alone: the times the report gives."""

import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from hiss.evaluation.collect import relative_folder
from hiss.evaluation.selection import selected_metrics
from hiss.files import read_json
from hiss.models.base import Data, Model, build
from hiss.models.features import SIDES, open_part
from hiss.models.train import open_parts, with_weights
from hiss.script import Stopwatch, peak_memory_mb

TIME_COLUMNS: Final = [
    "model", "modality", "zoom", "settings", "path", "threads", "device", "n_train", "n_predict", "load_s", "bin_s",
    "fit_s", "cpu_s", "gpu_s", "fits", "predict_s", "predict_cpu_s", "predict_gpu_s", "read_s", "peak_memory_mb",
]  # fmt: skip

_ENOUGH_S: Final = 2.0  # of one kind of work, beyond which it is not repeated
_MOST_REPEATS: Final = 25
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
    features: Path | str,
    threads: int,
    bins: Sequence[Path | str] = (),
    weights: Path | str | None = None,
    make_bins: Callable[[Data, Data, int, int], object] | None = None,
    find_device: FindDevice = on_processor,
) -> pd.DataFrame:
    """Fit the selected one of some runs again, and time it; what is short is repeated until its median is sound.

    Parameters
    ----------
    kind
        The model's class.
    selection
        As `hiss.evaluation.selection.select_runs` returns it.
    metrics
        metrics.json of the runs of one model, modality and zoom.
    features
        Their prepared features; no test object is among them.
    threads
        Threads given to the fit; nothing else should run beside it.
    bins
        LightGBM's bins of the training and of the validation features.
    weights
        File of ImageNet weights in place of what the settings name.
    make_bins
        Makes the bins of training and validation features, and is timed, where ``bins`` are given.
    find_device
        What tells the device and its kernels' seconds.

    Returns
    -------
    DataFrame
        One row: the run, ``threads, device, n_train, n_predict``; ``load_s``, reading of the training and the
        validation features; ``bin_s``, LightGBM's binning, done once for all settings; ``fit_s``, ``predict_s`` (the
        validation objects) by the clock, with the processor's ``cpu_s``, ``predict_cpu_s`` over all threads and the
        GPU's ``gpu_s``, ``predict_gpu_s`` in kernels; ``fits``, over how many fits the median is; ``read_s``, reading
        of the validation features; ``peak_memory_mb`` above start-up. What was read is dropped from memory before, as
        far as the system does it.

    Raises
    ------
    HissError
        When not exactly one of the runs is selected.
    """
    start_up = peak_memory_mb()
    chosen = selected_metrics(selection, metrics)
    run = read_json(chosen)["run"]
    settings = with_weights(run["settings"], weights)

    def new(**other: Any) -> Model:
        return build(kind, settings | other, run["modality"], int(run["seed"]), threads)

    load, read = _reading(features, SIDES), _reading(features, ("validation",))
    train, validation = (part.data for part in open_parts(features, bins))
    fitted = new()
    fit = measure(lambda: fitted.fit(train, validation))
    predict = measure(lambda: fitted.predict(validation))
    peak = peak_memory_mb() - start_up
    on = find_device(fitted, new, train, validation)
    row = {name: run[name] for name in ("model", "modality", "zoom")}
    row |= {"settings": chosen.parent.name, "path": relative_folder(chosen)}
    row |= {"threads": threads, "device": on.device, "n_train": len(train), "n_predict": len(validation)}
    row |= {"load_s": load.wall_s, "bin_s": 0.0}
    if bins and make_bins is not None:
        row["bin_s"] = measure(lambda: make_bins(train, validation, settings["max_bin"], threads)).wall_s
    row |= {"fit_s": fit.wall_s, "cpu_s": fit.cpu_s, "gpu_s": on.fit_s, "fits": fit.repeats}
    row |= {"predict_s": predict.wall_s, "predict_cpu_s": predict.cpu_s, "predict_gpu_s": on.predict_s}
    return pd.DataFrame([row | {"read_s": read.wall_s, "peak_memory_mb": peak}])[TIME_COLUMNS]


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
