"""Variants against the study: what one thing changed does to the error on the validation objects both have."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from hiss.errors import HissError
from hiss.evaluation.collect import METRICS, relative_folder
from hiss.evaluation.intervals import bootstrap_rmse, interval, resample_groups
from hiss.files import read_json, read_table
from hiss.modality import Modality
from hiss.models.metrics import rmse, scores

VARIANT_COLUMNS = [
    *("variant", "changed", "model", "base", "modality", "zoom", "sample"),
    *("train_share", "n_train", "n", *METRICS),
    *("against", "against_zoom", "n_common", "rmse_common", "rmse_study", "delta_rmse", "low", "high"),
    *("fit_s", "fit_s_study", "peak_memory_mb", "peak_memory_mb_study", "path", "path_study"),
]

_AND = "; "
"""Between two things that a variant changes, in words."""


class _Done(NamedTuple):
    """A run that is done."""

    path: str
    """Of its folder, relative to the results folder."""
    metrics: dict[str, Any]
    validation: pd.DataFrame
    """``target_id row truth prediction``, one row an object."""


class _Difference(NamedTuple):
    """Of RMSE, variant less study, on the objects that both predict."""

    n_common: int
    rmse_common: float
    rmse_study: float
    delta_rmse: float
    low: float
    high: float


def compare_variants(
    selection: pd.DataFrame,
    runs: Iterable[Path | str],
    variants: Iterable[Path | str],
    split: pd.DataFrame,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Compare each variant with the selected run of the study whose settings it took, on validation objects alone.

    A variant that mixes two zooms is compared with the study at each of them.

    Parameters
    ----------
    selection
        Of the study's own sample, as `hiss.evaluation.selection.select_runs` returns it.
    runs, variants
        metrics.json of the study's runs and of the variants; validation.parquet lies beside each.
    split
        Of all labelled objects, for their groups.
    n_resamples, seed
        Of the paired bootstrap, which draws groups of objects.

    Returns
    -------
    DataFrame
        `VARIANT_COLUMNS`: n, r2, mae, rmse and nmad of the variant on all validation objects of its own sample;
        ``delta_rmse`` with its 95 % interval, variant less study, on the ``n_common`` objects that both predict (below
        zero, the variant is better; NaN where there are fewer than two); the costs of both as their jobs measured
        them, not alone.

    Raises
    ------
    HissError
        When the study has no selected run to compare with, or the two have different labels.
    """
    folders = {relative_folder(path): Path(path).parent for path in runs}
    chosen = {
        (str(row["model"]), str(row["modality"]), int(row["zoom"])): str(row["path"])
        for row in selection.to_dict("records")
    }
    group = split.set_index("target_id")["group"]
    rows = []
    for path in variants:
        variant = _read(Path(path).parent)
        for key in _rivals(variant.metrics["run"], chosen):
            if chosen[key] not in folders:
                raise HissError(
                    f"the selected run {chosen[key]} is not among the runs of the grid; rerun the selection"
                )
            study = _read(folders[chosen[key]])
            difference = _compared(variant, study, group, n_resamples, seed)
            rows.append(_row(variant, study, key) | difference._asdict())
    return pd.DataFrame(rows, columns=VARIANT_COLUMNS)


def without_shares(table: pd.DataFrame) -> pd.DataFrame:
    """Return the variants that are no points of a learning curve, which has a figure of its own.

    A share of the training objects beside which something else is changed is no such point.
    """
    if "train_share" not in table:
        return table
    return table[table["train_share"].isna() | table["changed"].astype(str).str.contains(_AND, regex=False)]


def _read(folder: Path) -> _Done:
    metrics = folder / "metrics.json"
    return _Done(relative_folder(metrics), read_json(metrics), read_table(folder / "validation.parquet"))


def _rivals(run: Mapping[str, Any], chosen: Mapping[tuple[str, str, int], str]) -> Iterator[tuple[str, str, int]]:
    """Yield model, modality and zoom of the study's runs that a variant is compared with, its own zoom first."""
    zoom, mixed = int(run["zoom"]), Modality.parse(run["modality"]).spectra_zoom
    own = (str(run["model"]), str(run["base"]), zoom)
    if own not in chosen:
        raise HissError(
            f"{run['name']}: the study has no selected run of {own[0]}, {own[1]}, zoom {zoom}; rerun the selection"
        )
    yield own
    other = (own[0], own[1], mixed)
    if mixed is not None and other in chosen:
        yield own[0], own[1], mixed


def _compared(variant: _Done, study: _Done, group: pd.Series, n_resamples: int, seed: int) -> _Difference:
    both = variant.validation.merge(study.validation, on="target_id", suffixes=("", "_study")).sort_values("target_id")
    if (both["truth"] != both["truth_study"]).any():
        raise HissError(
            f"{variant.path} and {study.path} have different labels; delete both and run the same command again"
        )
    if len(both) < 2:
        return _Difference(len(both), *(float("nan"),) * 5)
    truth = both["truth"].to_numpy()
    errors = [both[name].to_numpy() - truth for name in ("prediction", "prediction_study")]
    counts, index = resample_groups(group.loc[both["target_id"]], n_resamples, seed)
    one, other = (bootstrap_rmse(error, counts, index) for error in errors)
    low, high = interval(one - other)
    here, there = rmse(truth, both["prediction"]), rmse(truth, both["prediction_study"])
    return _Difference(len(both), here, there, here - there, low, high)


def _row(variant: _Done, study: _Done, key: tuple[str, str, int]) -> dict[str, Any]:
    run, table = variant.metrics["run"], variant.validation
    return {
        "variant": run["name"].removeprefix("variant="),
        "changed": what_changed(run, variant.metrics["overrides"], study.metrics["run"]["sample"]),
        **{name: run[name] for name in ("model", "base", "modality", "zoom", "sample")},
        "train_share": run.get("train_share"),
        "n_train": variant.metrics["n_train"],
        "n": len(table),
        **scores(table["truth"], table["prediction"]),
        "against": key[1],
        "against_zoom": key[2],
        "fit_s": variant.metrics["time"]["fit_s"],
        "fit_s_study": study.metrics["time"]["fit_s"],
        "peak_memory_mb": variant.metrics["peak_memory_mb"],
        "peak_memory_mb_study": study.metrics["peak_memory_mb"],
        "path": variant.path,
        "path_study": study.path,
    }


def what_changed(run: Mapping[str, Any], overrides: Mapping[str, Any], study_sample: str) -> str:
    """Return in words what a variant changes.

    Parameters
    ----------
    run
        Of the variant's metrics.json.
    overrides
        Its settings in place of the selected ones.
    study_sample
        Name of the study's own sample.
    """
    modality, base = Modality.parse(run["modality"]), Modality.parse(run["base"])
    told = {
        f"sample {run['sample']}": run["sample"] != study_sample,
        "spectra at rest, by their redshift": modality.rest_frame,
        "the redshift as a feature": modality.redshift,
        "densities of catalogue neighbours, by their redshifts and the object's, as features": modality.environment,
        f"spectra of zoom {modality.spectra_zoom} with images of zoom {run['zoom']}": modality.spectra_zoom is not None,
        "attention between the two trunks": modality.base != base.base,
        f"mean of {run['members']} seeds": run["members"] > 1,
        f"at most {run['train_size']} training objects": run["train_size"] is not None,
        f"{100 * (run.get('train_share') or 1):g} % of the training objects": run.get("train_share") is not None,
    }
    settings = [f"{name} = {value}" for name, value in overrides.items()]
    return _AND.join([text for text, applies in told.items() if applies] + settings)
