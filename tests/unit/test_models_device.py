"""Which device a network is trained on, and a GPU that is paid for and not used."""

import pytest
import torch

from hiss.errors import HissError
from hiss.models.device import best_device

GIVEN = {"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "0"}


@pytest.fixture
def machine(monkeypatch):
    """Set what the environment says, and whether torch has a GPU."""

    def set_up(environment, cuda=False, built_for=None):
        for name in ("SLURM_JOB_ID", "SLURM_JOB_GPUS", "SLURM_GPUS_ON_NODE", "CUDA_VISIBLE_DEVICES", "HISS_DEVICE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.version, "cuda", built_for)

    return set_up


@pytest.mark.parametrize(
    ("environment", "cuda", "device"),
    [
        ({}, False, "cpu"),
        ({}, True, "cuda"),
        (GIVEN, True, "cuda"),
        (GIVEN | {"HISS_DEVICE": "cpu"}, False, "cpu"),
        ({"HISS_DEVICE": "cpu"}, True, "cpu"),
        ({"SLURM_JOB_ID": "7"}, False, "cpu"),
        ({"SLURM_JOB_ID": "7", "SLURM_GPUS_ON_NODE": "0", "CUDA_VISIBLE_DEVICES": "NoDevFiles"}, False, "cpu"),
        ({"CUDA_VISIBLE_DEVICES": "0"}, False, "cpu"),  # of a workstation, not of a job
    ],
)
def test_the_gpu_where_there_is_one(machine, environment, cuda, device):
    machine(environment, cuda)
    assert best_device().type == device


@pytest.mark.parametrize("given", ["SLURM_JOB_GPUS=0", "SLURM_GPUS_ON_NODE=1", "CUDA_VISIBLE_DEVICES=0"])
@pytest.mark.parametrize(("built_for", "why"), [(None, "built without CUDA"), ("13.0", "none with its CUDA 13.0")])
def test_a_job_s_gpu_that_torch_cannot_use_stops_it(machine, given, built_for, why):
    name, _, value = given.partition("=")
    machine({"SLURM_JOB_ID": "7", name: value}, built_for=built_for)
    with pytest.raises(HissError, match=rf"a GPU \({given}\).*{why}.*CONDA_OVERRIDE_CUDA.*HISS_DEVICE=cpu"):
        best_device()


def test_another_word_for_the_device_is_refused(machine):
    machine({"HISS_DEVICE": "gpu"})
    with pytest.raises(HissError, match="HISS_DEVICE=gpu: it may be cpu"):
        best_device()
