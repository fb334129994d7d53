"""How many objects a second a network learns from, against the same network on random numbers that lie ready."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from hiss.models.base import Data
from hiss.models.device import reproducible
from hiss.models.training import Objects, step, train_epoch
from hiss.models.vgg import VGGNet12


@dataclass(frozen=True)
class Throughput:
    """Objects a second, the median of several rounds in turn."""

    real: float
    """Of epochs as a fit takes them: shuffled, turned, learned from."""
    resident: float
    """Of the same steps on one batch of random numbers, again and again."""
    device: str

    @property
    def ratio(self) -> float:
        """What a fit reaches of the network's own speed."""
        return self.real / self.resident


def throughput(model: VGGNet12, train: Data, rounds: int = 3) -> Throughput:
    """Measure a network on training objects and on random ones, in turn, after one round to warm up.

    Parameters
    ----------
    model
        Not fitted yet; it is left as after a few epochs.
    train
        Objects of its modality, whole batches of them at best; a round is one epoch.
    """
    with reproducible(model.seed, model.threads):
        objects, course = model.start(train), model.course(None)
        network = model.network
        optimiser = torch.optim.Adam(network.parameters(), lr=course.learning_rate, fused=True)
        random = _random_batch(objects.take(slice(0, min(course.batch_size, len(objects)))))
        steps = max(1, round(len(objects) / len(random)))

        def real(epoch: int) -> int:
            train_epoch(network, objects, course, optimiser, epoch)
            return len(objects)

        def resident(_: int) -> int:
            network.train()
            for _ in range(steps):
                step(network, optimiser, random)
            return steps * len(random)

        seconds = [(_rate(real, epoch), _rate(resident, epoch)) for epoch in range(rounds + 1)]
    real_rates, resident_rates = (sorted(rates) for rates in zip(*seconds[1:], strict=True))
    return Throughput(real_rates[rounds // 2], resident_rates[rounds // 2], objects.label.device.type)


def _random_batch(like: Objects) -> Objects:
    return Objects([torch.randn_like(values) for values in like.inputs], torch.randn_like(like.label), like.weight)


def _rate(work: Callable[[int], int], epoch: int) -> float:
    """Return objects a second of one round, waiting for the device before and after."""
    _wait()
    start = time.perf_counter()
    n = work(epoch)
    _wait()
    return n / (time.perf_counter() - start)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
