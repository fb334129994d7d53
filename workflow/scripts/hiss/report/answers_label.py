"""What the label is and what its own noise allows, in sentences."""

from typing import Final

import numpy as np
import pandas as pd

from hiss.evaluation.meaning import r2_meaning
from hiss.report.phrases import Row, count, fixed, records

_DERIVED: Final = (
    "The label AVG is the mean of the distribution of log SFR that MPA-JHU derived (Brinchmann et al. 2004, total "
    "rates) from the emission lines or the 4000 Å break of these very spectra, within the fibre, and from the "
    "magnitudes of the same galaxies for the light outside it."
)
_DRAWN: Final = (
    "The label AVG of this simulated sky is the known log SFR of each galaxy with noise drawn for it, in place of "
    "MPA-JHU's estimate; nothing of it was derived from the spectra or magnitudes."
)
_GIVEN: Final = (
    " That holds where the tables of the local folder are MPA-JHU's of the same spectra, which this run cannot check."
)
_EMULATED: Final = (
    "AVG was derived from these very spectra and from magnitudes of the same galaxies: R² tells how well that estimate "
    "is emulated, not how well the true rate is known (more below)."
)
_EMULATED_HERE: Final = (
    "AVG of this simulated sky is the known rate with noise drawn for it: R² says nothing about real galaxies "
    "(more below)."
)


def what_it_is(sky: str) -> str:
    """Say what the label is on a sky of a kind: simulated, local, archive or existing."""
    return _DRAWN if sky == "simulated" else _DERIVED + (_GIVEN if sky == "local" else "")


def short_meaning(sky: str) -> str:
    """Say in one sentence what an R2 tells on a sky of a kind."""
    return _EMULATED_HERE if sky == "simulated" else _EMULATED + (_GIVEN if sky == "local" else "")


def r2_at_length(sky: str) -> list[str]:
    """Say at length what an R2 tells on a sky of a kind."""
    return [text.replace("R2", "R²") for text in r2_meaning(sky)]


def label(noise: pd.DataFrame | None, sky: str) -> list[str]:
    """Say what the label is, how wide the catalogue calls it, and how far labels of one galaxy lie apart.

    Parameters
    ----------
    noise
        One row, as `hiss.sample.label_noise.label_noise` returns it; None where it was not measured.
    sky
        Its kind: simulated, local, archive or existing.
    """
    if noise is None or noise.empty:
        return []
    row = records(noise)[0]
    return [what_it_is(sky), *_widths(row), *_repeats(row)]


def _widths(row: Row) -> list[str]:
    if not row["n_widths"]:
        return ["No label of FLAG = 0 has percentiles, so that its noise is not known."]
    said = (
        f"Half the width from P16 to P84 is {fixed(row['half_width'], 2)} dex in the median of "
        f"{count(int(row['n_widths']), 'label')} of FLAG = 0 (16\u00a0% and 84\u00a0% of them: below "
        f"{fixed(row['half_width_p16'], 2)} and {fixed(row['half_width_p84'], 2)})"
    )
    if not np.isfinite(row["ceiling"]):
        return [f"{said}."]
    allows = (
        f"no RMSE could fall below {fixed(row['half_width_rms'], 2)} dex, their root mean square, and no R² of "
        f"all labels exceed {fixed(row['ceiling'], 2)}"
        if row["ceiling"] > 0
        else "nothing could be learned, since it is wider than the labels spread"
    )
    return [f"{said}; AVG itself spreads by {fixed(row['spread'], 2)} dex. Were the width all noise, {allows}."]


def _repeats(row: Row) -> list[str]:
    galaxies = int(row["galaxies"])
    if not galaxies:
        return ["No galaxy has two labels of FLAG = 0, so that their width cannot be checked by repeats."]
    sentences = [
        f"{count(galaxies, 'galaxy has', 'galaxies have')} several spectra and so several labels of FLAG = 0 "
        f"({int(row['labels']):,} in all): those of one galaxy scatter by {_measured(row, 'scatter', ' dex')}, where "
        f"their widths let expect {fixed(row['expected'])} dex; in units of the widths that is "
        f"{_measured(row, 'pull')}, {_reading(row)}."
    ]
    if np.isfinite(row["ceiling_repeats"]) and row["ceiling_repeats"] > 0:
        sentences.append(
            "Were that scatter all the noise there is, the ceiling of R² of all labels would be "
            f"{fixed(row['ceiling_repeats'], 2)}. It is not all: repeats share the galaxy's photometry and the "
            "derivation's assumptions, and what errs in all of them alike does not show."
        )
    return sentences


def _measured(row: Row, name: str, unit: str = "") -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    told = f"95\u00a0% interval {fixed(low)} to {fixed(high)}" if np.isfinite(low) else "too few for an interval"
    return f"{fixed(row[name])}{unit} ({told})"


def _reading(row: Row) -> str:
    if not np.isfinite(row["pull_low"]):
        return "which so few cannot tell from 1"
    if row["pull_high"] < 1:
        return "so that labels repeat better than their widths say"
    if row["pull_low"] > 1:
        return "so that labels scatter more than their widths say"
    return "which cannot be told from 1, where labels repeat as well as their widths say"
