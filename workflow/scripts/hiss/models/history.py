"""The history of a network's fit, and the file in which it outlives a killed job."""

import time
from dataclasses import dataclass, field

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hiss.files import atomic
from hiss.models.checkpoint import Checkpoint
from hiss.progress import say


@dataclass
class History:
    """What became of each epoch."""

    train_loss: list[float] = field(default_factory=list)
    """The RMSE, or the log loss of classes, as seen through dropout on the way."""
    validation_loss: list[float] = field(default_factory=list)
    """NaN where nothing is validated on."""
    seconds: list[float] = field(default_factory=list)
    best: int = 0
    """The epoch of the best validation loss, from 1; 0 without one."""
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def ended(self, epochs: int, patience: int | None) -> bool:
        """Say whether no epoch is to follow: all are done, or so many without a better one."""
        done = len(self.train_loss)
        return done >= epochs or (patience is not None and done - self.best >= patience)


class Keeper:
    """One file of a checkpoint: tensors, known by what they are of, written at most every so often."""

    def __init__(self, checkpoint: Checkpoint, name: str, identity: str = "") -> None:
        self._path = checkpoint.folder / f"{name}.safetensors"
        self._identity = f"{checkpoint.identity} {identity}".strip()
        self._every, self._share = checkpoint.every_s, checkpoint.share
        self._wait = self._every
        self._last = time.monotonic()

    def write(self, tensors: dict[str, Tensor]) -> None:
        """Write tensors, in place of what is there."""
        plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        with atomic(self._path) as temporary:
            save_file(plain, temporary, metadata={"identity": self._identity})

    def read(self) -> dict[str, Tensor]:
        """Return what was left under this name and identity; nothing where it is of another."""
        if not self._path.is_file():
            return {}
        try:
            with safe_open(self._path, framework="pt") as file:
                identity = (file.metadata() or {}).get("identity")
            if identity == self._identity:
                return load_file(self._path)
        except (SafetensorError, OSError) as error:
            say(f"{self._path}: not readable ({error}), so the fit starts at its first epoch")
            return {}
        say(f"{self._path}: left by other settings, data or code, so the fit starts at its first epoch")
        return {}

    def save(self, network: nn.Module, optimiser: torch.optim.Optimizer, history: History) -> None:
        """Keep the state of a fit, if the last time is long enough ago."""
        start = time.monotonic()
        if start - self._last < self._wait:
            return
        curve = torch.tensor(
            [history.train_loss, history.validation_loss, history.seconds], dtype=torch.float64, device="cpu"
        )
        self.write(
            {"curve": curve, "best": torch.tensor(history.best)}
            | {f"network.{key}": value for key, value in network.state_dict().items()}
            | {f"best.{key}": value for key, value in history.best_weights.items()}
            | {f"adam.{key}": value for key, value in _moments(network, optimiser).items()}
        )
        self._last = time.monotonic()
        self._wait = max(self._every, (self._last - start) / self._share)

    def resume(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> History | None:
        """Set network and optimiser to what was kept and return its history; None where nothing is."""
        kept = self.read()
        if "curve" not in kept:
            return None
        network.load_state_dict(_below("network.", kept))
        for name, parameter in network.named_parameters():
            state = optimiser.state[parameter]
            state["step"] = kept[f"adam.{name}.step"].to(parameter.device)
            for moment in ("exp_avg", "exp_avg_sq"):
                # In the order of memory that the parameter has, which the fused step takes for granted.
                state[moment] = torch.empty_like(parameter).copy_(kept[f"adam.{name}.{moment}"])
        train_loss, validation_loss, seconds = kept["curve"].tolist()
        device = next(network.parameters()).device
        best = {key: value.to(device) for key, value in _below("best.", kept).items()}
        say(f"{self._path}: goes on after epoch {len(train_loss)}")
        return History(train_loss, validation_loss, seconds, int(kept["best"]), best)


def _moments(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": value
        for name, parameter in network.named_parameters()
        for key, value in optimiser.state[parameter].items()
    }


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
