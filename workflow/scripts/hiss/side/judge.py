"""The only place that reads the test objects of a further target: a model's selected runs predict them once."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.errors import HissError
from hiss.files import read_json, read_table
from hiss.modality import SINGLE
from hiss.models.base import Data, Model
from hiss.models.features import Sources, load_data
from hiss.models.fusion import late_fusion
from hiss.models.predictions import prediction_table, probability_columns, table_scores
from hiss.progress import say
from hiss.sample.treatment import Treated
from hiss.script import Stopwatch

Load = Callable[[str, int, NDArray[np.int64]], tuple[Data, NDArray[np.int64]]]
"""``load(modality, zoom, rows)`` gives rows of the arrays as a model's data, and their target_id (n,)."""

COST_COLUMNS: Final = [
    "model", "modality", "zoom", "settings", "validation", "n_train", "n_validation", "n_test", "fit_s",
    "predict_per_object_us", "peak_memory_mb", "validation_loss",
]  # fmt: skip

_FEW: Final = 64  # objects of the prediction that nobody times

_Place = tuple[str, int]


def from_cube(arrays: Mapping[int, Path], treated: Treated | None) -> Load:
    """Return what reads a target's objects from the arrays of all targets, ``zoom<k>.h5`` by zoom."""

    def load(modality: str, zoom: int, rows: NDArray[np.int64]) -> tuple[Data, NDArray[np.int64]]:
        return load_data(Sources(arrays[zoom], treated=treated), rows, modality)

    return load


def predict_selected(
    kind: type[Model], metrics: Iterable[Path | str], load: Load, split: pd.DataFrame, threads: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the predictions of a model's selected runs, and of their late fusion, of the test objects.

    Selected is, of each modality and zoom, the run that does best on the validation objects: of classes that of the
    highest balanced accuracy, of equal ones that of the lowest log loss; of numbers that of the lowest RMSE.

    Parameters
    ----------
    kind
        Class of the model.
    metrics
        metrics.json of its runs, the model beside each.
    load
        Reads the test objects alone.
    split
        ``row target_id truth split``.

    Returns
    -------
    predictions
        ``model modality zoom target_id row truth prediction`` and, of classes, ``p_0 ...``.
    costs
        `COST_COLUMNS`, one row a modality and zoom: ``validation`` is the balanced accuracy, or the RMSE, of the
        validation objects, ``validation_loss`` what decides between equals, the log loss, or the RMSE again; of late
        fusion the costs are the sums of its two parts, whose fits are those of their training jobs.

    Raises
    ------
    HissError
        When there is no run, or other objects are read than the split names.
    """
    test = split[split["split"] == "test"].sort_values("row", ignore_index=True)
    predictions: dict[_Place, pd.DataFrame] = {}
    costs: dict[_Place, dict[str, Any]] = {}
    held: dict[_Place, pd.DataFrame] = {}
    for (modality, zoom), (path, told) in _selected(metrics).items():
        model = kind.load(path.parent, threads=threads)
        data, target_id = load(modality, zoom, test["row"].to_numpy())
        if not np.array_equal(target_id, test["target_id"]):
            raise HissError(f"the arrays of zoom {zoom} hold other objects than the split; make both anew")
        model.predict(data.take(np.arange(min(_FEW, len(data)))))  # what a process does once is no modality's time
        with Stopwatch() as predict:
            found = prediction_table(model, data, target_id, test["row"])
        found.insert(2, "truth", test["truth"].to_numpy())
        say(f"{modality}, zoom {zoom}: {told['run']['name']}, {len(found)} test objects in {predict.seconds:.2f} s")
        predictions[modality, zoom] = found
        held[modality, zoom] = read_table(path.with_name("validation.parquet"))
        costs[modality, zoom] = {
            "model": kind.name, "modality": modality, "zoom": zoom, "settings": told["run"]["name"],
            **_compared(told["validation"]), "n_train": told["n_train"], "n_validation": told["n_validation"],
            "n_test": len(test),
            "fit_s": told["time"]["fit_s"], "predict_per_object_us": 1e6 * predict.seconds / len(test),
            "peak_memory_mb": told["peak_memory_mb"],
        }  # fmt: skip
    for zoom in sorted({zoom for _, zoom in predictions}):
        photo, spectra = ((name, zoom) for name in SINGLE)
        if photo in predictions and spectra in predictions:
            predictions["late", zoom] = late_fusion(predictions[photo], predictions[spectra])
            fused = _compared(table_scores(late_fusion(held[photo], held[spectra])))
            costs["late", zoom] = _joined(costs[photo], costs[spectra]) | fused
    table = pd.concat(
        [
            found.assign(model=kind.name, modality=modality, zoom=zoom)
            for (modality, zoom), found in predictions.items()
        ],
        ignore_index=True,
    )
    columns = ["model", "modality", "zoom", "target_id", "row", "truth", "prediction", *probability_columns(table)]
    return table[columns], pd.DataFrame(list(costs.values()), columns=COST_COLUMNS)


def _selected(metrics: Iterable[Path | str]) -> dict[_Place, tuple[Path, dict[str, Any]]]:
    """Return path and content of the metrics.json of the best run of each modality and zoom."""
    best: dict[_Place, tuple[Path, dict[str, Any]]] = {}
    for path in sorted(map(Path, metrics)):
        told = read_json(path)
        place = str(told["run"]["modality"]), int(told["run"]["zoom"])
        if place not in best or _worth(told) > _worth(best[place][1]):
            best[place] = path, told
    if not best:
        raise HissError("there is no run whose model could predict the test objects; the config's grid has none")
    return best


def _worth(told: dict[str, Any]) -> tuple[float, float]:
    scores = told["validation"]
    if "classes" in told:
        return scores["balanced_accuracy"], -scores["log_loss"]
    return -scores["rmse"], 0.0


def _compared(scores: Mapping[str, float]) -> dict[str, float]:
    names = ("balanced_accuracy", "log_loss") if "balanced_accuracy" in scores else ("rmse", "rmse")
    return {"validation": scores[names[0]], "validation_loss": scores[names[1]]}


def _joined(photo: dict[str, Any], spectra: dict[str, Any]) -> dict[str, Any]:
    sums = {name: photo[name] + spectra[name] for name in ("fit_s", "predict_per_object_us")}
    most = max(photo["peak_memory_mb"], spectra["peak_memory_mb"])
    return photo | sums | {"modality": "late", "settings": "mean", "peak_memory_mb": most}
