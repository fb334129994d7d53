"""Seconds that a GPU computes, apart from those on the clock."""

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile


def gpu_name() -> str | None:
    """Return the name of the GPU that models run on; None where there is none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def kernel_seconds(work: Callable[[], object]) -> float:
    """Do a piece of work and return how long its kernels, copies among them, took on the GPU."""
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        work()
        torch.cuda.synchronize()
    return sum(event.self_device_time_total for event in seen.key_averages()) / 1e6
