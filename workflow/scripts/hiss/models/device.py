"""The device a network is trained on: which, how precisely, how reproducibly."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import torch

from hiss.errors import HissError

_BFLOAT16_SINCE: Final = (8, 0)  # compute capability of a GPU
_CHOICE: Final = "HISS_DEVICE"
# What SLURM tells a job of its GPUs, and what it says where the job has none: indices, a number, indices.
_GIVEN: Final = {
    "SLURM_JOB_GPUS": ("",),
    "SLURM_GPUS_ON_NODE": ("", "0"),
    "CUDA_VISIBLE_DEVICES": ("", "-1", "NoDevFiles"),
}
_memory: Any = torch.utils.deterministic  # its one attribute is made when it is imported


def best_device() -> torch.device:
    """Return the GPU where there is one, else the CPU; the CPU also where ``HISS_DEVICE=cpu`` is in the environment.

    Raises
    ------
    HissError
        In a job to which SLURM gave a GPU that torch cannot use: it would hold it for days and train on a processor;
        or for another word in ``HISS_DEVICE``.
    """
    choice = os.environ.get(_CHOICE, "")
    if choice not in ("", "cpu"):
        raise HissError(f"{_CHOICE}={choice}: it may be cpu, or not set for a GPU where there is one")
    if choice == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    given = _gpu_of_slurm()
    if given:
        why = (
            "is built without CUDA" if torch.version.cuda is None else f"finds none with its CUDA {torch.version.cuda}"
        )
        raise HissError(
            f"SLURM gave this job a GPU ({given}), and torch {torch.__version__} {why}: install one that fits the "
            "node's driver (docs/cluster.md: CONDA_OVERRIDE_CUDA for conda, the site's module, or a wheel for the "
            f"clone's .venv); to train on processors on purpose set {_CHOICE}=cpu"
        )
    return torch.device("cpu")


def _gpu_of_slurm() -> str:
    """Return what says that SLURM gave this job a GPU, ``name=value``; empty where nothing does."""
    if "SLURM_JOB_ID" not in os.environ:
        return ""
    told = {name: os.environ.get(name, "") for name in _GIVEN}
    return next((f"{name}={value}" for name, value in told.items() if value not in _GIVEN[name]), "")


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
