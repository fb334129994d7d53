"""Jobs of the CNN that are killed, and go on as if they had not been."""

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from cnn_runs import fitted, galaxies
from numpy.testing import assert_array_equal

from hiss.models import training
from hiss.models.checkpoint import Checkpoint
from hiss.models.training import batches


class Killed(BaseException):
    pass


def killed_in(monkeypatch, epoch: int, times: int = 1) -> list[int]:
    """Let the training die on its way through an epoch, so many times; return the epochs as they are begun."""
    begun, left = [], [times]
    original = training.train_epoch

    def dying(network, objects, course, optimiser, number):
        begun.append(number)
        if number == epoch and left[0]:
            left[0] -= 1
            for batch in batches(objects, torch.arange(20), course):
                training.step(network, optimiser, batch)
            raise Killed
        return original(network, objects, course, optimiser, number)

    monkeypatch.setattr(training, "train_epoch", dying)
    return begun


@pytest.mark.parametrize("modality", ["early", "attention"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_killed_fit_goes_on_as_if_it_had_not_been(modality, batch_norm, tmp_path, monkeypatch, capsys):
    data = galaxies(50, 3)
    whole = fitted(modality, batch_norm=batch_norm)
    begun = killed_in(monkeypatch, 4)
    keep = Checkpoint(tmp_path / "checkpoint", "these settings", every_s=0, share=np.inf)
    with pytest.raises(Killed):
        fitted(modality, checkpoint=keep, batch_norm=batch_norm)
    assert [path.name for path in keep.folder.iterdir()] == ["fit.safetensors"]
    resumed = fitted(modality, checkpoint=keep, batch_norm=batch_norm)
    assert begun[:5] == [1, 2, 3, 4, 4]
    assert "goes on after epoch 3" in capsys.readouterr().err
    assert_array_equal(resumed.predict(data), whole.predict(data))
    pd.testing.assert_frame_equal(resumed.curve, whole.curve)
    assert resumed.best_iteration == whole.best_iteration
    keep.clear()
    assert not keep.folder.exists()


def test_a_killed_cross_validation_goes_on_at_its_fold(tmp_path, monkeypatch):
    train, fold = galaxies(60, 1), np.arange(60) % 3
    whole = fitted(train=train, cross_validate=True)
    expected = whole.out_of_fold(train, fold)
    keep = Checkpoint(tmp_path / "checkpoint", "these settings", every_s=0, share=np.inf)
    model = fitted(train=train, cross_validate=True, checkpoint=keep)
    last = whole.best_iteration
    begun = killed_in(monkeypatch, last)
    with pytest.raises(Killed):
        model.out_of_fold(train, fold)
    with pytest.raises(Killed):
        killed_in(monkeypatch, last)
        model.out_of_fold(train, fold)
    begun.clear()
    assert_array_equal(model.out_of_fold(train, fold), expected)
    assert begun.count(1) == 2  # folds two and three; the first goes on where it was
    begun.clear()
    assert_array_equal(model.out_of_fold(train, fold), expected)
    assert not begun


@pytest.mark.parametrize("what", ["other settings", "broken"])
def test_what_others_left_is_not_taken_up(what, tmp_path, capsys):
    keep = Checkpoint(tmp_path / "checkpoint", "these settings", every_s=0, share=np.inf)
    fitted(checkpoint=keep, epochs=2)
    if what == "broken":
        (keep.folder / "fit.safetensors").write_bytes(b"\0" * 50)
    mine = Checkpoint(keep.folder, "these settings" if what == "broken" else what, every_s=0, share=np.inf)
    model = fitted(checkpoint=mine, epochs=3)
    said = "not readable" if what == "broken" else "left by other settings, data or code"
    assert said in capsys.readouterr().err
    assert_array_equal(model.predict(galaxies(9, 3)), fitted(epochs=3).predict(galaxies(9, 3)))


def test_nothing_is_kept_of_a_short_fit(tmp_path):
    fitted(checkpoint=Checkpoint(tmp_path / "checkpoint", "these settings"))
    assert not list(tmp_path.iterdir())


PROGRAM = """
import os, signal, sys
from pathlib import Path
import numpy as np
from hiss.models import training
from hiss.models.checkpoint import Checkpoint
from cnn_runs import fitted, galaxies
original = training.train_epoch
def dying(*given):
    if given[-1] == 4 and sys.argv[2] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*given)
training.train_epoch = dying
model = fitted(checkpoint=Checkpoint(Path(sys.argv[1]) / "checkpoint", "these settings", every_s=0, share=np.inf))
np.save(Path(sys.argv[1]) / "prediction.npy", model.predict(galaxies(50, 3)))
"""


def test_a_job_killed_by_the_system_is_resumed_by_the_next(tmp_path, repo):
    path = os.pathsep.join(str(repo / folder) for folder in ("workflow/scripts", "tests/unit", "tests"))

    def job(how):
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), how]
        return subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)

    assert job("die").returncode == -signal.SIGKILL
    again = job("live")
    assert again.returncode == 0, again.stderr
    assert "goes on after epoch 3" in again.stderr
    assert_array_equal(np.load(tmp_path / "prediction.npy"), fitted().predict(galaxies(50, 3)))
