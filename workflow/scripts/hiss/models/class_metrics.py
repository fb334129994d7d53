"""The metrics of a classification: rare classes count as much as common ones."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiss.errors import HissError
from hiss.models.losses import log_loss

CLASS_SCORES = ("balanced_accuracy", "macro_f1", "accuracy", "log_loss")
"""What `class_scores` tells; of the last, less is better."""

_TOLERANCE = 1e-6  # by which the probabilities of an object may miss 1


def class_scores(truth: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """Return balanced_accuracy, macro_f1, accuracy and log_loss, by scikit-learn.

    The predicted class is the most probable one, the first of several equals. Balanced accuracy is the mean recall, and
    macro F1 the mean F1, of the classes that some object truly is of; a class that none is of has no recall, and is
    left out of both means, while an object taken for it is an error of its own class. The log loss is
    -<ln p(true class)> [nat]; a p of 0 counts as 2.2e-16 there, so that one sure mistake costs 36, not infinity.

    Parameters
    ----------
    truth
        (n,) codes of the classes, 0 .. K-1.
    probabilities
        (n, K) of each class; the rows add up to 1.

    Raises
    ------
    HissError
        When there is no object or fewer than two classes, the two do not match, a code is of no class, or the rows are
        no probabilities.
    """
    from sklearn.metrics import accuracy_score, f1_score, recall_score  # regressions do without it

    codes, p = checked(truth, probabilities)
    found = predicted_class(p)
    present = np.unique(codes)
    mean = {"labels": present, "average": "macro", "zero_division": 0.0}
    return {
        "balanced_accuracy": float(recall_score(codes, found, **mean)),
        "macro_f1": float(f1_score(codes, found, **mean)),
        "accuracy": float(accuracy_score(codes, found)),
        "log_loss": log_loss(codes.astype(np.float64), p),
    }


def predicted_class(probabilities: ArrayLike) -> NDArray[np.int64]:
    """Return (n,) codes of the most probable class of (n, K) probabilities, the first of several equals."""
    return np.asarray(probabilities).argmax(axis=1).astype(np.int64)


def class_codes(truth: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Return (n,) codes as integers.

    Raises
    ------
    HissError
        When one is not a whole number of 0 .. n_classes - 1.
    """
    values = np.asarray(truth, dtype=np.float64)
    codes: NDArray[np.int64] = np.where(np.isfinite(values), values, -1).astype(np.int64)
    wrong = (codes != values) | (codes < 0) | (codes >= n_classes)
    if wrong.any():
        raise HissError(
            f"{wrong.sum()} of {len(values)} labels are no code of {n_classes} classes (0 to {n_classes - 1}), "
            f"{values[wrong][0]} for one; make the sample's split and its features anew"
        )
    return codes


def checked(truth: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return codes (n,) and probabilities (n, K) that belong together, as `class_scores` wants them."""
    y, p = np.asarray(truth, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    if y.ndim != 1 or p.ndim != 2 or len(y) != len(p) or len(y) < 1 or p.shape[1] < 2:
        raise HissError(
            f"class metrics need (n,) codes and (n, K) probabilities of two classes or more, not {y.shape} and "
            f"{p.shape}; is the sample too small for its split?"
        )
    if not (np.isfinite(p).all() and (p >= 0).all() and (np.abs(p.sum(axis=1) - 1) < _TOLERANCE).all()):
        raise HissError("class metrics need probabilities: from 0 to 1, those of an object adding up to 1")
    return class_codes(y, p.shape[1]), p
