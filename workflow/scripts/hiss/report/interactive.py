"""What the interactive plots draw: the points, what each one says when it is pointed at, and where it leads."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from hiss.evaluation.collect import BASELINE_NAMES, modality_order, model_name, model_order
from hiss.modality import FUSIONS
from hiss.plots.style import MODEL_MARKER, modality_colour, modality_label, zoom_label
from hiss.report.links import folder_link
from hiss.report.phrases import OF_MODELS, describe, lower_baselines, lowest
from hiss.report.study_tables import short_names

# matplotlib's markers of plots/style.py, as plotly names them and as text shows them.
_SYMBOL: Final = {"o": "circle", "v": "triangle-down", "*": "star", "_": "line-ew", "P": "cross", "X": "x"}
_GLYPH: Final = {"o": "●", "v": "▼", "*": "★", "_": "━", "P": "✚", "X": "✖"}
_SIZE: Final = (15, 12, 9.5, 7.5)  # px, of a point of zoom 0, 1, 2, 3
_COSTS: Final = {
    "fit_s": "time of the fit [s]",
    "predict_us": "prediction without reading [µs/object]",
    "memory_mb": "peak memory [MB]",
}


@dataclass(frozen=True)
class Choice:
    """One of several things a reader can show: its value, its name, and the colour or symbol of it."""

    value: str
    label: str
    colour: str = ""
    glyph: str = ""


@dataclass(frozen=True)
class Control:
    """A group of boxes to tick (``many``), or a list to choose one of."""

    name: str
    label: str
    many: bool
    choices: list[Choice]


@dataclass(frozen=True)
class Plot:
    """An interactive plot of the report."""

    name: str
    title: str
    caption: str
    data: Mapping[str, Any]
    controls: list[Control] = field(default_factory=list)
    still: str = ""
    """The figure that shows the same where there is no script, and on paper."""

    @property
    def json(self) -> str:
        """The data as JSON that can stand inside a script element."""
        shown = json.dumps(self.data, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
        return shown.replace("<", "\\u003c")


def pareto_plot(runs: pd.DataFrame, metrics: pd.DataFrame) -> Plot | None:
    """Return validation RMSE against cost, of all training runs, and of the selected ones and fusions timed alone.

    Parameters
    ----------
    metrics
        With the ``path`` of each run, as `hiss.report.links.with_paths` returns it.

    Returns
    -------
    Plot or None
        None where no run has a cost. Its data are ``panels`` (columns of values, one a point), and the name, colour,
        symbol or size of each model, modality and zoom.
    """
    trained = runs[~runs["modality"].isin(FUSIONS) & (runs["fit_s"] > 0)]
    if trained.empty:
        return None
    names = short_names(runs)
    alone = metrics[metrics["fit_s"] > 0].merge(
        runs[["path", "n_validation", "validation_r2"]], on="path", how="left", validate="many_to_one"
    )
    alone = alone.assign(predict_us=1e6 * alone["predict_s"] / alone["n_validation"])
    panels = [
        _panel(trained.assign(predict_us=trained["predict_per_object_us"]), names),
        _panel(alone, names),
    ]
    labels = [
        f"all {len(trained)} training runs, as they ran",
        f"the {len(alone)} selected runs and fusions, timed alone",
    ]
    present = pd.concat([trained, alone])
    models, modalities = model_order(present["model"]), modality_order(present["modality"])
    zooms = sorted({int(zoom) for zoom in present["zoom"]})
    data = {
        "panels": panels,
        "costs": _COSTS,
        "models": {name: {"label": model_name(name), "symbol": _SYMBOL[_marker(name)]} for name in models},
        "modalities": {name: {"label": modality_label(name), "colour": modality_colour(name)} for name in modalities},
        "zooms": {str(zoom): {"label": zoom_label(zoom), "size": _SIZE[zoom]} for zoom in zooms},
    }
    controls = [
        Control("panel", "runs", False, [Choice(str(index), label) for index, label in enumerate(labels)]),
        Control("cost", "cost", False, [Choice(key, label) for key, label in _COSTS.items()]),
        Control(
            "model", "model", True,
            [Choice(name, model_name(name), glyph=_GLYPH[_marker(name)]) for name in models],
        ),
        Control(
            "modality", "modality", True,
            [Choice(name, modality_label(name), colour=modality_colour(name)) for name in modalities],
        ),
        Control("zoom", "zoom", True, [Choice(str(zoom), zoom_label(zoom)) for zoom in zooms]),
    ]  # fmt: skip
    caption = (
        "Each point is a run; the line joins those that no other run shown beats in both. Point at one for its "
        "settings, scores and costs; a click opens its folder. Larger points are of finer zooms. The table of all runs "
        "has the same numbers."
    )
    return Plot("pareto", "Accuracy against cost", caption, data, controls, "fig_pareto")


def _marker(model: str) -> str:
    return MODEL_MARKER[model]


def _panel(rows: pd.DataFrame, names: Mapping[tuple[str, str], str]) -> dict[str, list[Any]]:
    settings = [names.get((model, own), own) for model, own in zip(rows["model"], rows["settings"], strict=True)]
    return {
        "model": list(rows["model"]),
        "modality": list(rows["modality"]),
        "zoom": [str(int(zoom)) for zoom in rows["zoom"]],
        "settings": settings,
        "rmse": _numbers(rows["validation_rmse"]),
        "r2": _numbers(rows["validation_r2"]),
        "fit_s": _numbers(rows["fit_s"]),
        "predict_us": _numbers(rows["predict_us"]),
        "memory_mb": _numbers(rows["peak_memory_mb"]),
        "link": [folder_link(path) if path else "" for path in rows["path"]],
    }


def _numbers(values: pd.Series | np.ndarray) -> list[float | None]:
    """Return five significant digits of each value; None where there is none."""
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in np.asarray(values, dtype=float)]


def truth_plot(
    metrics: pd.DataFrame, tests: pd.DataFrame, objects: pd.DataFrame, links: Mapping[int, str] | None = None
) -> Plot | None:
    """Return prediction against label of every test object, by the learned run of the lowest validation RMSE.

    Parameters
    ----------
    tests
        All test_<model>.parquet, one below the other.
    objects
        The sample's objects: ``row``, ``plate mjd fiber``, ``z``, ``p16``, ``p84``.
    links
        Where each ``target_id`` leads.

    Returns
    -------
    Plot or None
        None where no learned run was tested.
    """
    best = lowest(metrics[~metrics["model"].isin(BASELINE_NAMES)], "validation_rmse")
    if best is None:
        return None
    own = (tests["model"] == best["model"]) & (tests["modality"] == best["modality"]) & (tests["zoom"] == best["zoom"])
    known = objects[["row", "plate", "mjd", "fiber", "z", "p16", "p84"]]
    part = tests[own].merge(known, on="row", how="left", validate="one_to_one").sort_values("target_id")
    if part.empty:
        return None
    told = (part["p16"] > -90) & (part["p84"] >= part["p16"])
    leads = links or {}
    followed = [leads.get(int(target), "") for target in part["target_id"]]
    ids = zip(part["plate"], part["mjd"], part["fiber"], strict=True)
    data = {
        "run": describe(best),
        "colour": modality_colour(best["modality"]),
        "name": [f"{plate}-{mjd}-{fiber}" for plate, mjd, fiber in ids],
        "link": followed,
        "z": _numbers(part["z"]),
        "truth": _numbers(part["truth"]),
        "prediction": _numbers(part["prediction"]),
        "p16": _numbers(part["p16"].where(told)),
        "p84": _numbers(part["p84"].where(told)),
        "low": _numbers(part["low"]) if "low" in part else [None] * len(part),
        "high": _numbers(part["high"]) if "high" in part else [None] * len(part),
    }
    shown = {"in the gallery" if link.startswith("#") else "at the survey" for link in followed if link}
    where = f" A click opens an object that is shown {' or '.join(sorted(shown, reverse=True))}." if shown else ""
    baselines = " ".join(["", lower_baselines(metrics, best)]).rstrip()
    caption = (
        f"{describe(best)}, {OF_MODELS} the run of the lowest validation RMSE, on the {len(part):,} test galaxies."
        f"{baselines} Point at one for its plate-MJD-fibre, redshift, label with its P16 to P84, prediction and "
        f"interval.{where}"
    )
    return Plot("truth", "Predicted against true, object by object", caption, data)
