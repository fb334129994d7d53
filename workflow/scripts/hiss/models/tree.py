"""The decision tree: learned by scikit-learn, kept and walked as plain arrays."""

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from hiss.errors import HissError
from hiss.files import atomic, read_json, write_json
from hiss.models.base import Data, Floats, Model, fold_parts
from hiss.models.weights import object_weights


@dataclass(frozen=True)
class Nodes:
    """The nodes of a tree, (n_nodes,) each; the root is node 0 and a leaf has no children (-1).

    Of a tree of classes ``value`` is (n_nodes, K), the shares of the classes among a node's training objects.
    """

    children_left: NDArray[np.int64]
    children_right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    value: NDArray[np.float64]
    missing_left: NDArray[np.bool_] | None = None
    """Whether a missing sample goes left; None for a tree of objects that miss none."""


def walk(nodes: Nodes, features: Floats) -> NDArray[np.float64]:
    """Return the values, (n,) or (n, K), of the leaves that rows of features end in.

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
    """One tree on raw fluxes, of regression (thesis 3.3) or, where the training data tell classes, of classification.

    The probabilities of a class are the shares of its leaf's training objects; a class that none of those is of has 0.

    Parameters
    ----------
    max_depth
        Most questions on the way to a leaf.
    min_samples_leaf
        Fewest training objects of a leaf.
    label_weights
        Whether objects weigh by the certainty of their label.
    class_weights
        Whether every class weighs alike, however rare.
    """

    name = "decision_tree"
    files = ("model.json", "model.npz")
    learns_classes = True

    def __init__(
        self,
        modality: str,
        max_depth: int = 4,
        min_samples_leaf: int = 1,
        label_weights: bool = False,
        class_weights: bool = False,
        seed: int = 1,
        threads: int = 1,
    ) -> None:
        super().__init__(modality, seed, threads)
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.label_weights = label_weights
        self.class_weights = class_weights

    def _fit(self, train: Data, validation: Data) -> None:
        self._nodes = self._grow(train, np.ones(len(train), dtype=np.bool_))

    def _predict(self, data: Data) -> NDArray[np.float64]:
        return walk(self._nodes, data.features)

    def out_of_fold(self, train: Data, fold: ArrayLike) -> NDArray[np.float64]:
        """Return predictions of each object, (n,) or (n, K), by a tree grown without its fold."""
        prediction = self._room(len(train))
        for held_out in fold_parts(fold):
            nodes = self._grow(train, ~held_out)
            prediction[held_out] = walk(nodes, train.features)[held_out]
        return prediction

    def _grow(self, train: Data, chosen: NDArray[np.bool_]) -> Nodes:
        """Grow the tree of the chosen objects (n,); scikit-learn leaves those of weight 0 aside, and copies none."""
        kind = DecisionTreeClassifier if train.classes else DecisionTreeRegressor
        learner = kind(max_depth=self.max_depth, min_samples_leaf=self.min_samples_leaf, random_state=self.seed)
        learner.fit(train.features, train.target, sample_weight=self._weights(train, chosen))
        tree = learner.tree_
        return Nodes(
            children_left=tree.children_left.astype(np.int64),
            children_right=tree.children_right.astype(np.int64),
            feature=tree.feature.astype(np.int64),
            threshold=tree.threshold.astype(np.float64),
            value=_shares(learner, len(train.classes)) if train.classes else tree.value[:, 0, 0].astype(np.float64),
            missing_left=tree.missing_go_to_left.astype(np.bool_) if train.gaps else None,
        )

    def _weights(self, train: Data, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return (n,) weights, 0 of objects that are not chosen; classes weigh alike among those that are."""
        weights = chosen.astype(np.float64)
        of_chosen = object_weights(train, self.label_weights, self.class_weights, chosen)
        if of_chosen is not None:
            weights[chosen] = of_chosen
        return weights

    def save(self, folder: Path) -> None:
        """Write ``model.npz`` (the nodes) and ``model.json`` (the settings)."""
        with atomic(folder / "model.npz") as path, path.open("wb") as stream:
            np.savez(stream, **{name: values for name, values in vars(self._nodes).items() if values is not None})
        write_json(
            folder / "model.json", {"modality": self.modality, "n_features": self.n_features, **self._settings()}
        )

    def _settings(self) -> dict[str, Any]:
        of_classes = {"classes": list(self.classes), "class_weights": self.class_weights} if self.classes else {}
        return {
            "max_depth": self.max_depth,
            "min_samples_leaf": self.min_samples_leaf,
            "label_weights": self.label_weights,
            "seed": self.seed,
        } | of_classes

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> Self:
        """Read a saved tree.

        Raises
        ------
        HissError
            When the files are not those of a tree.
        """
        settings = read_json(folder / "model.json")
        n_features, classes = settings.pop("n_features"), settings.pop("classes", ())
        model = cls(**settings, threads=threads)
        with np.load(folder / "model.npz", allow_pickle=False) as arrays:
            missing = [field.name for field in fields(Nodes) if field.default is MISSING and field.name not in arrays]
            if missing:
                raise HissError(
                    f"{folder / 'model.npz'}: no {', '.join(missing)}; delete the run's folder and rerun it"
                )
            model._nodes = Nodes(**{field.name: arrays[field.name] for field in fields(Nodes) if field.name in arrays})
        model.n_features, model.classes = n_features, tuple(classes)
        return model


def _shares(learner: DecisionTreeClassifier, n_classes: int) -> NDArray[np.float64]:
    """Return (n_nodes, n_classes) shares of the classes; scikit-learn tells those that it met."""
    shares = np.zeros((learner.tree_.node_count, n_classes))
    shares[:, learner.classes_.astype(np.int64)] = learner.tree_.value[:, 0]
    return shares
