"""The models that need no torch, by their names: trees, boosted trees and the baselines.

Jobs of the CNN import its module instead: so each kind of job runs in its own environment, and a change of the one
reruns nothing of the other.
"""

from typing import Final

from hiss.errors import HissError
from hiss.models.base import Model

BASELINES: Final = ("mean", "magnitudes", "halpha")
_NAMES: Final = ("decision_tree", "lightgbm", *BASELINES)


def tree_type(name: str) -> type[Model]:
    """Return the class of a tree, of LightGBM or of a baseline; only that model's libraries are imported.

    Raises
    ------
    HissError
        For another name.
    """
    if name == "decision_tree":
        from hiss.models.tree import DecisionTree

        return DecisionTree
    if name == "lightgbm":
        from hiss.models.lgbm import LightGBM

        return LightGBM
    if name in BASELINES:
        from hiss.models.baselines import baseline_type

        return baseline_type(name)
    raise HissError(f"there is no model {name!r} among trees and baselines; choose among {', '.join(_NAMES)}")
