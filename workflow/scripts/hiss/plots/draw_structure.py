"""All figures of the study of structure, drawn into a folder."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from hiss.plots import outliers, structure
from hiss.plots.example import example_of_cube
from hiss.plots.style import save_figure
from hiss.structure.collect import Key


def draw_structure(
    folder: Path | str,
    dense: Path | str,
    places: Mapping[Key, pd.DataFrame],
    tables: Mapping[str, pd.DataFrame],
    pictures: int,
) -> None:
    """Draw ``fig_structure_<modality>`` of each kind of data, ``fig_structure_scores`` and ``fig_outliers``.

    Parameters
    ----------
    dense
        ``dense.h5``, where the odd objects are read.
    places
        By modality and zoom, as `hiss.structure.explore.explore` returns them.
    tables
        ``objects scores survival outliers``.
    pictures
        Odd objects to draw.
    """
    for modality in dict.fromkeys(name for name, _ in places):
        own = {zoom: table for (name, zoom), table in places.items() if name == modality}
        figure, data = structure.structure(own, tables["objects"])
        save_figure(figure, folder, f"fig_structure_{modality}", data)
    figure, data = structure.scores(tables["scores"], tables["survival"])
    save_figure(figure, folder, "fig_structure_scores", data)
    chosen = outliers.choose_oddest(tables["outliers"], pictures)
    examples = [example_of_cube(dense, row) for _, row in chosen.iterrows()]
    figure, data = outliers.outliers(chosen, examples)
    save_figure(figure, folder, "fig_outliers", data)
