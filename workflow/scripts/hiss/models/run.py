"""Any model by its name.

It knows every model, so the scripts of a model's jobs, each of which is to know its own, do not import it.
"""

from collections.abc import Mapping
from typing import Any, Final

from hiss.errors import HissError
from hiss.models.base import Model, build
from hiss.models.trees import BASELINES, tree_type

MODELS: Final = ("decision_tree", "lightgbm", "vggnet12")


def model_type(name: str) -> type[Model]:
    """Return the class of a model; only that model's libraries are imported.

    Raises
    ------
    HissError
        For an unknown name.
    """
    if name == "vggnet12":
        from hiss.models.vgg import VGGNet12

        return VGGNet12
    if name in (*MODELS, *BASELINES):
        return tree_type(name)
    raise HissError(f"there is no model {name!r}; choose among {', '.join((*MODELS, *BASELINES))}")


def make_model(name: str, settings: Mapping[str, Any], modality: str, seed: int = 1, threads: int = 1) -> Model:
    """Return an unfitted model.

    Raises
    ------
    HissError
        For an unknown name, modality or setting.
    """
    return build(model_type(name), settings, modality, seed, threads)
