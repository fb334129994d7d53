"""A model by its name, and the predictions of a run that is done.

It knows every model, so training scripts, each of which is to know one, do not import it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hiss.errors import HissError
from hiss.models.base import Model, build
from hiss.models.features import Sources, load_data

MODELS: Final = ("decision_tree", "lightgbm", "vggnet12")
BASELINES: Final = ("mean", "magnitudes", "halpha")


def model_type(name: str) -> type[Model]:
    """Return the class of a model; only that model's libraries are imported.

    Raises
    ------
    HissError
        For an unknown name.
    """
    if name == "decision_tree":
        from hiss.models.tree import DecisionTree

        return DecisionTree
    if name == "lightgbm":
        from hiss.models.lgbm import LightGBM

        return LightGBM
    if name == "vggnet12":
        from hiss.models.vgg import VGGNet12

        return VGGNet12
    if name in BASELINES:
        from hiss.models.baselines import baseline_type

        return baseline_type(name)
    raise HissError(f"there is no model {name!r}; choose among {', '.join((*MODELS, *BASELINES))}")


def make_model(name: str, settings: Mapping[str, Any], modality: str, seed: int = 1, threads: int = 1) -> Model:
    """Return an unfitted model.

    Raises
    ------
    HissError
        For an unknown name, modality or setting.
    """
    return build(model_type(name), settings, modality, seed, threads)


def predict_rows(folder: Path | str, model: str, sources: Sources, rows: ArrayLike, threads: int = 1) -> pd.DataFrame:
    """Return a trained run's predictions of rows of the sample's arrays.

    Parameters
    ----------
    folder
        Folder of the run.
    model
        Name of the model or the baseline.
    sources
        The files that its features are made of, at the zoom it was trained at.
    rows
        (n,) rows of the arrays.

    Returns
    -------
    DataFrame
        ``target_id, row, prediction`` in the order of ``rows``.
    """
    trained = model_type(model).load(Path(folder), threads=threads)
    data, target_id = load_data(sources, rows, trained.modality)
    return pd.DataFrame(
        {
            "target_id": target_id,
            "row": np.asarray(rows, dtype=np.int64),
            "prediction": trained.predict(data),
        }
    )
