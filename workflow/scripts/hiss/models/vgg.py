"""VGGNet12: the convolutional network of the study, trained with everything on the device at once."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from hiss.errors import HissError
from hiss.files import atomic, read_json, sha256_of, write_json
from hiss.models.base import Data, Model
from hiss.models.network import Network, load_imagenet
from hiss.models.scaling import Scaling
from hiss.progress import progress, say

_PREDICT_BATCH = 128


class VGGNet12(Model):
    """Nine 3x3 convolutions and three fully connected layers, by Adam on the MSE (thesis 3.3).

    Training stops after ``patience`` epochs without a better validation RMSE and keeps the best epoch's weights.

    Parameters
    ----------
    epochs, patience, batch_size, learning_rate, dropout
        As usual.
    width
        Channels of the first block; 64 is VGG's.
    image_scaling
        ``asinh``, or ``linear`` as in the thesis.
    weights
        safetensors file of ImageNet's VGG13 for the image trunk; None starts at random.
    batch_norm
        Normalise after each convolution; ``weights`` must be of the same kind.
    augment
        Flip and turn the cutouts at random while training.
    """

    name = "vggnet12"
    files = ("model.json", "model.safetensors")
    wants_sky = True

    def __init__(
        self,
        modality: str,
        learning_rate: float = 1e-4,
        epochs: int = 300,
        patience: int = 30,
        batch_size: int = 64,
        width: int = 64,
        dropout: float = 0.5,
        image_scaling: str = "asinh",
        weights: str | None = None,
        batch_norm: bool = False,
        augment: bool = True,
        seed: int = 1,
        threads: int = 1,
    ) -> None:
        super().__init__(modality, seed, threads)
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.width = width
        self.dropout = dropout
        self.image_scaling = image_scaling
        self.weights = weights
        self.batch_norm = batch_norm
        self.augment = augment

    def _fit(self, train: Data, validation: Data) -> None:
        if len(train) < 2:
            raise HissError("vggnet12: one training object is not enough; make the sample larger")
        self._scaling = Scaling.fit(train, self.image_scaling)
        self._shape = {"side": train.side, "n_samples": train.n_samples}
        self._device = _device()
        with _reproducible(self.seed, self.threads):
            self._network = self._new_network()
            self._initialisation = self._start_from_weights()
            self._network.to(self._device)
            self._train(self._inputs(train), self._label(train), validation)

    def _new_network(self) -> Network:
        return Network(**self._shape, width=self.width, dropout=self.dropout, batch_norm=self.batch_norm)

    def _start_from_weights(self) -> dict[str, str]:
        """Load ImageNet's weights where they are given, and tell which trunk starts from what."""
        trunks = {"image": self._network.image_trunk, "spectrum": self._network.spectrum_trunk}
        told = {name: "random" for name, trunk in trunks.items() if trunk is not None}
        if self.weights and self._network.image_trunk is not None:
            load_imagenet(self._network.image_trunk, self.weights)
            told["image"] = f"{Path(self.weights).name} sha256:{sha256_of(self.weights)}"
        return told

    def _inputs(self, data: Data) -> list[Tensor]:
        """Return the scaled inputs of the network, on the device."""
        arrays = []
        if self._scaling.images is not None:
            arrays.append(self._scaling.images.apply(data.images))
        if self._scaling.spectra is not None:
            arrays += self._scaling.spectra.apply(data.spectra)
        return [torch.from_numpy(np.ascontiguousarray(array)).to(self._device) for array in arrays]

    def _label(self, data: Data) -> Tensor:
        label = (data.target - self._scaling.target_mean) / self._scaling.target_std
        return torch.from_numpy(label.astype(np.float32)).to(self._device)

    def _train(self, inputs: list[Tensor], label: Tensor, validation: Data) -> None:
        optimiser = torch.optim.Adam(self._network.parameters(), lr=self.learning_rate)
        order = torch.Generator().manual_seed(self.seed)
        held_inputs, held_truth = self._inputs(validation), validation.target
        best, best_state = np.inf, {}
        rows = []
        for epoch in progress(range(1, self.epochs + 1), self.epochs, "epochs"):
            train_rmse = self._epoch(inputs, label, optimiser, order)
            error = self._forward(held_inputs) - held_truth
            rows.append((epoch, train_rmse, float(np.sqrt((error**2).mean()))))
            if not np.isfinite(rows[-1][2]):
                raise HissError(f"vggnet12: the fit diverged in epoch {epoch}; lower the learning rate")
            if rows[-1][2] < best:
                best, self.best_iteration = rows[-1][2], epoch
                best_state = {key: value.clone() for key, value in self._network.state_dict().items()}
            elif epoch - (self.best_iteration or 0) >= self.patience:
                say(f"no better since epoch {self.best_iteration}: stopped after epoch {epoch}")
                break
        self._network.load_state_dict(best_state)
        self.curve = pd.DataFrame(rows, columns=["iteration", "train_rmse", "validation_rmse"])

    def _epoch(
        self, inputs: list[Tensor], label: Tensor, optimiser: torch.optim.Optimizer, order: torch.Generator
    ) -> float:
        """Take one pass over the training objects and return its RMSE, as seen through dropout on the way."""
        self._network.train()
        squares = torch.zeros((), device=self._device)
        shuffled = torch.randperm(len(label), generator=order).to(self._device)
        for chosen in _batches(shuffled, self.batch_size):
            batch = [values[chosen] for values in inputs]
            if self.augment and self._scaling.images is not None:
                batch[0] = flip_and_turn(batch[0])
            loss = torch.nn.functional.mse_loss(self._network(batch), label[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            squares += loss.detach() * len(chosen)
        return float(torch.sqrt(squares / len(label))) * self._scaling.target_std

    @torch.no_grad()
    def _forward(self, inputs: list[Tensor]) -> NDArray[np.float64]:
        """Return (n,) predictions in the unit of the label."""
        self._network.eval()
        parts = [
            self._network([values[start : start + _PREDICT_BATCH] for values in inputs])
            for start in range(0, len(inputs[0]), _PREDICT_BATCH)
        ]
        scaled = torch.cat(parts).cpu().numpy().astype(np.float64)
        return scaled * self._scaling.target_std + self._scaling.target_mean

    def _predict(self, data: Data) -> NDArray[np.float64]:
        with _reproducible(self.seed, self.threads):
            parts = [
                self._forward(self._inputs(data.take(np.arange(start, min(start + _PREDICT_BATCH, len(data))))))
                for start in range(0, len(data), _PREDICT_BATCH)
            ]
        return np.concatenate(parts)

    def _settings(self) -> dict[str, Any]:
        keys = ("modality", "learning_rate", "epochs", "patience", "batch_size", "width", "dropout")
        return {key: getattr(self, key) for key in (*keys, "image_scaling", "batch_norm", "augment", "seed")}

    def save(self, folder: Path) -> None:
        """Write ``model.safetensors`` (the weights) and ``model.json`` (settings, scaling, where it started)."""
        state = {key: value.detach().cpu().contiguous() for key, value in self._network.state_dict().items()}
        with atomic(folder / "model.safetensors") as path:
            save_file(state, path)
        write_json(
            folder / "model.json",
            {
                "settings": self._settings(),
                "shape": self._shape,
                "n_features": self.n_features,
                "scaling": self._scaling.as_dict(),
                "initialisation": self._initialisation,
                "best_iteration": self.best_iteration,
            },
        )

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> Self:
        """Read a saved network onto the device there is."""
        told = read_json(folder / "model.json")
        model = cls(**told["settings"], threads=threads)
        model._shape = told["shape"]
        model._scaling = Scaling.from_dict(told["scaling"])
        model._initialisation = told["initialisation"]
        model._device = _device()
        model._network = model._new_network()
        model._network.load_state_dict(load_file(folder / "model.safetensors"))
        model._network.to(model._device)
        model.best_iteration = told["best_iteration"]
        model.n_features = told["n_features"]
        return model


def flip_and_turn(images: Tensor) -> Tensor:
    """Return each image (n, channels, side, side) in one of the square's eight positions, at random."""
    draw = torch.rand(3, len(images), 1, 1, 1, device=images.device) < 0.5
    images = torch.where(draw[0], images.flip(2), images)
    images = torch.where(draw[1], images.flip(3), images)
    return torch.where(draw[2], images.transpose(2, 3), images)


def _batches(order: Tensor, size: int) -> Iterator[Tensor]:
    """Cut a shuffled order into batches; a last object by itself, on which batch norm has no variance, joins."""
    starts = list(range(0, len(order), size))
    if len(order) - starts[-1] == 1 and len(starts) > 1:
        starts.pop()
    for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
        yield order[start:end]


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def _reproducible(seed: int, threads: int) -> Iterator[None]:
    """Seed torch and let it use deterministic kernels alone, on so many threads, for a while."""
    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # asked for by cuBLAS to be deterministic
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.set_num_threads(before[1])
