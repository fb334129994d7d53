"""The training of a network on objects that all lie on the device, epoch by epoch."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from hiss.errors import HissError
from hiss.models.device import precision
from hiss.models.history import History, Keeper
from hiss.progress import say

_STAGE_BYTES: Final = 2**27  # of objects shuffled and turned at once


@dataclass(frozen=True)
class Course:
    """How a network is trained."""

    learning_rate: float
    epochs: int
    batch_size: int
    augment: bool
    """Flip and turn the images at random."""
    seed: int
    patience: int | None = None
    """Epochs without a better validation loss that end it; None: all are run, and the last one's weights stay."""
    name: str = ""
    """Of this fit among several, for the log."""
    loss: str = "RMSE"
    """What is made smaller, for the log."""


@dataclass(frozen=True)
class Objects:
    """Scaled objects on a device."""

    inputs: list[Tensor]
    """As `hiss.models.network.Network` takes them; images, if any, come first and have four axes."""
    label: Tensor
    """(n,) scaled numbers, or (n, K) with a 1 for the class of an object and 0 for the others."""
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: Tensor | slice) -> "Objects":
        """Return the objects at those rows; a slice copies nothing."""
        weight = None if self.weight is None else self.weight[rows]
        return Objects([values[rows] for values in self.inputs], self.label[rows], weight)

    def turned(self) -> "Objects":
        """Return the objects with each image in one of the square's eight positions, at random."""
        if self.inputs[0].ndim != 4:
            return self
        return Objects([flip_and_turn(self.inputs[0]), *self.inputs[1:]], self.label, self.weight)


def train(
    network: nn.Module,
    objects: Objects,
    course: Course,
    validate: Callable[[], float] | None = None,
    keeper: Keeper | None = None,
    unit: float = 1.0,
) -> History:
    """Train a network by Adam on the (weighted) mean squared error, or the cross-entropy of classes.

    Each epoch draws its random numbers from a seed of its own, so that one that follows a checkpoint is the one that
    would have followed without it.

    Parameters
    ----------
    validate
        Gives the validation loss of the network as it is; the best epoch's weights are restored at the end. None:
        those of the last epoch stay.
    keeper
        Keeps what a killed job needs to go on; None: nothing is kept.
    unit
        Of the scaled label, in which the history tells the training loss as ``validate`` tells its own.

    Raises
    ------
    HissError
        When the error is no longer finite.
    """
    optimiser = torch.optim.Adam(network.parameters(), lr=course.learning_rate, fused=True)
    history = (keeper.resume(network, optimiser) if keeper else None) or History()
    while not history.ended(course.epochs, course.patience):
        start = time.perf_counter()
        epoch = len(history.train_loss) + 1
        history.train_loss.append(unit * train_epoch(network, objects, course, optimiser, epoch))
        history.validation_loss.append(validate() if validate else float("nan"))
        history.seconds.append(time.perf_counter() - start)
        _judge(network, history, validated=validate is not None)
        _report(history, course)
        if keeper:
            keeper.save(network, optimiser, history)
    if history.best:
        network.load_state_dict(history.best_weights)
    return history


def _judge(network: nn.Module, history: History, validated: bool) -> None:
    """Stop a fit that diverged, and take down the weights when they are the best so far."""
    error = history.validation_loss[-1] if validated else history.train_loss[-1]
    epoch = len(history.train_loss)
    if not np.isfinite(error):
        raise HissError(f"vggnet12: the fit diverged in epoch {epoch}; lower the learning rate")
    if validated and (not history.best or error < history.validation_loss[history.best - 1]):
        history.best = epoch
        history.best_weights = {key: value.clone() for key, value in network.state_dict().items()}


def _report(history: History, course: Course) -> None:
    epoch = len(history.train_loss)
    of = f"{course.name}, " if course.name else ""
    line = f"{of}epoch {epoch} of at most {course.epochs}: {course.loss} {history.train_loss[-1]:.4f} in training"
    if history.best:
        line += f", {history.validation_loss[-1]:.4f} in validation (best {history.best})"
    say(f"{line}, {history.seconds[-1]:.2f} s")
    if history.best and epoch < course.epochs and history.ended(course.epochs, course.patience):
        say(f"no better since epoch {history.best}: stopped after epoch {epoch}")


def train_epoch(
    network: nn.Module, objects: Objects, course: Course, optimiser: torch.optim.Optimizer, epoch: int
) -> float:
    """Take one pass over the training objects and return its RMSE, or its cross-entropy [nat] of classes.

    The device is waited for at the end alone.
    """
    network.train()
    torch.manual_seed(int(np.random.SeedSequence([course.seed, epoch]).generate_state(1)[0]))
    order = torch.randperm(len(objects)).to(objects.label.device)
    losses = torch.zeros((), device=objects.label.device)
    for batch in batches(objects, order, course):
        losses += step(network, optimiser, batch)
    mean = losses / len(objects)
    return float(torch.sqrt(mean) if objects.label.ndim == 1 else mean)


def step(network: nn.Module, optimiser: torch.optim.Optimizer, batch: Objects) -> Tensor:
    """Take one step down the gradient of a batch; return the sum of its objects' losses, on the device."""
    with precision(batch.label.device):
        losses = object_losses(network(batch.inputs), batch.label)
    loss = losses.mean() if batch.weight is None else (batch.weight * losses).mean()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return losses.detach().sum()


def object_losses(outputs: Tensor, label: Tensor) -> Tensor:
    """Return (n,) squared errors of outputs (n,), or cross-entropies [nat] of outputs (n, K) before the softmax.

    Labels of classes are (n, K) as well: by codes a GPU would have to look them up, and be waited for.
    """
    if label.ndim == 1:
        return (outputs - label).square()
    return nn.functional.cross_entropy(outputs, label, reduction="none")


def batches(objects: Objects, order: Tensor, course: Course) -> Iterator[Objects]:
    """Yield batches of objects in an order (n,) of their rows.

    Many batches are gathered and turned at once and then cut, which on a GPU costs as much as for one of them.
    """
    bounds = _bounds(len(order), course.batch_size)
    bytes_each = sum(values[0].nbytes for values in objects.inputs)
    together = max(1, _STAGE_BYTES // (bytes_each * course.batch_size))
    for first in range(0, len(bounds) - 1, together):
        edges = bounds[first : first + together + 1]
        stage = objects.take(order[edges[0] : edges[-1]])
        stage = stage.turned() if course.augment else stage
        for start, end in pairwise(edge - edges[0] for edge in edges):
            yield stage.take(slice(start, end))


def _bounds(n: int, size: int) -> list[int]:
    """Cut n objects into batches; a last one by itself, on which batch norm has no variance, joins."""
    starts = list(range(0, n, size))
    if n - starts[-1] == 1 and len(starts) > 1:
        starts.pop()
    return [*starts, n]


def flip_and_turn(images: Tensor) -> Tensor:
    """Return each image (n, side, side, channels) in one of the square's eight positions, at random."""
    draw = torch.rand(3, len(images), 1, 1, 1, device=images.device) < 0.5
    images = torch.where(draw[0], images.flip(1), images)
    images = torch.where(draw[1], images.flip(2), images)
    return torch.where(draw[2], images.transpose(1, 2), images)


@torch.no_grad()
def forward(network: nn.Module, inputs: Sequence[Tensor], batch: int) -> Tensor:
    """Return the outputs, (n,) or (n, K), of a network on the device, of so many objects at once, without dropout."""
    network.eval()
    starts = range(0, len(inputs[0]), batch)
    return torch.cat([network([values[start : start + batch] for values in inputs]) for start in starts])
