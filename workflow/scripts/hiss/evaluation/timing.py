"""What a selected setting costs when it runs alone: the times the report gives."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from hiss.evaluation.collect import relative_folder
from hiss.files import read_json, read_table
from hiss.models.base import build
from hiss.models.run import model_type
from hiss.models.train import load_part
from hiss.progress import progress
from hiss.script import Stopwatch


def time_selected(
    model: str,
    selection: pd.DataFrame,
    metrics: Iterable[Path | str],
    arrays: dict[int, Path],
    split: Path | str,
    threads: int,
) -> pd.DataFrame:
    """Fit the selected setting of each modality and zoom again, one after the other, and time it.

    Parameters
    ----------
    model
        Name of the model.
    selection
        As `hiss.evaluation.selection.select_runs` returns it.
    metrics
        metrics.json of every run of the model.
    arrays
        File of sample arrays, by zoom.
    split
        The split's table.
    threads
        Threads given to each fit; nothing else should run beside it.

    Returns
    -------
    DataFrame
        ``model, modality, zoom, settings, path, threads, n_train, n_predict, fit_s, predict_s``; reading is not in
        the times.
    """
    chosen = selection[selection["model"] == model]
    runs = {relative_folder(path): read_json(path)["run"] for path in metrics}
    table = read_table(split)
    kind = model_type(model)
    rows = []
    for record in progress(chosen.to_dict("records"), len(chosen), f"selected settings of {model} timed"):
        run = runs[record["path"]]
        train, validation = (
            load_part(arrays[run["zoom"]], table, side, run["modality"], kind.wants_sky)
            for side in ("train", "validation")
        )
        fitted = build(kind, run["settings"], run["modality"], run["seed"], threads)
        with Stopwatch() as fit:
            fitted.fit(train.data, validation.data)
        with Stopwatch() as predict:
            fitted.predict(validation.data)
        rows.append(
            {name: record[name] for name in ("model", "modality", "zoom", "settings", "path")}
            | {"threads": threads, "n_train": len(train.data), "n_predict": len(validation.data)}
            | {"fit_s": fit.seconds, "predict_s": predict.seconds}
        )
    return pd.DataFrame(rows)
