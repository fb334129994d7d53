"""Fusion of predictions: two models' predictions of the same objects, joined; late fusion is their mean."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pandas as pd

from hiss.errors import HissError
from hiss.files import read_json, read_table, write_json, write_table
from hiss.modality import SINGLE
from hiss.models.metrics import LABEL_UNIT
from hiss.models.predictions import (
    predicted,
    prediction_columns,
    prediction_units,
    probability_columns,
    table_scores,
)
from hiss.provenance import provenance

PREDICTION_COLUMNS: Final = ["target_id", "row", "truth", "prediction"]
PREDICTION_UNITS: Final = {"truth": LABEL_UNIT, "prediction": LABEL_UNIT}


def same_objects(photo: pd.DataFrame, spectra: pd.DataFrame) -> pd.DataFrame:
    """Return the spectra predictions in the order of the photo predictions, after a look that they may be joined.

    Parameters
    ----------
    photo, spectra
        Tables with ``target_id, row, truth, prediction``, in any order; both or neither with ``fold``.

    Returns
    -------
    DataFrame
        ``spectra``, its rows in the order of ``photo``.

    Raises
    ------
    HissError
        When the two are not of the same objects with the same truths and in the same folds.
    """
    for table in (photo, spectra):
        if table["target_id"].duplicated().any():
            raise HissError("fusion: an object is predicted twice; delete the run's folder and rerun it")
    if set(photo["target_id"]) != set(spectra["target_id"]):
        apart = set(photo["target_id"]) ^ set(spectra["target_id"])
        raise HissError(
            f"fusion: {len(apart)} objects (target_id {min(apart)} for one) have a photo or a spectra "
            "prediction but not both; rerun both runs on the same split"
        )
    other = spectra.set_index("target_id").loc[photo["target_id"]].reset_index()
    for name, what in (("truth", "labels"), ("fold", "folds")):
        if name in photo and (name not in other or (other[name].to_numpy() != photo[name].to_numpy()).any()):
            raise HissError(f"fusion: the two runs have different {what}; rerun both on the same split")
    return other


def late_fusion(photo: pd.DataFrame, spectra: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of the photo and the spectra prediction of each object (thesis 3.4).

    Of classes it is the mean of the probabilities, and the prediction the class that is most probable then.

    Parameters
    ----------
    photo, spectra
        Tables with ``target_id, row, truth, prediction`` and, of classes, ``p_0 .. p_{K-1}``, in any order.

    Returns
    -------
    DataFrame
        The same columns, and ``fold`` where there is one, in the order of ``photo``.

    Raises
    ------
    HissError
        When the two are not of the same objects with the same truths, or not of the same classes.
    """
    other = same_objects(photo, spectra)
    if probability_columns(photo.columns) != probability_columns(other.columns):
        raise HissError("fusion: the two runs do not tell the same classes apart; rerun both on the same split")
    return with_prediction(photo, (predicted(photo) + predicted(other)) / 2)


def with_prediction(photo: pd.DataFrame, prediction: Any) -> pd.DataFrame:
    """Return a table of predictions with others in their place: (n,), or probabilities (n, K)."""
    told = prediction_columns(prediction)
    columns = [*PREDICTION_COLUMNS, *(["fold"] if "fold" in photo else []), *list(told)[1:]]
    return photo.assign(**told)[columns].reset_index(drop=True)


def fused_metrics(
    photo: dict[str, Any],
    spectra: dict[str, Any],
    fused: pd.DataFrame,
    modality: str = "late",
    name: str = "mean",
) -> dict[str, Any]:
    """Return the metrics.json of a fusion: its own scores, and the cost of its two runs together.

    Parameters
    ----------
    photo, spectra
        metrics.json of the two runs.
    fused
        The fusion's predictions of the validation objects.
    modality, name
        Which fusion it is, and the name of its folder.
    """
    parts = {"photo": photo, "spectra": spectra}
    same = ("target", "sample", "model", "zoom", "seed")
    settings = {modality: part["run"]["name"] for modality, part in parts.items()}
    return {
        "run": {key: photo["run"][key] for key in same} | {"modality": modality, "name": name, "settings": settings},
        "n_train": photo["n_train"],
        "n_validation": len(fused),
        "n_features": sum(part["n_features"] for part in parts.values()),
        "validation": table_scores(fused),
        "cv": None,
        "train": None,
        "best_iteration": None,
        "time": {key: sum(part["time"][key] for part in parts.values()) for key in photo["time"]},
        "peak_memory_mb": max(part["peak_memory_mb"] for part in parts.values()),
        "threads": max(part["threads"] for part in parts.values()),
    } | ({"classes": photo["classes"]} if "classes" in photo else {})


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
        ``selection_<model>.csv``: ``model, modality, zoom, path`` of the selected runs.
    metrics
        metrics.json of every run that could have been selected; validation.parquet lies beside each.

    Returns
    -------
    dict
        What metrics.json holds.
    """
    parts = selected_parts(selection, metrics, model, zoom)
    fused = late_fusion(*parts.validation)
    photo, spectra = parts.metrics
    values = fused_metrics(photo, spectra, fused)
    write_fusion(folder, fused, values, parts.inputs, code)
    return values


def write_fusion(
    folder: Path | str,
    fused: pd.DataFrame,
    metrics: dict[str, Any],
    inputs: Mapping[str, Path | str],
    code: Iterable[Path | str],
) -> None:
    """Write validation.parquet and, last, metrics.json with its provenance."""
    metrics["provenance"] = provenance(inputs, metrics["run"], code)
    units = prediction_units(metrics["run"]["target"], metrics.get("classes", ()))
    write_table(Path(folder) / "validation.parquet", fused, units)
    write_json(Path(folder) / "metrics.json", metrics)


class Parts(NamedTuple):
    """What a fusion is made of: of the photo and of the spectra run, in this order."""

    validation: list[pd.DataFrame]
    """Predictions of the validation objects."""
    metrics: list[dict[str, Any]]
    """metrics.json."""
    inputs: dict[str, Path]
    """The files of the predictions, by modality."""


def selected_parts(selection: Path | str, metrics: Iterable[Path | str], model: str, zoom: int) -> Parts:
    """Return what a model's selected photo and spectra runs at a zoom left behind."""
    chosen, paths = read_table(selection), list(metrics)
    folders = {modality: selected_folder(chosen, paths, model, modality, zoom) for modality in SINGLE}
    inputs = {modality: folder / "validation.parquet" for modality, folder in folders.items()}
    told = [read_json(folder / "metrics.json") for folder in folders.values()]
    return Parts([read_table(path) for path in inputs.values()], told, inputs)


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
            f"fusion: {match.sum()} selected runs of {model}, {modality}, zoom {zoom} where one is needed; "
            "make the selection anew"
        )
    wanted = str(selection.loc[match, "path"].item())
    for path in metrics:
        folder = Path(path).parent
        if folder.as_posix().endswith(wanted):
            return folder
    raise HissError(f"fusion: the selected run {wanted} is not among the runs of the grid; make the selection anew")
