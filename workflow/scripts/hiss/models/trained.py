"""The predictions of a run that is done."""

from pathlib import Path

import pandas as pd
from numpy.typing import ArrayLike

from hiss.models.base import Model
from hiss.models.features import Sources, load_data
from hiss.models.predictions import prediction_table


def predict_rows(
    kind: type[Model], folder: Path | str, sources: Sources, rows: ArrayLike, threads: int = 1
) -> pd.DataFrame:
    """Return a trained run's predictions of rows of the sample's arrays.

    Parameters
    ----------
    kind
        Class of its model.
    folder
        Folder of the run.
    sources
        The files that its features are made of, at the zoom it was trained at.
    rows
        (n,) rows of the arrays.

    Returns
    -------
    DataFrame
        ``target_id, row, prediction``, and the probabilities ``p_*`` of classes, in the order of ``rows``.
    """
    trained = kind.load(Path(folder), threads=threads)
    data, target_id = load_data(sources, rows, trained.modality)
    return prediction_table(trained, data, target_id, rows)
