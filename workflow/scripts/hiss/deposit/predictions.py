"""Everything the selected runs have said of the study's objects: of all runs, and of the best one, as a catalogue."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from hiss.errors import HissError
from hiss.evaluation.collect import BASELINE_NAMES
from hiss.evaluation.predicted import Predicted, with_interval
from hiss.evaluation.prediction_table import columns_of
from hiss.files import read_table
from hiss.modality import SINGLE
from hiss.models.fusion import late_fusion
from hiss.report.phrases import lowest

_OF_RUN: Final = ("model", "modality", "zoom")
_SAID: Final = ("truth", "prediction", "low", "high", "method", "side", "fold")

ALL_COLUMNS: Final = columns_of(*_OF_RUN, "target_id", *_SAID)
"""Columns of the table of all runs."""

COLUMNS: Final = columns_of(
    "target_id", "objid", "plate", "mjd", "fiber", "ra", "dec", "z", "class", "sn_median",
    "truth", "truth_p16", "truth_p84", "prediction", "low", "high", "method", "side", "fold",
    "flag", "multi_object", "spectrum_gap", "refused_image", "refused_spectrum", *_OF_RUN,
)  # fmt: skip
"""Columns of the best run's table, in their order."""

_SIDES: Final = ("train", "validation", "test")


@dataclass(frozen=True)
class Said:
    """What the selected runs, their fusions and the baselines have said, and what their intervals are made of."""

    runs: pd.DataFrame
    """`hiss.evaluation.collect.collect_runs`, which knows where each of them lies."""
    metrics: pd.DataFrame
    """`hiss.evaluation.summarise.metrics_table`: a row a run that was tested."""
    tests: pd.DataFrame
    """All test_<model>.parquet, one below the other."""
    split: pd.DataFrame
    files: Sequence[Path | str]
    """validation.parquet and out_of_fold.parquet of runs, fusions and quantiles, and the tables in out_of_fold/."""
    level: float | None = None
    """Share of the objects that an interval is to hold; None: no intervals."""


def all_predictions(said: Said) -> pd.DataFrame:
    """Return what each tested run has said of each object of the study's sample.

    A training object is predicted by the model of the fold that held it out; a run without such predictions has none of
    the training objects. The interval of a validation object is made as that of a test object, of the errors on
    training objects held out; since settings and the number of rounds were chosen by the validation objects, they lie
    in it rather more often than promised. Training objects have no interval: it would be made of their own errors.

    Returns
    -------
    DataFrame
        `ALL_COLUMNS`, and ``row``; in order of the runs, then of row. ``fold`` is null but for training objects.

    Raises
    ------
    HissError
        When a tested run is in no folder, or has no validation predictions.
    """
    files = _Files(said.files)
    tables = [_of_run(said, files, run) for run in said.metrics.to_dict("records")]
    return pd.concat(tables, ignore_index=True)[[*ALL_COLUMNS, "row"]]


class _Files:
    """Files by what their paths end in."""

    def __init__(self, paths: Iterable[Path | str]) -> None:
        self._paths = [Path(path).as_posix() for path in paths]

    def one(self, *endings: str) -> Path | None:
        """Return the one that ends so, by the first ending that there is."""
        found = (path for ending in endings for path in self._paths if path.endswith(f"/{ending}"))
        return next(map(Path, found), None)


def _of_run(said: Said, files: _Files, run: Mapping[Any, Any]) -> pd.DataFrame:
    model, modality, zoom = str(run["model"]), str(run["modality"]), int(run["zoom"])
    name = f"{model}, {modality}, zoom {zoom}"
    path = path_of(said.runs, run)
    validation = files.one(f"{path}/validation.parquet")
    if validation is None:
        raise HissError(f"{name}: {path} has no validation.parquet; rerun the run")
    held_out = _held_out(files, path, model, modality, zoom)
    known = read_table(validation)
    ends = _ends(files, known, modality, zoom) if model == "lightgbm" else None
    tests = said.tests
    tested = tests[(tests["model"] == model) & (tests["modality"] == modality) & (tests["zoom"] == zoom)]
    parts = [
        with_interval(Predicted(known, held_out, ends), said.split, said.level, name).assign(side="validation"),
        tested.assign(side="test"),
    ]
    if held_out is not None:
        parts.append(held_out.assign(low=np.nan, high=np.nan, method="", side="train"))
    table = pd.concat([part.assign(fold=part.get("fold", np.nan)) for part in parts], ignore_index=True)
    folds = table["fold"].where(table["side"] == "train").astype("Int16")
    table = table.assign(model=model, modality=modality, zoom=np.int16(zoom), fold=folds)
    return table.sort_values("row", kind="stable", ignore_index=True)


def path_of(runs: pd.DataFrame, run: Mapping[Any, Any]) -> str:
    """Return the folder of a tested run, relative to the results folder."""
    here = np.all([runs[name] == run[name] for name in (*_OF_RUN, "settings")], axis=0)
    if here.sum() != 1:
        told = ", ".join(str(run[name]) for name in (*_OF_RUN, "settings"))
        raise HissError(f"{int(here.sum())} runs are {told} where one should be; rerun the evaluation")
    return str(runs.loc[here, "path"].iloc[0])


def _held_out(files: _Files, path: str, model: str, modality: str, zoom: int) -> pd.DataFrame | None:
    """Return what a run says of its training objects while they are held out; that of late fusion is made of two."""
    of_selected = f"evaluation/out_of_fold/{model}/{{}}/zoom{zoom}.parquet"
    if modality == "late":
        parts = [files.one(of_selected.format(name)) for name in SINGLE]
        return None if None in parts else late_fusion(*(read_table(part) for part in parts if part))
    found = files.one(of_selected.format(modality), f"{path}/out_of_fold.parquet")
    return None if found is None else read_table(found)


def _ends(files: _Files, known: pd.DataFrame, modality: str, zoom: int) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Return the quantiles around validation predictions, in their order, and those of objects held out."""
    folder = f"quantiles/{modality}/zoom{zoom}"
    paths = [files.one(f"{folder}/{name}.parquet") for name in ("validation", "out_of_fold")]
    if paths[0] is None or paths[1] is None:
        return None
    validation, held_out = (read_table(path) for path in paths if path)
    return known[["row"]].merge(validation[["row", "low", "high"]], on="row", how="left"), held_out


def best_run(metrics: pd.DataFrame) -> dict[str, Any]:
    """Return the tested run of the lowest validation RMSE, baselines aside; the choice does not see the test set.

    Raises
    ------
    HissError
        When there is none.
    """
    best = lowest(metrics[~metrics["model"].isin(BASELINE_NAMES)], "validation_rmse")
    if best is None:
        raise HissError("no run has a validation RMSE to be chosen by; rerun the evaluation")
    return dict(best)


def catalogue(
    table: pd.DataFrame,
    best: Mapping[str, Any],
    objects: pd.DataFrame,
    multi_object: pd.DataFrame,
    missing: pd.DataFrame,
) -> pd.DataFrame:
    """Return the best run's predictions with what is known of each object, one row an object, in order of row.

    Parameters
    ----------
    table
        As `all_predictions` returns it.
    best
        As `best_run` returns it.
    objects, multi_object, missing
        The tables of the sample: objects.parquet, multi_object.parquet, missing.parquet.

    Returns
    -------
    DataFrame
        `COLUMNS`. Percentiles that are placeholders are NaN, as is what a cube does not tell.
    """
    chosen = table[np.all([table[name] == best[name] for name in _OF_RUN], axis=0)].sort_values("row")
    known = objects.set_index("row").loc[chosen["row"]].reset_index(drop=True)
    several = multi_object.set_index("row")["multi"]
    gaps = missing[missing["fraction"] > 0]["row"].unique()
    rows = chosen["row"].to_numpy()
    sides = pd.Series(chosen["side"].to_numpy())
    if not sides.isin(_SIDES).all() or chosen["row"].duplicated().any():
        raise HissError("an object is on two sides of the split, or on none; delete sample/*/split.parquet and rerun")
    out = chosen.reset_index(drop=True).assign(
        **{name: known[name] for name in ("objid", "plate", "mjd", "fiber", "ra", "dec", "z", "class", "sn_median")},
        truth_p16=known["p16"].where(known["p16"] > -90),
        truth_p84=known["p84"].where(known["p84"] > -90),
        flag=known["flag"].astype("Int16"),
        multi_object=several.reindex(rows, fill_value=False).to_numpy(dtype=np.bool_),
        spectrum_gap=np.isin(rows, gaps),
        refused_image=known["refused_image"].to_numpy(dtype=np.bool_),
        refused_spectrum=known["refused_spectrum"].to_numpy(dtype=np.bool_),
    )
    whole = dict.fromkeys(("plate", "mjd", "fiber"), "int32") | {"target_id": "int64", "objid": "int64"}
    return out[list(COLUMNS)].astype(whole)
