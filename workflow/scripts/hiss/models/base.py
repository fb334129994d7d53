"""What every model takes and what every model can do."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hiss.bands import BANDS
from hiss.errors import HissError
from hiss.modality import Modality
from hiss.models.checkpoint import Checkpoint
from hiss.models.class_metrics import class_codes

Floats = NDArray[np.float32]

_BLOCK = 2**24  # values looked at at once when a matrix is searched for NaN


@dataclass(frozen=True)
class Data:
    """Objects as a model sees them: one matrix, of which the cutouts, the spectra and what else there is are views.

    So early fusion costs the memory of its features once, not twice. The matrix may be a memory map of a file.
    """

    features: Floats
    """(n, n_bands side^2 + n_samples + n_extras): the cutout of each object, flattened in order band, row, column, its
    spectrum [1e-17 erg s-1 cm-2 Angstrom-1], then what else it is known by: the redshift, or the emission lines."""

    side: int
    """Side of a cutout [pixel]; 0 where there is none."""

    target: NDArray[np.float64]
    """(n,) what is predicted (AVG, log10 of the SFR in M_sun/yr; or the code of a class); NaN where it is not known."""

    sky_sigma: Floats | None = None
    """(n, n_bands) sigma of each cutout's darkest pixel, its sky noise; NaN where unknown, None without cutouts."""

    n_extras: int = 0
    """Columns after the spectrum."""

    label_sigma: NDArray[np.float64] | None = None
    """(n,) (P84 - P16) / 2 of the label [dex]; NaN where unknown, None where no object's is given."""

    bins: Path | None = None
    """LightGBM's bins of these very features, where they have been made; they are made of finite features alone."""

    bin_rows: NDArray[np.int64] | None = None
    """(n,) rows of the bins that these objects are, increasing; None: all of them."""

    gaps: bool = False
    """Whether samples of a spectrum may be NaN: short gaps that the sample leaves to the model. A spectrum that is NaN
    throughout is none."""

    classes: tuple[str, ...] = ()
    """Names of the classes whose codes 0, 1, ... the target is; empty where it is a number."""

    n_bands: int = len(BANDS)
    """Bands of a cutout: u g r i z, or the three colours of a picture."""

    @classmethod
    def from_arrays(
        cls,
        images: Floats | None = None,
        spectra: Floats | None = None,
        target: ArrayLike | None = None,
        image_sigma: Floats | None = None,
        extras: Floats | None = None,
        classes: Sequence[str] = (),
    ) -> Self:
        """Join arrays (n, n_bands, side, side), (n, n_samples) and (n, n_extras), any of which may be None.

        Parameters
        ----------
        target
            (n,) numbers, or codes of the ``classes``.
        image_sigma
            Sigma of each pixel, of the images' shape, from which the sky noise is taken.
        """
        parts = [part.reshape(len(part), -1) for part in (images, spectra, extras) if part is not None]
        if not parts:
            raise HissError("a model needs images, spectra or other features, and got none of them")
        features = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        n = len(features)
        return cls(
            features=np.ascontiguousarray(features, dtype=np.float32),
            side=0 if images is None else images.shape[-1],
            target=np.full(n, np.nan) if target is None else np.asarray(target, dtype=np.float64),
            sky_sigma=None if image_sigma is None else sky_sigma_of(image_sigma),
            n_extras=0 if extras is None else extras.shape[1],
            classes=tuple(classes),
            n_bands=len(BANDS) if images is None else images.shape[1],
        )

    def __len__(self) -> int:
        return len(self.features)

    @property
    def n_pixels(self) -> int:
        """Columns of the features that are pixels of the cutout."""
        return self.n_bands * self.side**2

    @property
    def n_samples(self) -> int:
        """Samples of the spectrum; 0 where there is none."""
        return self.features.shape[1] - self.n_pixels - self.n_extras

    @property
    def content(self) -> str:
        """``photo``, ``spectra``, ``early``, ``lines`` or ``none``, by what is there."""
        if self.side and self.n_samples:
            return "early"
        if self.side or self.n_samples:
            return "photo" if self.side else "spectra"
        return "lines" if self.n_extras else "none"

    @property
    def images(self) -> Floats:
        """(n, n_bands, side, side) view of the cutouts."""
        return self.features[:, : self.n_pixels].reshape(len(self), self.n_bands, self.side, self.side)

    @property
    def spectra(self) -> Floats:
        """(n, n_samples) view of the spectra."""
        return self.features[:, self.n_pixels : self.n_pixels + self.n_samples]

    @property
    def extras(self) -> Floats:
        """(n, n_extras) view of what comes after the spectra."""
        return self.features[:, self.n_pixels + self.n_samples :]

    def take(self, rows: ArrayLike) -> "Data":
        """Return the objects at those positions, copied; they keep their bins where the positions increase."""
        rows = np.asarray(rows, dtype=np.int64)
        sky = None if self.sky_sigma is None else self.sky_sigma[rows]
        label = None if self.label_sigma is None else self.label_sigma[rows]
        taken = replace(
            self,
            features=self.features[rows], target=self.target[rows], sky_sigma=sky, label_sigma=label,
            bins=None, bin_rows=None,
        )  # fmt: skip
        if self.bins is None or (np.diff(rows) <= 0).any():
            return taken
        return replace(taken, bins=self.bins, bin_rows=rows if self.bin_rows is None else self.bin_rows[rows])


def sky_sigma_of(image_sigma: Floats) -> Floats:
    """Return (n, 5), the least sigma of each cutout (n, 5, side, side): that of its darkest, emptiest pixel.

    NaN where no pixel's sigma is known, as in a cube adopted from a file without them.
    """
    least: Floats = np.fmin.reduce(np.fmin.reduce(image_sigma, axis=3), axis=2)
    return least


def feature_names(side: int, n_samples: int, n_extras: int = 0, n_bands: int = len(BANDS)) -> list[str]:
    """Return a name for each column of the features: ``r_3_17`` (band, row, column), ``wl_204``, ``extra_0``.

    Bands that are not the survey's five are told by their number: ``band0_3_17``.
    """
    bands = BANDS if n_bands == len(BANDS) else [f"band{number}" for number in range(n_bands)]
    pixels = [f"{band}_{y}_{x}" for band in bands for y in range(side) for x in range(side)]
    rest = [f"wl_{sample}" for sample in range(n_samples)] + [f"extra_{column}" for column in range(n_extras)]
    return pixels + rest


class Model(ABC):
    """A regressor, or a classifier, of one modality: settings in ``__init__`` and nothing else there.

    Which of both the training data tell, by their `classes`. After ``fit`` or ``load`` it predicts. The same data,
    settings, seed and threads give the same bytes.
    """

    name: ClassVar[str]
    """Folder of the model's runs."""

    files: ClassVar[tuple[str, ...]]
    """What ``save`` writes."""

    takes_nan: ClassVar[bool] = False
    """Whether a feature may be NaN, as an emission line out of the spectrum's range is."""

    learns_classes: ClassVar[bool] = False
    """Whether it may be a classifier."""

    classes: tuple[str, ...] = ()
    """Names of the classes it tells apart, in the order of their codes; empty for a regressor."""

    curve: pd.DataFrame = pd.DataFrame()
    """``iteration, train_rmse, validation_rmse`` of the last fit, from 1, of a classifier ``..._log_loss``; empty where
    there are no iterations."""

    best_iteration: int | None = None
    """Iteration of the curve that is kept."""

    n_features: int | None = None
    """Columns of the features it was fitted on; None before."""

    checkpoint: Checkpoint | None = None
    """Where a long fit leaves what it has, so that a killed job goes on from there; None: nowhere."""

    def __init__(self, modality: str, seed: int, threads: int) -> None:
        self.modality = modality
        self.seed = seed
        self.threads = threads

    def fit(self, train: Data, validation: Data) -> None:
        """Learn from the training objects; validation objects serve early stopping alone.

        Raises
        ------
        HissError
            When the data are of another modality, a feature or a label is not finite, or a label is of no class.
        """
        self._check_classes(train, validation)
        for data, what in ((train, "training"), (validation, "validation")):
            self._check(data, f"the {what} objects")
            if not np.isfinite(data.target).all():
                raise HissError(f"{self.name}: {what} objects without a label; drop them in the sample's split")
            if data.classes:
                class_codes(data.target, len(data.classes))
        if train.features.shape[1] != validation.features.shape[1]:
            raise HissError(f"{self.name}: training and validation objects have different numbers of features")
        self.n_features = train.features.shape[1]
        if train.classes != self.classes:
            self.classes = train.classes
        self._fit(train, validation)

    def predict(self, data: Data) -> NDArray[np.float64]:
        """Return (n,) predictions, or (n, K) probabilities of classes, each object's independent of the others.

        Raises
        ------
        HissError
            Before ``fit`` or ``load``, or for data that do not fit the model.
        """
        if self.n_features is None:
            raise HissError(f"{self.name}: fit or load it before it predicts")
        self._check(data, "the objects to predict")
        if data.features.shape[1] != self.n_features:
            raise HissError(
                f"{self.name}: fitted on {self.n_features} features but given {data.features.shape[1]}; "
                "take the arrays of the zoom it was trained at"
            )
        return self._predict(data) if len(data) else self._room(0)

    def predict_training(self, train: Data) -> NDArray[np.float64]:
        """Return what ``predict`` would of the objects that ``fit`` was given last."""
        return self.predict(train)

    def out_of_fold(self, train: Data, fold: ArrayLike) -> NDArray[np.float64] | None:
        """Return what a model that did not see its fold predicts of each training object, as ``predict`` tells it.

        None for a model that is not cross-validated. Called after ``fit`` on the same objects, or with the
        `best_iteration` of such a fit set.
        """
        return None

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model's `files` into a folder, in formats that cannot run code when they are read."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, threads: int = 1) -> Self:
        """Read what ``save`` wrote; it predicts the same."""

    @abstractmethod
    def _fit(self, train: Data, validation: Data) -> None: ...

    @abstractmethod
    def _predict(self, data: Data) -> NDArray[np.float64]: ...

    def _room(self, n: int) -> NDArray[np.float64]:
        """Return an array for the predictions of n objects."""
        return np.empty((n, len(self.classes)) if self.classes else n)

    def _check_classes(self, train: Data, validation: Data) -> None:
        if train.classes != validation.classes:
            raise HissError(f"{self.name}: training and validation objects are of different classes")
        if train.classes and not self.learns_classes:
            raise HissError(f"{self.name}: it predicts a number and cannot tell classes apart; choose another model")
        if len(train.classes) == 1:
            raise HissError(f"{self.name}: {train.classes[0]} is the only class; name two or more")

    def _check(self, data: Data, what: str) -> None:
        if data.content != Modality.parse(self.modality).content:
            raise HissError(f"{self.name}: made for {self.modality} but given {data.content} data")
        bad = 0 if self.takes_nan or data.bins is not None else count_unusable(data)
        if bad:
            raise HissError(
                f"{self.name}: {bad} of {len(data)} of {what} have NaN or infinite features; "
                "train on the cleaned sample, whose spectra are free of gaps"
            )


AnyModel = TypeVar("AnyModel", bound=Model)


def build(kind: type[AnyModel], settings: Mapping[str, Any], modality: str, seed: int, threads: int) -> AnyModel:
    """Return an unfitted model of a kind with these settings.

    Raises
    ------
    HissError
        For an unknown modality, or a setting the model does not have.
    """
    Modality.parse(modality)
    known = set(inspect.signature(kind).parameters) - {"modality", "seed", "threads"}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise HissError(f"{kind.name}: no setting {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    return kind(modality=modality, seed=seed, threads=threads, **settings)


def count_unusable(data: Data) -> int:
    """Return how many objects have a feature that no model takes, without a mask of the whole matrix.

    A feature must be finite; only samples in a short gap may be NaN, where the data say that there are such.
    """
    step = max(1, _BLOCK // max(1, data.features.shape[1]))
    blocks = (data.features[start : start + step] for start in range(0, len(data), step))
    return sum(int(_unusable(block, data).sum()) for block in blocks)


def _unusable(block: Floats, data: Data) -> NDArray[np.bool_]:
    bad = ~np.isfinite(block)
    if data.gaps:
        samples = slice(data.n_pixels, data.n_pixels + data.n_samples)
        missing = np.isnan(block[:, samples])
        bad[:, samples] &= ~missing | missing.all(axis=1, keepdims=True)
    return np.asarray(bad.any(axis=1))


def fold_parts(fold: ArrayLike) -> list[NDArray[np.bool_]]:
    """Return for each fold, in order, the mask (n,) of the objects it holds out.

    Raises
    ------
    HissError
        When an object is in no fold, or all are in one.
    """
    fold = np.asarray(fold)
    labels = np.unique(fold)
    if len(labels) < 2 or labels[0] < 0:
        raise HissError("cross-validation needs each training object in one of at least two folds; see split.parquet")
    return [fold == label for label in labels]
