"""What residuals follow, and what more training galaxies would bring, in sentences."""

import numpy as np
import pandas as pd

from hiss.evaluation.collect import model_name
from hiss.report.phrases import Row, describe, looks_at, percent, records, signed, span


def residual_sentences(trends: pd.DataFrame | None) -> list[str]:
    """Return the slope of the residuals against each variable, as `hiss.evaluation.residuals.trends` words it."""
    if trends is None or trends.empty:
        return []
    words = trends.loc[trends["part"] == "slope", "words"].dropna()
    return [str(one).replace("95 %", "95\u00a0%") for one in words]


def calibration_sentences(table: pd.DataFrame | None) -> list[str]:
    """Say of each run and kind of interval at how many levels its coverage is told apart from the nominal one."""
    if table is None or table.empty:
        return []
    sentences = []
    covered = table[table["part"] == "coverage"]
    for (_, _, _, method), rows in covered.groupby(["model", "modality", "zoom", "method"], sort=False):
        off = rows[(rows["high"] < rows["level"]) | (rows["low"] > rows["level"])]
        kind = "of one width" if method == "residuals" else "that follow the object"
        what = f"{describe(records(rows)[0])}, intervals {kind}"
        if off.empty:
            sentences.append(f"{what}: at none of {len(rows)} levels is the coverage told apart from the nominal one.")
            continue
        worst = records(off.assign(gap=(off["coverage"] - off["level"]).abs()).sort_values("gap").tail(1))[0]
        sentences.append(
            f"{what}: at {len(off)} of {len(rows)} levels the coverage differs from the nominal one, most at "
            f"{percent(worst['level'])}, where {percent(round(worst['coverage'], 3))} are held."
        )
    return sentences


def learning_sentences(fits: pd.DataFrame | None) -> list[str]:
    """Say for each model and modality what the last doubling of the sample brought, and the next would bring.

    Parameters
    ----------
    fits
        As `hiss.evaluation.learning.learning_curves` returns them.
    """
    if fits is None or fits.empty:
        return []
    return [sentence for row in records(fits) if (sentence := _doubling(row))]


def _doubling(row: Row) -> str:
    name = f"{model_name(row['model'])} {looks_at(row['modality'])} at zoom {int(row['zoom'])}"
    sentence = ""
    if np.isfinite(row["last_doubling"]):
        sentence = (
            f"{name}: from {int(row['n_half']):,} to {int(row['n_all']):,} training galaxies the RMSE changed by "
        )
        sentence += _change(row, "last")
    if row["determined"]:
        begun = f"{sentence}; " if sentence else f"{name}: "
        power = f"n^\u2212{row['exponent']:.2g} towards {row['floor']:.3f} dex"
        return f"{begun}by a power law ({power}) twice as many would change it by {_change(row, 'next')}."
    if not sentence:
        return ""
    if row["last_high"] < 0:
        more = "another doubling may be expected to bring no more than that"
        return f"{sentence}; a power law is not determined, and {more}."
    if row["last_low"] > 0:
        return f"{sentence}: it rose, so that this curve says nothing of another doubling."
    return f"{sentence}, which this validation set cannot tell from none."


def _change(row: Row, which: str) -> str:
    ends = {"low": row[f"{which}_low"], "high": row[f"{which}_high"]}
    return f"{signed(row[f'{which}_doubling'])} dex ({span(ends)})"
