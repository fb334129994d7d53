"""Seconds that a GPU computes, apart from those on the clock."""

from collections.abc import Callable
from typing import Final

import torch
from torch.profiler import ProfilerActivity, profile

from hiss.evaluation.timing import OnDevice, on_processor
from hiss.models.base import Data, Model
from hiss.models.device import best_device

_PROFILED_EPOCHS: Final = 3


def gpu_name() -> str | None:
    """Return the name of the GPU that models run on; None where there is none."""
    return torch.cuda.get_device_name() if best_device().type == "cuda" else None


def kernel_seconds(work: Callable[[], object]) -> float:
    """Do a piece of work and return how long its kernels, copies among them, took on the GPU."""
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        work()
        torch.cuda.synchronize()
    return sum(event.self_device_time_total for event in seen.key_averages()) / 1e6


def on_gpu(fitted: Model, new: Callable[..., Model], train: Data, validation: Data) -> OnDevice:
    """Return what a fitted network ran on, and the seconds of its kernels where that is a GPU.

    Parameters
    ----------
    new
        Makes an unfitted network of the same settings, some of them replaced.
    """
    name = gpu_name()
    if name is None:
        return on_processor(fitted, new, train, validation)
    epochs = min(_PROFILED_EPOCHS, len(fitted.curve))
    short = new(epochs=epochs)
    # Every epoch runs the same kernels; to record those of all of them would take more memory than the fit.
    fit_s = kernel_seconds(lambda: short.fit(train, validation)) * len(fitted.curve) / epochs
    return OnDevice(name, fit_s, kernel_seconds(lambda: fitted.predict(validation)))
