"""The only place that reads the test set: the selected runs predict it once."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from hiss.errors import HissError
from hiss.evaluation.collect import relative_folder
from hiss.models.fusion import late_fusion
from hiss.models.run import predict_rows

TEST_COLUMNS = ["model", "modality", "zoom", "target_id", "row", "truth", "prediction"]

Predict = Callable[..., pd.DataFrame]


def held_back_rows(split: pd.DataFrame) -> pd.DataFrame:
    """Return the objects of the test set: ``row, target_id, truth`` (AVG), in order of row."""
    chosen = split.loc[split["split"] == "test", ["row", "target_id", "avg"]]
    if chosen.empty:
        raise HissError("the split has no test object; the sample is too small or its test fraction is 0")
    return chosen.rename(columns={"avg": "truth"}).sort_values("row").reset_index(drop=True)


def predict_test(
    model: str,
    selection: pd.DataFrame,
    folders: Mapping[str, Path],
    arrays: Mapping[int, Path],
    split: pd.DataFrame,
    predict: Predict = predict_rows,
) -> pd.DataFrame:
    """Return the predictions of one model's selected runs, and of their late fusion, on the test set.

    Parameters
    ----------
    model
        Name of the model.
    selection
        As `hiss.evaluation.selection.select_runs` returns it.
    folders
        Folder of each run, by its path relative to the results folder.
    arrays
        File of sample arrays, by zoom.
    split
        The split's table; its test rows alone are read from the arrays.
    predict
        ``predict(folder, model, arrays_path, rows)`` gives ``target_id, row, prediction``.
    """
    wanted = held_back_rows(split)
    parts = []
    for run in selection[selection["model"] == model].to_dict("records"):
        path, zoom = run["path"], int(run["zoom"])
        if path not in folders:
            raise HissError(f"the selected run {path} is not among the runs of the grid; rerun the selection")
        found = predict(folders[path], model, arrays[zoom], wanted["row"].to_numpy())
        parts.append(_with_truth(found, wanted, model, run["modality"], zoom))
    if not parts:
        raise HissError(f"no run of {model} is selected; the config's grid has none")
    table = pd.concat(parts, ignore_index=True)
    return pd.concat([table, *_late(table)], ignore_index=True)[TEST_COLUMNS]


def _with_truth(found: pd.DataFrame, wanted: pd.DataFrame, model: str, modality: str, zoom: int) -> pd.DataFrame:
    joined = wanted.merge(found[["target_id", "row", "prediction"]], on=["target_id", "row"], how="left")
    if len(found) != len(wanted) or not np.isfinite(joined["prediction"]).all():
        raise HissError(f"{model}, {modality}, zoom {zoom} did not predict every test object once; rerun the run")
    return joined.assign(model=model, modality=modality, zoom=zoom)


def _late(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Mean of the photo and the spectra prediction of each object, at the zooms that have both."""
    parts = []
    for zoom, group in table.groupby("zoom"):
        photo, spectra = (group[group["modality"] == name] for name in ("photo", "spectra"))
        if len(photo) and len(spectra):
            model = group["model"].iloc[0]
            parts.append(late_fusion(photo, spectra).assign(model=model, modality="late", zoom=zoom))
    return parts


def folders_of(metrics: Iterable[Path | str]) -> dict[str, Path]:
    """Return the folder of each run by its path relative to the results folder, from the runs' metrics.json."""
    return {relative_folder(path): Path(path).parent for path in metrics}


def zooms_of(arrays: Iterable[Path | str]) -> dict[int, Path]:
    """Return the files of sample arrays, ``zoom<k>.h5``, by zoom."""
    return {int(Path(path).stem.removeprefix("zoom")): Path(path) for path in arrays}
