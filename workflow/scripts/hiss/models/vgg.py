"""VGGNet12: the convolutional network of the study, trained with everything on the device at once."""

from copy import copy
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from hiss.bands import BANDS
from hiss.errors import HissError
from hiss.files import atomic, read_json, sha256_of, write_json
from hiss.modality import Modality
from hiss.models.base import Data, Floats, Model, fold_parts
from hiss.models.device import best_device, has_bfloat16, precision, reproducible
from hiss.models.history import Keeper
from hiss.models.imagenet import load_imagenet
from hiss.models.losses import loss_of
from hiss.models.network import Network
from hiss.models.scaling import Scaling
from hiss.models.training import Course, Objects, forward, train
from hiss.models.weights import object_weights
from hiss.progress import say

_PREDICT_BATCH: Final = {"cpu": 128, "cuda": 1024}
_BLOCK_BYTES: Final = 64 * 2**20  # of features scaled at once


class VGGNet12(Model):
    """Nine 3x3 convolutions and three fully connected layers, by Adam on the MSE (thesis 3.3).

    Where the training data tell classes, there is an output a class, by Adam on the cross-entropy.

    Training stops after ``patience`` epochs without a better validation RMSE, or log loss of classes, and keeps the
    best epoch's weights. On a GPU that has it the layers compute in bfloat16 while training; predictions are made in
    float32 everywhere.

    On a CPU the same data, seed and threads give the same bytes; another number of threads adds numbers up in another
    order, which changed predictions by less than 0.001 dex in our tests.

    Parameters
    ----------
    epochs, patience, batch_size, learning_rate, dropout
        As usual.
    width
        Channels of the first block; 64 is VGG's.
    image_scaling
        ``asinh``, ``standard`` (each band by its mean and standard deviation), or ``linear`` as in the thesis.
    spectrum_scaling
        ``log_norm`` (the log of the spectrum over its own mean, and the log of that mean), or ``standard`` (each sample
        by its mean and standard deviation) for numbers of very different scales.
    label_weights
        Weigh objects by the certainty of their label.
    class_weights
        Let every class weigh alike in the fit, however rare; the losses of the curve are not weighted.
    cross_validate
        Whether each training object is also predicted by a network that did not see its fold, at a fit's cost a fold.
    weights
        safetensors file of ImageNet's VGG13 for the image trunk; None starts at random.
    batch_norm
        Normalise after each convolution; ``weights`` must be of the same kind.
    augment
        Flip and turn the cutouts at random while training.
    """

    name = "vggnet12"
    files = ("model.json", "model.safetensors")
    learns_classes = True

    epoch_seconds: tuple[float, ...] = ()
    """Wall-clock time of each epoch of the last fit [s], validation with it."""

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
        spectrum_scaling: str = "log_norm",
        label_weights: bool = False,
        class_weights: bool = False,
        cross_validate: bool = False,
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
        self.spectrum_scaling = spectrum_scaling
        self.label_weights = label_weights
        self.class_weights = class_weights
        self.cross_validate = cross_validate
        self.weights = weights
        self.batch_norm = batch_norm
        self.augment = augment

    def _fit(self, train_data: Data, validation: Data) -> None:
        with reproducible(self.seed, self.threads):
            objects = self.start(train_data)
            held, truth = place(validation, self._scaling, self._device), validation.target
            name, loss = loss_of(len(self.classes))

            def validate() -> float:
                with precision(self._device):
                    outputs = self._outputs(held)
                return loss(truth, outputs)

            keeper, unit = self._keeper("fit"), self._scaling.target_std
            history = train(self._network, objects, self.course(self.patience), validate, keeper, unit)
        self.best_iteration = history.best
        self.epoch_seconds = tuple(history.seconds)
        self.curve = pd.DataFrame(
            {
                "iteration": np.arange(1, len(history.train_loss) + 1),
                f"train_{name}": history.train_loss,
                f"validation_{name}": history.validation_loss,
            }
        )

    def start(self, train_data: Data) -> Objects:
        """Make the network that a fit starts with, fit the scaling, and return the training objects on the device."""
        if len(train_data) < 2:
            raise HissError("vggnet12: one training object is not enough; make the sample larger")
        if not (train_data.side or train_data.n_samples):
            raise HissError(f"vggnet12: modality {self.modality} has neither images nor spectra; name another")
        if train_data.classes != self.classes:
            self.classes = train_data.classes
        self._scaling = Scaling.fit(train_data, self.image_scaling, self.spectrum_scaling)
        self._device = best_device()
        self._trained_on = {
            "device": self._device.type,
            "precision": "bfloat16" if has_bfloat16(self._device) else "float32",
        }
        self._shape = {
            "side": train_data.side,
            "n_samples": train_data.n_samples,
            "n_scalars": self._scaling.n_scalars,
            **({"n_outputs": len(self.classes)} if self.classes else {}),
            **({"n_bands": train_data.n_bands} if train_data.n_bands != len(BANDS) else {}),
        }
        self._network = self._new_network()
        self._initialisation = self._start_from_weights()
        self._network.settle(self._device)
        label = torch.from_numpy(self._label(train_data.target)).to(self._device)
        weights = object_weights(train_data, self.label_weights, self.class_weights)
        weight = None if weights is None else torch.from_numpy(weights.astype(np.float32)).to(self._device)
        objects = Objects(place(train_data, self._scaling, self._device), label, weight)
        self._network.calm(objects.take(slice(0, _PREDICT_BATCH[self._device.type])).inputs)
        return objects

    def _label(self, target: NDArray[np.float64]) -> Floats:
        """Return what the network is to give: scaled labels (n,), or (n, K) with a 1 for the class."""
        if not self.classes:
            return self._scaling.label(target)
        return np.eye(len(self.classes), dtype=np.float32)[target.astype(np.int64)]

    @property
    def network(self) -> Network:
        """The network, fitted or made by `start`."""
        return self._network

    @property
    def scaling(self) -> Scaling:
        """How features become the network's inputs, as it was fitted."""
        return self._scaling

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self._device

    def course(self, patience: int | None, name: str = "") -> Course:
        """Return how the network is trained by these settings."""
        loss = "log loss" if self.classes else "RMSE"
        return Course(self.learning_rate, self.epochs, self.batch_size, self.augment, self.seed, patience, name, loss)

    def _new_network(self) -> Network:
        attention = Modality.parse(self.modality).base == "attention"
        return Network(
            **self._shape, width=self.width, dropout=self.dropout, batch_norm=self.batch_norm, attention=attention
        )

    def _start_from_weights(self) -> dict[str, str]:
        """Load ImageNet's weights where they are given, and tell which trunk starts from what."""
        trunks = {"image": self._network.image_trunk, "spectrum": self._network.spectrum_trunk}
        told = {name: "random" for name, trunk in trunks.items() if trunk is not None}
        if self.weights and self._network.image_trunk is not None:
            load_imagenet(self._network.image_trunk, self.weights)
            told["image"] = f"{Path(self.weights).name} sha256:{sha256_of(self.weights)}"
        say(f"the network starts from: {', '.join(f'{name} {how}' for name, how in told.items())}")
        return told

    def _keeper(self, name: str, identity: str = "") -> Keeper | None:
        return None if self.checkpoint is None else Keeper(self.checkpoint, name, identity)

    def _outputs(self, inputs: list[Tensor]) -> NDArray[np.float64]:
        """Return (n,) predictions in the unit of the label, or (n, K) probabilities of classes."""
        outputs = forward(self._network, inputs, _PREDICT_BATCH[self._device.type])
        if self.classes:
            probabilities: NDArray[np.float64] = outputs.cpu().double().softmax(dim=1).numpy()
            return probabilities
        return self._scaling.unscaled(outputs.cpu().numpy())

    def _predict(self, data: Data) -> NDArray[np.float64]:
        with reproducible(self.seed, self.threads):
            parts = [
                self._outputs(place(data.take(rows), self._scaling, self._device))
                for rows in _blocks(data, _PREDICT_BATCH[self._device.type])
            ]
        return np.concatenate(parts)

    def out_of_fold(self, train: Data, fold: ArrayLike) -> NDArray[np.float64] | None:
        """Return predictions of each object, (n,) or (n, K), by a network trained without its fold.

        None unless ``cross_validate`` asks for it. Each is trained for the ``best_iteration`` epochs of the full fit,
        so that the objects held out do not choose when to stop; its scaling is fitted anew.
        """
        if not self.cross_validate:
            return None
        if self.best_iteration is None:
            raise HissError("vggnet12: fit or load it before its cross-validation, which takes the epochs of that fit")
        prediction = self._room(len(train))
        for number, held_out in enumerate(fold_parts(fold)):
            prediction[held_out] = self._predict_fold(number, train, held_out, self.best_iteration)
        return prediction

    def _predict_fold(self, number: int, data: Data, held_out: NDArray[np.bool_], epochs: int) -> NDArray[np.float64]:
        """Return predictions of the objects held out, of an earlier job where it came so far."""
        keeper = self._keeper(f"fold{number}", f"{epochs} epochs")
        kept = keeper.read().get("prediction") if keeper else None
        if kept is not None:
            done: NDArray[np.float64] = kept.numpy()
            return done
        other = copy(self)
        other.epochs = epochs
        with reproducible(self.seed, self.threads):
            objects = other.start(data.take(np.flatnonzero(~held_out)))
            course, unit = other.course(None, f"fold {number + 1}"), other._scaling.target_std
            train(other._network, objects, course, keeper=keeper, unit=unit)
        prediction = other._predict(data.take(np.flatnonzero(held_out)))
        if keeper:
            keeper.write({"prediction": torch.from_numpy(prediction)})
        return prediction

    def _settings(self) -> dict[str, Any]:
        keys = ("modality", "learning_rate", "epochs", "patience", "batch_size", "width", "dropout", "image_scaling")
        told = {key: getattr(self, key) for key in (*keys, "label_weights", "batch_norm", "augment", "seed")}
        changed = {"spectrum_scaling": self.spectrum_scaling} if self.spectrum_scaling != "log_norm" else {}
        return told | changed | ({"class_weights": self.class_weights} if self.classes else {})

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
                "trained_on": self._trained_on,
                "best_iteration": self.best_iteration,
                **({"classes": list(self.classes)} if self.classes else {}),
            },
        )

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> Self:
        """Read a saved network onto the device there is."""
        told = read_json(folder / "model.json")
        model = cls(**told["settings"], threads=threads)
        model.classes = tuple(told.get("classes", ()))
        model._shape = told["shape"]
        model._scaling = Scaling.from_dict(told["scaling"])
        model._initialisation = told["initialisation"]
        model._trained_on = told["trained_on"]
        model._device = best_device()
        model._network = model._new_network()
        model._network.load_state_dict(load_file(folder / "model.safetensors"))
        model._network.settle(model._device)
        model.best_iteration = told["best_iteration"]
        model.n_features = told["n_features"]
        return model


def place(data: Data, scaling: Scaling, device: torch.device) -> list[Tensor]:
    """Return a network's inputs on a device, scaled block by block, so that they are in memory once."""
    placed: list[Tensor] = []
    for rows in _blocks(data, 1):
        parts = [torch.from_numpy(values) for values in scaling.apply(data.take(rows))]
        placed = placed or [torch.empty((len(data), *part.shape[1:]), device=device) for part in parts]
        for whole, part in zip(placed, parts, strict=True):
            whole[rows[0] : rows[-1] + 1].copy_(part)
    return placed


def _blocks(data: Data, multiple: int) -> list[NDArray[np.int64]]:
    """Cut the rows of data into blocks of some megabytes, each a multiple of so many rows but the last."""
    step = max(1, _BLOCK_BYTES // (4 * data.features.shape[1] * multiple)) * multiple
    return [np.arange(start, min(start + step, len(data))) for start in range(0, len(data), step)]
