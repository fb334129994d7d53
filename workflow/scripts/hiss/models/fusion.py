"""Late fusion: two models' predictions of the same objects, joined."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from hiss.errors import HissError
from hiss.files import read_json, read_table, write_json, write_table
from hiss.models.metrics import LABEL_UNIT, scores
from hiss.provenance import provenance

PREDICTION_COLUMNS = ["target_id", "row", "truth", "prediction"]


def late_fusion(photo: pd.DataFrame, spectra: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of the photo and the spectra prediction of each object (thesis 3.4).

    Parameters
    ----------
    photo, spectra
        Tables with ``target_id, row, truth, prediction``, in any order.

    Returns
    -------
    DataFrame
        The same columns, in the order of ``photo``.

    Raises
    ------
    HissError
        When the two are not of the same objects with the same truths.
    """
    for table in (photo, spectra):
        if table["target_id"].duplicated().any():
            raise HissError("late fusion: an object is predicted twice; delete the run's folder and rerun it")
    if set(photo["target_id"]) != set(spectra["target_id"]):
        apart = set(photo["target_id"]) ^ set(spectra["target_id"])
        raise HissError(
            f"late fusion: {len(apart)} objects (target_id {min(apart)} for one) have a photo or a spectra "
            "prediction but not both; rerun both runs on the same split"
        )
    other = spectra.set_index("target_id").loc[photo["target_id"]]
    if (other["truth"].to_numpy() != photo["truth"].to_numpy()).any():
        raise HissError("late fusion: the two runs have different labels; rerun both on the same split")
    mean = (photo["prediction"].to_numpy() + other["prediction"].to_numpy()) / 2
    return photo.assign(prediction=mean)[PREDICTION_COLUMNS].reset_index(drop=True)


def fused_metrics(photo: dict[str, Any], spectra: dict[str, Any], fused: pd.DataFrame) -> dict[str, Any]:
    """Return the metrics.json of a late fusion: its own scores, and the cost of its two runs together.

    Parameters
    ----------
    photo, spectra
        metrics.json of the two runs.
    fused
        As `late_fusion` returns it for the validation objects.
    """
    parts = {"photo": photo, "spectra": spectra}
    same = ("target", "sample", "model", "zoom", "seed")
    settings = {name: part["run"]["name"] for name, part in parts.items()}
    return {
        "run": {key: photo["run"][key] for key in same} | {"modality": "late", "name": "mean", "settings": settings},
        "n_train": photo["n_train"],
        "n_validation": len(fused),
        "n_features": sum(part["n_features"] for part in parts.values()),
        "validation": scores(fused["truth"], fused["prediction"]),
        "cv": None,
        "train": None,
        "best_iteration": None,
        "time": {key: sum(part["time"][key] for part in parts.values()) for key in photo["time"]},
        "peak_memory_mb": max(part["peak_memory_mb"] for part in parts.values()),
        "threads": max(part["threads"] for part in parts.values()),
    }


def fuse_selected(
    selection: Path | str,
    metrics: Iterable[Path | str],
    model: str,
    zoom: int,
    folder: Path | str,
    code: Iterable[Path | str] = (),
) -> dict[str, Any]:
    """Write the late fusion of a model's selected photo and spectra runs: validation.parquet and metrics.json.

    Parameters
    ----------
    selection
        ``selection.csv``: ``model, modality, zoom, path`` of the selected runs.
    metrics
        metrics.json of every run that could have been selected; validation.parquet lies beside each.

    Returns
    -------
    dict
        What metrics.json holds.
    """
    chosen = read_table(selection)
    folders = {modality: selected_folder(chosen, metrics, model, modality, zoom) for modality in ("photo", "spectra")}
    predictions = {modality: path / "validation.parquet" for modality, path in folders.items()}
    fused = late_fusion(read_table(predictions["photo"]), read_table(predictions["spectra"]))
    metrics_of = {modality: read_json(path / "metrics.json") for modality, path in folders.items()}
    values = fused_metrics(metrics_of["photo"], metrics_of["spectra"], fused)
    values["provenance"] = provenance(predictions, values["run"], code)
    write_table(Path(folder) / "validation.parquet", fused, {"truth": LABEL_UNIT, "prediction": LABEL_UNIT})
    write_json(Path(folder) / "metrics.json", values)
    return values


def selected_folder(
    selection: pd.DataFrame, metrics: Iterable[Path | str], model: str, modality: str, zoom: int
) -> Path:
    """Return the folder of the selected run of a model, modality and zoom.

    Raises
    ------
    HissError
        When none is selected, or the selected one is not among the runs.
    """
    match = (selection["model"] == model) & (selection["modality"] == modality) & (selection["zoom"] == zoom)
    if match.sum() != 1:
        raise HissError(
            f"late fusion: {match.sum()} selected runs of {model}, {modality}, zoom {zoom} where one is needed; "
            "make selection.csv anew"
        )
    wanted = str(selection.loc[match, "path"].item())
    for path in metrics:
        folder = Path(path).parent
        if folder.as_posix().endswith(wanted):
            return folder
    raise HissError(
        f"late fusion: the selected run {wanted} is not among the runs of the grid; make selection.csv anew"
    )
