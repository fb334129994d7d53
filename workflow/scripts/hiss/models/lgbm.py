"""LightGBM: boosted trees on the raw fluxes, binned once."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hiss.errors import HissError
from hiss.files import atomic
from hiss.models.base import Data, Floats, Model, fold_parts
from hiss.models.bins import binning, open_bins
from hiss.models.losses import Loss, loss_of
from hiss.models.weights import object_weights
from hiss.progress import say

_LINE_EVERY = 10.0  # seconds between lines in the log
_PREDICT_BYTES = 2**24  # of features that are mapped and predicted at once
_LEAST_POOL_MB = 64.0
_MODALITY = "hiss_modality="  # begins the line we add to LightGBM's text, which it does not read
_CLASSES = "hiss_classes="  # begins a line before it, of a classifier


class LightGBM(Model):
    """Gradient boosting of regression trees with early stopping on the validation RMSE (thesis 3.3).

    Where the training data tell classes, it is one tree a class and iteration on the log loss (LightGBM's
    ``multiclass``, for two classes as well), which early stopping then looks at.

    Parameters
    ----------
    learning_rate
        Share of each tree that is added.
    max_depth, num_leaves
        Limits of a tree; the leaves are never more than 2^max_depth.
    min_data_in_leaf
        Fewest training objects of a leaf.
    feature_fraction
        Share of the features a tree may use; pixels and samples are many and alike.
    max_bin
        Most bins of a feature.
    rounds, early_stopping_rounds
        Most trees, and how many without a better validation loss end the fit.
    label_weights
        Whether objects weigh by the certainty of their label; the validation objects, and the curve, never do.
    class_weights
        Whether every class weighs alike, however rare; again not in the curve.
    cross_validate
        Whether each training object is also predicted by a model that did not see its fold, at a fit's cost a fold.
    quantile
        Quantile of the label that is predicted, by the pinball loss in place of the RMSE; None for the mean.
    """

    name = "lightgbm"
    files = ("model.txt",)
    learns_classes = True

    _binned: lgb.Dataset | None = None

    def __init__(
        self,
        modality: str,
        learning_rate: float = 0.1,
        max_depth: int = 8,
        num_leaves: int = 31,
        min_data_in_leaf: int = 20,
        feature_fraction: float = 0.2,
        max_bin: int = 63,
        rounds: int = 2000,
        early_stopping_rounds: int = 10,
        label_weights: bool = False,
        class_weights: bool = False,
        cross_validate: bool = False,
        quantile: float | None = None,
        seed: int = 1,
        threads: int = 1,
    ) -> None:
        super().__init__(modality, seed, threads)
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.num_leaves = num_leaves
        self.min_data_in_leaf = min_data_in_leaf
        self.feature_fraction = feature_fraction
        self.max_bin = max_bin
        self.rounds = rounds
        self.early_stopping_rounds = early_stopping_rounds
        self.label_weights = label_weights
        self.class_weights = class_weights
        self.cross_validate = cross_validate
        self.quantile = quantile

    def _parameters(self, train: Data) -> dict[str, Any]:
        """Return LightGBM's parameters; histograms are kept for as many leaves as hold half the features' memory.

        Left alone it keeps those of every leaf, several times the features at 25,000 of them; the limit costs no time.
        """
        objective: dict[str, Any] = {"objective": "regression"}
        if self.quantile is not None:
            objective = {"objective": "quantile", "alpha": self.quantile}
        if self.classes:
            objective = {"objective": "multiclass", "num_class": len(self.classes)}
        return (
            binning(self.max_bin)
            | objective
            | {
                "histogram_pool_size": max(_LEAST_POOL_MB, train.features.nbytes / 2e6),
                "metric": "None",  # the losses are `_Losses`
                "learning_rate": self.learning_rate,
                "max_depth": self.max_depth,
                "num_leaves": min(self.num_leaves, 2**self.max_depth),
                "min_data_in_leaf": self.min_data_in_leaf,
                "feature_fraction": self.feature_fraction,
                "seed": self.seed,
                "deterministic": True,
                "force_col_wise": True,
                "num_threads": self.threads,
            }
        )

    def _fit(self, train: Data, validation: Data) -> None:
        if train.classes and self.quantile is not None:
            raise HissError("lightgbm: classes have no quantiles; leave the setting quantile out")
        self._binned, held = self._open_bins(train, validation)
        losses = _Losses(self._binned, train.target, validation.target, *loss_of(len(self.classes), self.quantile))
        self._booster = lgb.train(
            self._parameters(train),
            self._binned,
            num_boost_round=self.rounds,
            valid_sets=[self._binned, held],
            valid_names=["train", "validation"],
            feval=losses,
            callbacks=[lgb.early_stopping(self.early_stopping_rounds, verbose=False), _report_progress(self.rounds)],
        )
        self.best_iteration = self._booster.best_iteration
        self._of_training = losses.training
        self.curve = losses.curve()

    def _open_bins(self, train: Data, validation: Data) -> tuple[lgb.Dataset, lgb.Dataset]:
        binned, held = open_bins(train, validation, self.max_bin, self.threads)
        binned.set_label(train.target)  # quantiles are of errors, not of the labels that lie in the bins
        binned.set_weight(object_weights(train, self.label_weights, self.class_weights))
        return binned, held

    def predict_training(self, train: Data) -> NDArray[np.float64]:
        """Return predictions, (n,) or (n, K), of the objects it was fitted on, which the fit has made."""
        return self._of_training

    def _predict(self, data: Data) -> NDArray[np.float64]:
        rows = max(1, _PREDICT_BYTES // data.features[:1].nbytes)
        blocks = (data.features[start : start + rows] for start in range(0, len(data), rows))
        return np.concatenate([self._predict_block(block) for block in blocks])

    def _predict_block(self, features: Floats) -> NDArray[np.float64]:
        found = self._booster.predict(features, num_iteration=self.best_iteration, num_threads=self.threads)
        return np.asarray(found, dtype=np.float64)

    def gain(self) -> NDArray[np.float64]:
        """Return (n_features,), by how much splits on each feature lowered the training loss in all, of all classes."""
        return np.asarray(self._booster.feature_importance("gain", iteration=self.best_iteration), dtype=np.float64)

    def contributions(self, data: Data) -> NDArray[np.float64]:
        """Return (n, n_features), what each feature adds to each prediction, by TreeSHAP (Lundberg et al. 2020).

        With the mean prediction of the training objects, which is left out, they add up to the prediction.

        Raises
        ------
        HissError
            For a classifier, of which each class has contributions of its own.
        """
        if self.classes:
            raise HissError("lightgbm: contributions are those of a regression; a classifier has them class by class")
        self._check(data, "the objects to explain")
        found = self._booster.predict(
            data.features, num_iteration=self.best_iteration, num_threads=self.threads, pred_contrib=True
        )
        return np.asarray(found, dtype=np.float64)[:, :-1]

    def out_of_fold(self, train: Data, fold: ArrayLike) -> NDArray[np.float64] | None:
        """Return predictions of each object by a model of ``best_iteration`` iterations grown without its fold.

        None unless ``cross_validate`` asks for it. The folds are rows of the bins of the whole training set, which
        know no labels; so nothing is binned again and no feature is read.
        """
        if not self.cross_validate:
            return None
        binned = self._binned or self._open_bins(train, train)[0]
        prediction = self._room(len(train))
        parameters = self._parameters(train)
        parts = fold_parts(fold)
        for number, held_out in enumerate(parts, start=1):
            say(f"fold {number} of {len(parts)}")
            part, held = (
                binned.subset(np.flatnonzero(rows).tolist(), params=parameters) for rows in (~held_out, held_out)
            )
            if self.class_weights and self.classes:
                part.construct().set_weight(object_weights(train, self.label_weights, True, ~held_out))
            booster = lgb.Booster(parameters, part)
            booster.add_valid(held, "held out")
            for _ in range(self.best_iteration or self.rounds):
                booster.update()
            prediction[held_out] = _scores_of(booster)
        return prediction

    def save(self, folder: Path) -> None:
        """Write ``model.txt``, LightGBM's own text up to the best iteration, then lines for modality and classes."""
        with atomic(folder / "model.txt") as path:
            text = self._booster.model_to_string(num_iteration=self.best_iteration)
            classes = f"{_CLASSES}{json.dumps(self.classes)}\n" if self.classes else ""
            path.write_text(f"{text}{classes}{_MODALITY}{self.modality}\n")

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> Self:
        """Read a saved model.

        Raises
        ------
        HissError
            When the file is not a model of ours.
        """
        path = folder / "model.txt"
        text, _, modality = path.read_text().rpartition(_MODALITY)
        text, _, classes = text.partition(_CLASSES)
        try:
            booster = lgb.Booster(model_str=text)
        except lgb.basic.LightGBMError as error:
            raise HissError(f"{path}: not a LightGBM model ({error}); delete the run's folder and rerun it") from None
        model = cls(modality=modality.strip(), threads=threads)
        model._booster = booster
        model.classes = tuple(json.loads(classes)) if classes else ()
        model.best_iteration = booster.current_iteration()
        model.n_features = booster.num_feature()
        return model


class _Losses:
    """LightGBM's metric: the loss of both sides after each iteration.

    It keeps the predictions of the training objects at the iteration that is best on the validation objects: they are
    scores LightGBM holds anyway, and so need no reading of the features.
    """

    def __init__(
        self,
        binned: lgb.Dataset,
        train: NDArray[np.float64],
        validation: NDArray[np.float64],
        name: str,
        loss: Loss,
    ) -> None:
        self._binned = binned
        self._truth = {"train": train, "validation": validation}
        self._name, self._loss = name, loss
        self._history: dict[str, list[float]] = {"train": [], "validation": []}
        self._latest = self.training = np.empty(0)

    def __call__(self, prediction: NDArray[np.float64], dataset: lgb.Dataset) -> tuple[str, float, bool]:
        side = "train" if dataset is self._binned else "validation"
        loss = self._loss(self._truth[side], prediction)
        if side == "train":
            self._latest = prediction.copy()  # LightGBM writes the next iteration's into the same array
        elif loss < min(self._history[side], default=np.inf):
            self.training = self._latest
        self._history[side].append(loss)
        return self._name, loss, False

    def curve(self) -> pd.DataFrame:
        """Return ``iteration, train_rmse, validation_rmse``, or another loss by its name."""
        losses = {f"{side}_{self._name}": values for side, values in self._history.items()}
        return pd.DataFrame({"iteration": np.arange(1, len(self._history["train"]) + 1), **losses})


def _scores_of(booster: lgb.Booster) -> NDArray[np.float64]:
    """Return the predictions of a booster's validation set, which it holds in its bins."""
    found: list[NDArray[np.float64]] = []

    def keep(prediction: NDArray[np.float64], dataset: lgb.Dataset) -> tuple[str, float, bool]:
        found.append(prediction.copy())
        return "kept", 0.0, False

    booster.eval_valid(feval=keep)
    return found[0]


def _report_progress(rounds: int) -> Callable[[Any], None]:
    """Return a callback that says now and then how far the fit is."""
    last = time.monotonic()

    def report(environment: Any) -> None:
        nonlocal last
        if time.monotonic() - last > _LINE_EVERY:
            last = time.monotonic()
            errors = ", ".join(f"{side} {value:.4f}" for side, _, value, *_ in environment.evaluation_result_list)
            say(f"iteration {environment.iteration + 1} of at most {rounds}: loss {errors}")

    return report
