"""LightGBM: boosted trees on the raw fluxes, binned once."""

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
from hiss.models.base import Data, Model, feature_names, fold_parts
from hiss.progress import say

_LINE_EVERY = 10.0  # seconds between lines in the log
_PREDICT_ROWS = 4096
_LEAST_BIN_ROWS = 2000
_LEAST_POOL_MB = 64.0


class LightGBM(Model):
    """Gradient boosting of regression trees with early stopping on the validation RMSE (thesis 3.3).

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
        Most trees, and how many without a better validation RMSE end the fit.
    cross_validate
        Whether each training object is also predicted by a model that did not see its fold, at a fit's cost a fold.
    """

    name = "lightgbm"
    files = ("model.txt",)

    def __init__(
        self,
        modality: str,
        learning_rate: float = 0.1,
        max_depth: int = 8,
        num_leaves: int = 31,
        min_data_in_leaf: int = 20,
        feature_fraction: float = 0.2,
        max_bin: int = 255,
        rounds: int = 2000,
        early_stopping_rounds: int = 10,
        cross_validate: bool = False,
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
        self.cross_validate = cross_validate

    def _parameters(self, train: Data) -> dict[str, Any]:
        """Return LightGBM's parameters, with its two large buffers kept well below the features themselves.

        Left alone it copies the features to float64 to choose bins, and keeps a histogram of every leaf: several
        times the features at 25,000 of them. Neither limit costs time.
        """
        return {
            "bin_construct_sample_cnt": max(_LEAST_BIN_ROWS, len(train) // 4),
            "histogram_pool_size": max(_LEAST_POOL_MB, train.features.nbytes / 2e6),
            "objective": "regression",
            "metric": "rmse",
            "learning_rate": self.learning_rate,
            "max_depth": self.max_depth,
            "num_leaves": min(self.num_leaves, 2**self.max_depth),
            "min_data_in_leaf": self.min_data_in_leaf,
            "feature_fraction": self.feature_fraction,
            "max_bin": self.max_bin,
            "seed": self.seed,
            "deterministic": True,
            "force_col_wise": True,
            "enable_bundle": False,  # pixels and samples are dense: there is nothing to bundle, and looking costs
            "num_threads": self.threads,
            "verbosity": -1,
        }

    def _fit(self, train: Data, validation: Data) -> None:
        parameters = self._parameters(train)
        names = feature_names(train.side, train.n_samples)
        self._binned = lgb.Dataset(train.features, label=train.target, feature_name=names, params=parameters)
        held = self._binned.create_valid(validation.features, label=validation.target)
        history: dict[str, dict[str, list[float]]] = {}
        self._booster = lgb.train(
            parameters,
            self._binned,
            num_boost_round=self.rounds,
            # The training set by itself: its RMSE comes from scores LightGBM holds anyway, not from a prediction.
            valid_sets=[self._binned, held],
            valid_names=["train", "validation"],
            callbacks=[
                lgb.early_stopping(self.early_stopping_rounds, verbose=False),
                lgb.record_evaluation(history),
                _report_progress(self.rounds),
            ],
        )
        self.best_iteration = self._booster.best_iteration
        train_rmse = history["train"]["rmse"]
        self.curve = pd.DataFrame(
            {
                "iteration": np.arange(1, len(train_rmse) + 1),
                "train_rmse": train_rmse,
                "validation_rmse": history["validation"]["rmse"],
            }
        )

    def _predict(self, data: Data) -> NDArray[np.float64]:
        return self._predict_with(self._booster, data, self.best_iteration)

    def _predict_with(self, booster: lgb.Booster, data: Data, iterations: int | None) -> NDArray[np.float64]:
        # By blocks, since LightGBM would hold a float64 copy of the rows of each call.
        parts = [
            booster.predict(
                data.features[start : start + _PREDICT_ROWS], num_iteration=iterations, num_threads=self.threads
            )
            for start in range(0, len(data), _PREDICT_ROWS)
        ]
        return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])

    def out_of_fold(self, train: Data, fold: ArrayLike) -> NDArray[np.float64] | None:
        """Return (n,) predictions of each object by a model of ``best_iteration`` trees grown without its fold.

        None unless ``cross_validate`` asks for it. The folds share the bins of the whole training set, which know no
        labels, and so cost one binning together.
        """
        if not self.cross_validate:
            return None
        prediction = np.empty(len(train))
        parameters = self._parameters(train)
        for held_out in fold_parts(fold):
            part = self._binned.subset(np.flatnonzero(~held_out).tolist(), params=parameters)
            booster = lgb.train(parameters, part, num_boost_round=self.best_iteration or self.rounds)
            prediction[held_out] = self._predict_with(booster, train.take(np.flatnonzero(held_out)), None)
        return prediction

    def save(self, folder: Path) -> None:
        """Write ``model.txt``, LightGBM's own text, up to the best iteration."""
        with atomic(folder / "model.txt") as path:
            path.write_text(self._booster.model_to_string(num_iteration=self.best_iteration))

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> Self:
        """Read a saved model; its modality is told by the names of its features.

        Raises
        ------
        HissError
            When the file is not a model of ours.
        """
        path = folder / "model.txt"
        try:
            booster = lgb.Booster(model_str=path.read_text())
        except lgb.basic.LightGBMError as error:
            raise HissError(f"{path}: not a LightGBM model ({error}); delete the run's folder and rerun it") from None
        of_spectra = [name.startswith("wl_") for name in booster.feature_name()]
        modality = "spectra" if all(of_spectra) else "early" if any(of_spectra) else "photo"
        model = cls(modality=modality, threads=threads)
        model._booster = booster
        model.best_iteration = booster.num_trees()
        model.n_features = booster.num_feature()
        return model


def _report_progress(rounds: int) -> Callable[[Any], None]:
    """Return a callback that says now and then how far the fit is."""
    last = time.monotonic()

    def report(environment: Any) -> None:
        nonlocal last
        if time.monotonic() - last > _LINE_EVERY:
            last = time.monotonic()
            errors = ", ".join(f"{name} {value:.4f}" for name, _, value, *_ in environment.evaluation_result_list)
            say(f"iteration {environment.iteration + 1} of at most {rounds}: RMSE {errors}")

    return report
