"""The decision tree: learned by scikit-learn, kept and walked as plain arrays."""

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.tree import DecisionTreeRegressor

from hiss.errors import HissError
from hiss.files import atomic, read_json, write_json
from hiss.models.base import Data, Floats, Model, fold_parts
from hiss.models.weights import label_weights


@dataclass(frozen=True)
class Nodes:
    """The nodes of a tree, (n_nodes,) each; the root is node 0 and a leaf has no children (-1)."""

    children_left: NDArray[np.int64]
    children_right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    value: NDArray[np.float64]
    missing_left: NDArray[np.bool_] | None = None
    """Whether a missing sample goes left; None for a tree of objects that miss none."""


def walk(nodes: Nodes, features: Floats) -> NDArray[np.float64]:
    """Return (n,) values of the leaves that rows of features end in.

    A row goes left where its float32 feature is at most the float64 threshold, as in scikit-learn, so that both
    agree to the last bit. One whose feature is missing goes where the training objects did that missed it or, where
    none did, where most of them went.
    """
    at = np.zeros(len(features), dtype=np.int64)
    inside = np.flatnonzero(nodes.children_left[at] >= 0)
    while len(inside):
        here = at[inside]
        asked = features[inside, nodes.feature[here]]
        left = asked <= nodes.threshold[here]
        if nodes.missing_left is not None:
            left |= np.isnan(asked) & nodes.missing_left[here]
        at[inside] = np.where(left, nodes.children_left[here], nodes.children_right[here])
        inside = inside[nodes.children_left[at[inside]] >= 0]
    return nodes.value[at]


class DecisionTree(Model):
    """One regression tree on raw fluxes (thesis 3.3).

    Parameters
    ----------
    max_depth
        Most questions on the way to a leaf.
    min_samples_leaf
        Fewest training objects of a leaf.
    label_weights
        Whether objects weigh by the certainty of their label.
    """

    name = "decision_tree"
    files = ("model.json", "model.npz")

    def __init__(
        self,
        modality: str,
        max_depth: int = 4,
        min_samples_leaf: int = 1,
        label_weights: bool = False,
        seed: int = 1,
        threads: int = 1,
    ) -> None:
        super().__init__(modality, seed, threads)
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.label_weights = label_weights

    def _fit(self, train: Data, validation: Data) -> None:
        self._nodes = self._grow(train, np.ones(len(train), dtype=np.bool_))

    def _predict(self, data: Data) -> NDArray[np.float64]:
        return walk(self._nodes, data.features)

    def out_of_fold(self, train: Data, fold: ArrayLike) -> NDArray[np.float64]:
        """Return (n,) predictions of each object by a tree grown without its fold."""
        prediction = np.empty(len(train))
        for held_out in fold_parts(fold):
            nodes = self._grow(train, ~held_out)
            prediction[held_out] = walk(nodes, train.features)[held_out]
        return prediction

    def _grow(self, train: Data, chosen: NDArray[np.bool_]) -> Nodes:
        """Grow the tree of the chosen objects (n,); scikit-learn leaves those of weight 0 aside, and copies none."""
        certainty = label_weights(train.label_sigma) if self.label_weights else 1.0
        learner = DecisionTreeRegressor(
            max_depth=self.max_depth, min_samples_leaf=self.min_samples_leaf, random_state=self.seed
        )
        tree = learner.fit(train.features, train.target, sample_weight=chosen * certainty).tree_
        return Nodes(
            children_left=tree.children_left.astype(np.int64),
            children_right=tree.children_right.astype(np.int64),
            feature=tree.feature.astype(np.int64),
            threshold=tree.threshold.astype(np.float64),
            value=tree.value[:, 0, 0].astype(np.float64),
            missing_left=tree.missing_go_to_left.astype(np.bool_) if train.gaps else None,
        )

    def save(self, folder: Path) -> None:
        """Write ``model.npz`` (the nodes) and ``model.json`` (the settings)."""
        with atomic(folder / "model.npz") as path, path.open("wb") as stream:
            np.savez(stream, **{name: values for name, values in vars(self._nodes).items() if values is not None})
        write_json(
            folder / "model.json", {"modality": self.modality, "n_features": self.n_features, **self._settings()}
        )

    def _settings(self) -> dict[str, Any]:
        return {
            "max_depth": self.max_depth,
            "min_samples_leaf": self.min_samples_leaf,
            "label_weights": self.label_weights,
            "seed": self.seed,
        }

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> Self:
        """Read a saved tree.

        Raises
        ------
        HissError
            When the files are not those of a tree.
        """
        settings = read_json(folder / "model.json")
        n_features = settings.pop("n_features")
        model = cls(**settings, threads=threads)
        with np.load(folder / "model.npz", allow_pickle=False) as arrays:
            missing = [field.name for field in fields(Nodes) if field.default is MISSING and field.name not in arrays]
            if missing:
                raise HissError(
                    f"{folder / 'model.npz'}: no {', '.join(missing)}; delete the run's folder and rerun it"
                )
            model._nodes = Nodes(**{field.name: arrays[field.name] for field in fields(Nodes) if field.name in arrays})
        model.n_features = n_features
        return model
