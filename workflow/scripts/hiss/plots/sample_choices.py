"""What another choice about neighbours or gaps does to the error, beside the study's own."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiss.evaluation.collect import modality_order, model_name, model_order
from hiss.plots.style import (
    BLACK,
    GREY,
    modality_colour,
    modality_label,
    modality_marker,
    panels,
    sentence_figure,
)

_COLUMNS: Final = [
    "question", "choice", "model", "modality", "zoom", "n_train", "n_train_study", "n_common", "delta_rmse", "low",
    "high", "rmse_study",
]  # fmt: skip
_QUESTIONS: Final = {"neighbours": "Several objects in the cutout", "gaps": "Gaps in the spectrum"}
_WORDS: Final = {
    ("neighbours", "reject threshold"): "reject (threshold)",
    ("neighbours", "reject segmentation"): "reject (segmentation)",
    ("neighbours", "mask segmentation"): "mask the neighbours",
    ("neighbours", "keep"): "keep",
    ("gaps", "reject"): "reject",
    ("gaps", "interpolate"): "interpolate short ones",
    ("gaps", "mask"): "leave short ones to the model",
}
_STEP: Final = 0.22  # of a row, between the points of one row


def choices_table(
    variants: pd.DataFrame, metrics: pd.DataFrame, choices: Mapping[str, Mapping[str, Any]], study: str
) -> pd.DataFrame:
    """Return the variants of which nothing but the treatment of neighbours, or of gaps, differs from the study.

    Parameters
    ----------
    variants
        As `hiss.evaluation.variants.compare_variants` makes it.
    metrics
        ``runs.csv``, for the number of training objects of the study.
    choices
        Choice of each sample, by its name.
    study
        Name of the study's own sample.

    Returns
    -------
    DataFrame
        ``question`` (neighbours, gaps), ``choice`` in words, ``model modality zoom``, ``n_train n_train_study``,
        ``n_common`` validation objects of both, ``delta_rmse low high`` [dex] on these, choice less study, and
        ``rmse_study``.
    """
    own = _told(choices[study])
    n_train = metrics.drop_duplicates("path").set_index("path")["n_train"]
    rows = []
    for row in variants.to_dict("records"):
        other = choices.get(row["sample"])
        plain = row["base"] == row["modality"] and row["changed"] == f"sample {row['sample']}"
        if other is None or not plain or other["flag"] != choices[study]["flag"]:
            continue
        differs = [name for name, told in _told(other).items() if told != own[name]]
        if len(differs) != 1:
            continue
        words = _WORDS[differs[0], _told(other)[differs[0]]]
        study_rows = int(n_train.get(row["path_study"], 0))
        told = {"question": differs[0], "choice": words, "n_train_study": study_rows}
        rows.append({**{name: row[name] for name in _COLUMNS if name in row}, **told})
    return pd.DataFrame(rows, columns=_COLUMNS)


def _told(choice: Mapping[str, Any]) -> dict[str, str]:
    policy = str(choice["multi_object"])
    return {"neighbours": policy if policy == "keep" else f"{policy} {choice['detector']}", "gaps": str(choice["gaps"])}


def sample_choices(
    variants: pd.DataFrame, metrics: pd.DataFrame, choices: Mapping[str, Mapping[str, Any]], study: str
) -> tuple[Figure, pd.DataFrame]:
    """Draw the difference of RMSE of each choice: a panel a question, a row a choice and model, a point a modality.

    Takes what `choices_table` takes.
    """
    table = choices_table(variants, metrics, choices, study)
    drawn = table[table["delta_rmse"].notna()]
    if drawn.empty:
        return sentence_figure("No variant of this study changes what is done with neighbours or gaps alone."), table
    own = _told(choices[study])
    asked = [name for name in _QUESTIONS if (drawn["question"] == name).any()]
    most = max(len(_rows_of(drawn[drawn["question"] == name])) for name in asked)
    figure, axes = panels(1, len(asked), 1.1 + 0.42 * most)
    for axis, question in zip(axes, asked, strict=True):
        part = drawn[drawn["question"] == question]
        rows = _rows_of(part)
        present = modality_order(part["modality"])
        for index, modality in enumerate(present):
            points = part[part["modality"] == modality]
            y = np.array([rows.index(_row_of(point)) for point in points.to_dict("records")], dtype=float)
            y += (index - (len(present) - 1) / 2) * _STEP
            _draw_points(axis, points, y, modality)
        axis.axvline(0, color=BLACK, linewidth=0.8, zorder=0)
        axis.set_yticks(range(len(rows)), [_label(part, *row) for row in rows])
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.grid(visible=False, axis="y")
        axis.locator_params(axis="x", nbins=4)
        axis.set_title(f"{_QUESTIONS[question]}\nzero: {_WORDS[question, own[question]]}", loc="left")
    figure.supxlabel("difference of RMSE [dex] on common validation objects", fontsize=9)
    handles: list[Any] = [
        Line2D([], [], color=modality_colour(name), marker=modality_marker(name), label=modality_label(name))
        for name in modality_order(drawn["modality"])
    ]
    handles.append(
        Line2D([], [], color=GREY, marker="o", markerfacecolor="white", linestyle="none", label="includes zero")
    )
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure, table


def _rows_of(part: pd.DataFrame) -> list[tuple[str, str, int]]:
    models, words = model_order(part["model"]), list(_WORDS.values())
    found = set(map(_row_of, part.to_dict("records")))
    return sorted(found, key=lambda row: (words.index(row[0]), models.index(row[1]), row[2]))


def _row_of(row: Mapping[Any, Any]) -> tuple[str, str, int]:
    return str(row["choice"]), str(row["model"]), int(row["zoom"])


def _label(part: pd.DataFrame, choice: str, model: str, zoom: int) -> str:
    here = part[(part["choice"] == choice) & (part["model"] == model) & (part["zoom"] == zoom)].iloc[0]
    gain = int(here["n_train"] - here["n_train_study"])
    return f"{choice}\n{model_name(model)}, zoom {zoom} ({gain:+,})"


def _draw_points(axis: Any, points: pd.DataFrame, y: np.ndarray, modality: str) -> None:
    """Draw differences and their intervals; a filled point where the interval excludes zero."""
    colour = modality_colour(modality)
    axis.hlines(y, points["low"], points["high"], color=colour, linewidth=1.0)
    told = ((points["low"] > 0) | (points["high"] < 0)).to_numpy()
    for filled in (True, False):
        axis.plot(
            points["delta_rmse"][told == filled], y[told == filled], modality_marker(modality), color=colour,
            markerfacecolor=colour if filled else "white",
        )  # fmt: skip
