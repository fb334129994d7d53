"""Every figure of a study keeps the house's style: labelled axes, legible text, no wider than a page."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from miniature_results import Study, draw, evaluate, make_results

from hiss.plots import results
from hiss.plots.style import FULL_WIDTH, SMALLEST_TEXT, error_bars


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What is wrong with each figure of a whole study, by its file's name; looked at as it is written."""
    folder, study = tmp_path_factory.mktemp("styled"), Study(zooms=(2, 3))
    evaluate(make_results(folder, study, n=120), study)
    found: dict[str, list[str]] = {}
    write = Figure.savefig

    def look_and_write(figure: Figure, path: Any, *given: Any, **options: Any) -> None:
        write(figure, path, *given, **options)
        if options.get("format") == "svg":
            found[Path(path).name.lstrip(".").split(".")[0]] = _faults(figure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", look_and_write)
        draw(folder)
    return found


def _faults(figure: Figure) -> list[str]:
    """Say what is wrong with a figure that is laid out."""
    faults = [] if figure.get_figwidth() <= FULL_WIDTH + 0.01 else [f"{figure.get_figwidth():.1f} inches wide"]
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text.get_fontsize() < SMALLEST_TEXT:
            faults.append(f"{text.get_text()!r} in {text.get_fontsize():g} pt")
    axes = [axis for axis in figure.axes if axis.axison]
    return faults + [
        f"no label on the {which} axis of panel {place}"
        for which in "xy"
        for place, axis in enumerate(axes)
        if not _labelled(axis, axes, which)
    ]


def _labelled(axis: Axes, axes: list[Axes], which: str) -> bool:
    """Whether an axis says what it shows: by itself, by the figure, by its ticks' names, or below or beside it."""
    figure = axis.get_figure()
    assert isinstance(figure, Figure)
    ticks = axis.get_xticks() if which == "x" else axis.get_yticks()
    if len(ticks) == 0:  # a colour bar across
        return True
    if axis.images and which == "x":  # a picture of the sky: both axes are offsets, one label serves
        return _labelled(axis, axes, "y")
    if figure.get_supxlabel() if which == "x" else figure.get_supylabel():
        return True
    line = [other for other in axes if _same_line(axis, other, which)]
    return any(_says(other, which) for other in line)


def _same_line(axis: Axes, other: Axes, which: str) -> bool:
    """Whether two panels share a column (of x) or a row (of y) of the figure."""
    a, b = axis.get_subplotspec(), other.get_subplotspec()
    if a is None or b is None:
        return axis is other
    first, second = (a.colspan, b.colspan) if which == "x" else (a.rowspan, b.rowspan)
    return set(first) <= set(second) or set(second) <= set(first)


def _says(axis: Axes, which: str) -> bool:
    label = axis.get_xlabel() if which == "x" else axis.get_ylabel()
    ticks = axis.get_xticklabels() if which == "x" else axis.get_yticklabels()
    return bool(label.strip()) or any(any(letter.isalpha() for letter in tick.get_text()) for tick in ticks)


def test_every_figure_is_legible_and_says_what_its_axes_are(drawn: dict[str, list[str]]) -> None:
    assert len(drawn) > 25
    assert not {name: faults for name, faults in drawn.items() if faults}


def test_a_figure_without_labels_and_with_small_text_is_found() -> None:
    figure = Figure(figsize=(9, 2))
    axis = figure.add_subplot()
    axis.plot([1, 2], [3, 4])
    axis.text(1, 3, "tiny", fontsize=5)
    assert _faults(figure) == [
        "9.0 inches wide",
        "'tiny' in 5 pt",
        "no label on the x axis of panel 0",
        "no label on the y axis of panel 0",
    ]


def test_an_unknown_interval_draws_no_bar() -> None:
    bars = error_bars([1.0, 2.0, 3.0], [0.5, np.nan, 3.1], [1.25, np.nan, 4.0])
    assert bars[:, 0].tolist() == [0.5, 0.25]
    assert np.isnan(bars[:, 1]).all()
    assert bars[:, 2].tolist() == [0.0, 1.0], "an end on the wrong side by rounding is none"
    row: dict[str, Any] = {"model": "lightgbm", "modality": "photo", "settings": "a=1", "n": 9, "r2_ceiling": np.nan}
    for name in ("r2", "mae", "rmse", "nmad"):
        row |= {name: 0.5, f"{name}_low": 0.4, f"{name}_high": 0.7}
    unknown = {name: np.nan for name in row if name.endswith(("_low", "_high"))}
    figure, _ = results.metrics_of_model(pd.DataFrame([row | {"zoom": 0}, row | {"zoom": 1} | unknown]), "lightgbm")
    for axis in figure.axes:
        bars_drawn = [line for line in axis.collections[0].get_segments() if len(line) and np.isfinite(line).all()]
        assert len(bars_drawn) == 1, "only the known interval"
        caps = [line for line in axis.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "None"]
        assert caps
        assert all(pd.notna(cap.get_ydata()).sum() == 1 for cap in caps)
