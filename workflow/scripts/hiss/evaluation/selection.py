"""The best run of each model, modality and zoom, by cross-validation or validation, never by the test set."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from hiss.errors import HissError
from hiss.evaluation.collect import model_order, relative_folder
from hiss.modality import FUSIONS

SELECTION_COLUMNS = ["model", "modality", "zoom", "settings", "path", "criterion", "value"]

_LARGEST = {"decision_tree": "cv_r2"}  # thesis 3.7: highest mean R2 of the five folds
_SMALLEST = "validation_rmse"


def criterion_of(model: str) -> tuple[str, bool]:
    """Return the column of the runs table a model is selected by, and whether smaller is better."""
    return (_LARGEST[model], False) if model in _LARGEST else (_SMALLEST, True)


def select_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the selected run of each model x modality x zoom.

    Ties go to the shallower tree, then to the first settings by name, so that the order of the runs does not
    matter.

    Parameters
    ----------
    runs
        As `hiss.evaluation.collect.collect_runs` returns it; fusions of predictions are left aside.

    Returns
    -------
    DataFrame
        Columns ``model, modality, zoom, settings, path, criterion, value``.

    Raises
    ------
    HissError
        When runs of several samples are mixed, or no run of a group has a value to select by.
    """
    if len(runs[["target", "sample"]].drop_duplicates()) > 1:
        raise HissError("runs of several targets or samples are in one selection; select for each by itself")
    candidates = runs[~runs["modality"].isin(FUSIONS)]
    chosen = [
        _best(str(model), group)
        for (model, _, _), group in candidates.groupby(["model", "modality", "zoom"], sort=False)
    ]
    return pd.DataFrame(chosen, columns=SELECTION_COLUMNS)


def _best(model: str, group: pd.DataFrame) -> dict[str, object]:
    criterion, smaller = criterion_of(model)
    known = group[group[criterion].notna()]
    if known.empty:
        first = group.iloc[0]
        raise HissError(
            f"no run of {model}, {first['modality']}, zoom {first['zoom']} has {criterion}; see the logs of its runs"
        )
    by = [criterion, *(["max_depth"] if "max_depth" in known else []), "settings"]
    ascending = [smaller, *[True] * (len(by) - 1)]
    best = known.sort_values(by, ascending=ascending, kind="stable").iloc[0]
    row = {name: best[name] for name in SELECTION_COLUMNS if name in best.index}
    return row | {"criterion": criterion, "value": best[criterion]}


def selected_metrics(selection: pd.DataFrame, metrics: Iterable[Path | str]) -> Path:
    """Return the metrics.json of the selected one of some runs.

    Parameters
    ----------
    metrics
        metrics.json of the runs of one model, modality and zoom.

    Raises
    ------
    HissError
        When none or several of them are selected.
    """
    paths = {relative_folder(path): Path(path) for path in metrics}
    chosen = selection.loc[selection["path"].isin(list(paths)), "path"].tolist()
    if len(chosen) != 1:
        raise HissError(f"{len(chosen)} of these runs are selected where one should be; make the selection anew")
    return paths[chosen[0]]


def join_selections(selections: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return the selections of several models as one, in the order of the study's models."""
    table = pd.concat(list(selections), ignore_index=True)
    order = {model: place for place, model in enumerate(model_order(table["model"]))}
    return table.sort_values("model", key=lambda models: models.map(order), kind="stable", ignore_index=True)
