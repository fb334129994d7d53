"""What a selected setting costs when it runs alone: the times the report gives."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from hiss.errors import HissError
from hiss.evaluation.collect import relative_folder
from hiss.files import read_json, read_table
from hiss.models.base import build
from hiss.models.run import model_type
from hiss.models.train import load_part
from hiss.script import Stopwatch


def time_selected(
    selection: pd.DataFrame, metrics: Iterable[Path | str], arrays: Path | str, split: Path | str, threads: int
) -> pd.DataFrame:
    """Fit the selected one of some runs again, and time it.

    Parameters
    ----------
    selection
        As `hiss.evaluation.selection.select_runs` returns it.
    metrics
        metrics.json of the runs of one model, modality and zoom.
    arrays
        The sample's arrays at that zoom.
    split
        The split's table.
    threads
        Threads given to the fit; nothing else should run beside it.

    Returns
    -------
    DataFrame
        One row: ``model, modality, zoom, settings, path, threads, n_train, n_predict, fit_s, predict_s``; reading is
        not in the times.
    """
    chosen = {relative_folder(path): path for path in metrics}
    match = selection[selection["path"].isin(list(chosen))]
    if len(match) != 1:
        raise HissError(f"{len(match)} of these runs are selected where one should be; make selection.csv anew")
    record = match.to_dict("records")[0]
    run = read_json(chosen[record["path"]])["run"]
    kind, table = model_type(run["model"]), read_table(split)
    train, validation = (
        load_part(arrays, table, side, run["modality"], kind.wants_sky) for side in ("train", "validation")
    )
    fitted = build(kind, run["settings"], run["modality"], run["seed"], threads)
    with Stopwatch() as fit:
        fitted.fit(train.data, validation.data)
    with Stopwatch() as predict:
        fitted.predict(validation.data)
    row = {name: record[name] for name in ("model", "modality", "zoom", "settings", "path")}
    row |= {"threads": threads, "n_train": len(train.data), "n_predict": len(validation.data)}
    return pd.DataFrame([row | {"fit_s": fit.seconds, "predict_s": predict.seconds}])
