"""The only place that reads the test set: the selected runs predict it once, and what is made of their predictions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hiss.errors import HissError
from hiss.evaluation.collect import relative_folder
from hiss.evaluation.predicted import Predicted, with_interval
from hiss.evaluation.quantile_ends import predict_quantiles
from hiss.files import read_table
from hiss.modality import SINGLE, Modality
from hiss.models.features import Sources
from hiss.models.fusion import late_fusion
from hiss.models.stacking import Stack, apply_stack
from hiss.sample.treatment import Treated

TEST_COLUMNS: Final = [
    "model", "modality", "zoom", "target_id", "row", "truth", "prediction", "low", "high", "half_width", "method",
]  # fmt: skip

Predict = Callable[[Path, Sources, ArrayLike], pd.DataFrame]
"""``predict(folder, sources, rows)`` gives ``target_id, row, prediction`` of the model in a folder."""


@dataclass(frozen=True)
class Held:
    """What intervals and stacked fusions are made of: files about training objects, predicted while held out."""

    level: float | None = None
    """Share of the objects that an interval is to hold; None: no intervals."""
    out_of_fold: Sequence[Path | str] = ()
    """Of the selected runs, ``<modality>/zoom<k>.parquet``, or out_of_fold.parquet in the folder of the run."""
    quantiles: Sequence[Path | str] = ()
    """``<modality>/zoom<k>/out_of_fold.parquet`` of the quantiles, whose models lie beside."""
    stacked: Sequence[Path | str] = ()
    """``stacked/zoom<k>/ridge/model.json``, out_of_fold.parquet beside each."""


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
    predict: Predict,
    lines: Path | str | None = None,
    held: Held = Held(),
    treated: Treated | None = None,
) -> pd.DataFrame:
    """Return the predictions of one model's selected runs, and of their fusions, on the test set.

    Parameters
    ----------
    model
        Name of the model, or of the baseline.
    selection
        As `hiss.evaluation.selection.select_runs` returns it.
    folders
        Folder of each run, by its path relative to the results folder.
    arrays
        File of sample arrays, by zoom.
    split
        The split's table; its test rows alone are read from the arrays.
    predict
        What lets a run predict, as `hiss.models.trained.predict_rows` with the model's class.
    lines
        Table of emission lines, where a run sees them.
    held
        What intervals and stacked fusions are made of.
    treated
        What the sample's choice does to cutouts and spectra; None: nothing.

    Returns
    -------
    DataFrame
        `TEST_COLUMNS`. ``low, high`` [log10(M_sun/yr)] are the ends of the prediction interval, by ``method``
        ``quantiles`` or ``residuals``, and ``half_width`` [dex] is that of residuals; NaN and "" without intervals.
    """
    wanted = held_back_rows(split)
    runs: dict[tuple[str, int], Predicted] = {}
    for chosen in selection[selection["model"] == model].to_dict("records"):
        path, modality, zoom = str(chosen["path"]), str(chosen["modality"]), int(chosen["zoom"])
        if path not in folders:
            raise HissError(f"the selected run {path} is not among the runs of the grid; rerun the selection")
        sources = replace(_sources(arrays, modality, zoom, lines), treated=treated)
        found = predict(folders[path], sources, wanted["row"].to_numpy())
        test = _with_truth(found, wanted, f"{model}, {modality}, zoom {zoom}")
        held_out = _path(held.out_of_fold, f"{modality}/zoom{zoom}.parquet", f"{path}/out_of_fold.parquet")
        runs[modality, zoom] = Predicted(
            test,
            None if held_out is None else read_table(held_out),
            _ends(held, modality, zoom, sources, test, predict),
        )
    if not runs:
        raise HissError(f"no run of {model} is selected; the config's grid has none")
    runs |= _fusions(runs, held)
    tables = [
        with_interval(run, split, held.level, f"{model}, {modality}, zoom {zoom}").assign(
            model=model, modality=modality, zoom=zoom
        )
        for (modality, zoom), run in runs.items()
    ]
    return pd.concat(tables, ignore_index=True)[TEST_COLUMNS]


def _sources(arrays: Mapping[int, Path], modality: str, zoom: int, lines: Path | str | None) -> Sources:
    of_spectra = Modality.parse(modality).spectra_zoom
    return Sources(arrays[zoom], None if of_spectra is None else arrays[of_spectra], lines=lines)


def _with_truth(found: pd.DataFrame, wanted: pd.DataFrame, what: str) -> pd.DataFrame:
    joined = wanted.merge(found[["target_id", "row", "prediction"]], on=["target_id", "row"], how="left")
    if len(found) != len(wanted) or not np.isfinite(joined["prediction"]).all():
        raise HissError(f"{what} did not predict every test object once; rerun the run")
    return joined


def _path(paths: Sequence[Path | str], *endings: str) -> Path | None:
    """Return the one path that ends so, where it is there."""
    wanted = tuple(f"/{ending}" for ending in endings)
    return next((Path(path) for path in paths if Path(path).as_posix().endswith(wanted)), None)


def _ends(
    held: Held, modality: str, zoom: int, sources: Sources, test: pd.DataFrame, predict: Predict
) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    held_out = _path(held.quantiles, f"{modality}/zoom{zoom}/out_of_fold.parquet")
    if held_out is None:
        return None
    low, high = predict_quantiles(held_out.parent, sources, test["row"].to_numpy(), test["prediction"], predict)
    return pd.DataFrame({"low": low, "high": high}), read_table(held_out)


def _fusions(runs: Mapping[tuple[str, int], Predicted], held: Held) -> dict[tuple[str, int], Predicted]:
    """Late and stacked fusions of the photo and the spectra run, at the zooms that have both."""
    fused = {}
    for zoom in sorted({zoom for _, zoom in runs}):
        parts = [runs[name, zoom] for name in SINGLE if (name, zoom) in runs]
        if len(parts) < len(SINGLE):
            continue
        photo, spectra = parts
        held_out = None
        if photo.held_out is not None and spectra.held_out is not None:
            held_out = late_fusion(photo.held_out, spectra.held_out)
        fused["late", zoom] = Predicted(late_fusion(photo.table, spectra.table), held_out)
        path = _path(held.stacked, f"stacked/zoom{zoom}/ridge/model.json")
        if path is not None:
            stacked = apply_stack(Stack.load(path), photo.table, spectra.table)
            fused["stacked", zoom] = Predicted(stacked, read_table(path.with_name("out_of_fold.parquet")))
    return fused


def folders_of(metrics: Iterable[Path | str]) -> dict[str, Path]:
    """Return the folder of each run by its path relative to the results folder, from the runs' metrics.json."""
    return {relative_folder(path): Path(path).parent for path in metrics}


def zooms_of(arrays: Iterable[Path | str]) -> dict[int, Path]:
    """Return the files of sample arrays, ``zoom<k>.h5``, by zoom."""
    return {int(Path(path).stem.removeprefix("zoom")): Path(path) for path in arrays}
