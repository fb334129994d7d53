"""The device a network is trained on: which, how precisely, how reproducibly."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import torch

_BFLOAT16_SINCE: Final = (8, 0)  # compute capability of a GPU
_memory: Any = torch.utils.deterministic  # its one attribute is made when it is imported


def best_device() -> torch.device:
    """Return the GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@cache
def has_bfloat16(device: torch.device) -> bool:
    """Say whether a device multiplies bfloat16 faster than float32; a CPU is left at float32."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= _BFLOAT16_SINCE


def precision(device: torch.device) -> torch.autocast:
    """Return the context in which layers compute in bfloat16 where the device has it; weights stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_bfloat16(device))


@contextmanager
def reproducible(seed: int, threads: int) -> Iterator[None]:
    """Seed torch and let it use deterministic kernels alone, on so many threads, for a while."""
    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    filled = _memory.fill_uninitialized_memory
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # asked for by cuBLAS to be deterministic
    torch.use_deterministic_algorithms(True)
    # Else each new tensor is filled with NaN before it is written: a sixth of an epoch on a CPU.
    _memory.fill_uninitialized_memory = False
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        _memory.fill_uninitialized_memory = filled
        torch.set_num_threads(before[1])
