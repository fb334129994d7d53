"""The ends of LightGBM's prediction intervals: quantiles of its errors, before they are conformalised.

What is fitted is not a quantile of the label but of the error that the selected model makes of an object held out;
the ends are the prediction and those quantiles of its error. A boosted quantile of the label starts from one constant
and has to learn all that the model of the mean knows, from gradients that tell only the sign of an error: on 1,200
simulated galaxies its pinball loss was a third above that of the prediction with a constant beside it (0.061 against
0.045), and the intervals were half as wide again. Of the errors it was 0.042, and the intervals narrower.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.errors import HissError
from hiss.evaluation.quantile_ends import ENDS, uncrossed
from hiss.evaluation.selection import selected_metrics
from hiss.files import read_json, read_table, write_table
from hiss.models.base import build
from hiss.models.features import Part
from hiss.models.lgbm import LightGBM
from hiss.models.metrics import LABEL_UNIT
from hiss.models.train import open_parts
from hiss.progress import say

Array = NDArray[np.float64]


def quantiles_of(level: float) -> tuple[float, float]:
    """Return the two quantiles that leave ``1 - level`` outside, as much below as above."""
    return (1 - level) / 2, (1 + level) / 2


def fit_quantiles(
    selection: pd.DataFrame,
    metrics: Iterable[Path | str],
    out_of_fold: pd.DataFrame,
    features: Path | str,
    bins: Sequence[Path | str],
    level: float,
    threads: int,
    folder: Path | str,
    record: Mapping[str, Any],
) -> None:
    """Fit the ends of the interval of the selected run of one modality and zoom, with its own settings.

    They are quantiles of the run's errors on training objects held out, each stopped by its pinball loss on the
    validation objects. Written are the models, ``low/model.txt`` and ``high/model.txt``, and ``low`` and ``high`` of
    the training objects, each by models that did not see its fold (out_of_fold.parquet), and of the validation objects
    (validation.parquet).

    Parameters
    ----------
    selection
        As `hiss.evaluation.selection.select_runs` returns it.
    metrics
        metrics.json of LightGBM's runs of the modality and zoom; validation.parquet lies beside each.
    out_of_fold
        ``target_id, truth, prediction`` of each training object by the selected settings, while held out.
    features, bins
        The prepared features, and LightGBM's bins of their training and of their validation objects.
    level
        Share of the objects that the interval is to hold.
    folder
        Where the files are written.
    record
        Provenance of the tables.

    Raises
    ------
    HissError
        When none or several of the runs are selected, or the predictions are not of the objects of the features.
    """
    chosen = selected_metrics(selection, metrics)
    folder, run = Path(folder), read_json(chosen)["run"]
    train, validation = open_parts(features, bins)
    around = {
        "out_of_fold": _predictions(out_of_fold, train),
        "validation": _predictions(read_table(chosen.with_name("validation.parquet")), validation),
    }
    learned, stopping = _errors(train, around["out_of_fold"]), _errors(validation, around["validation"])
    offsets: dict[str, list[Any]] = {name: [] for name in around}
    for end, quantile in zip(ENDS, quantiles_of(level), strict=True):
        say(f"the {quantile:.3g} quantile of the errors of {run['name']}")
        settings = dict(run["settings"]) | {"cross_validate": True, "quantile": quantile}
        model = build(LightGBM, settings, run["modality"], int(run["seed"]), threads)
        model.fit(learned.data, stopping.data)
        model.save(folder / end)
        offsets["out_of_fold"].append(model.out_of_fold(learned.data, train.table["fold"].to_numpy()))
        offsets["validation"].append(model.predict(stopping.data))
    for name, part in (("out_of_fold", train), ("validation", validation)):
        low, high = (around[name] + offset for offset in uncrossed(*offsets[name]))
        table = part.table if name == "out_of_fold" else part.table.drop(columns="fold")
        units = dict.fromkeys(("truth", *ENDS), LABEL_UNIT)
        write_table(folder / f"{name}.parquet", table.assign(low=low, high=high), units, record)


def _predictions(table: pd.DataFrame, part: Part) -> Array:
    """Return the prediction (n,) of each object of a part."""
    found = table.set_index("target_id")["prediction"].reindex(part.table["target_id"])
    if len(table) != len(part.table) or found.isna().any():
        raise HissError("the predictions are not of the objects of the features; make the out-of-fold table anew")
    return found.to_numpy(dtype=np.float64)


def _errors(part: Part, prediction: Array) -> Part:
    """Return the part with the errors of predictions in place of its labels."""
    return part._replace(data=replace(part.data, target=part.data.target - prediction))
