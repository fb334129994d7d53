"""Which lines and bands LightGBM used, in sentences."""

import numpy as np
import pandas as pd

from hiss.report.phrases import Row, listed, looks_at, minus, percent, records

_MOST = 3  # named of each kind


def importance_sentences(summary: pd.DataFrame | None) -> list[str]:
    """Return what LightGBM used at the finest zoom of each modality: bands, lines, and images against spectra.

    Parameters
    ----------
    summary
        As `hiss.evaluation.importance.summarise_importance` returns it; None or empty without one.
    """
    if summary is None or summary.empty:
        return []
    sentences = [
        "Asked of the validation galaxies: by how much the RMSE rises when one part of what LightGBM sees is exchanged "
        "among galaxies. What another part tells too is not lost, so the numbers do not add up."
    ]
    for modality, own in summary.groupby("modality", sort=False):
        finest = own[own["zoom"] == own["zoom"].min()]
        where = f"{looks_at(str(modality))} at zoom {int(finest['zoom'].iloc[0])}"
        kinds = [_wholes(finest), _of_kind(finest, "band", "bands"), _lines(finest)]
        sentences += [f"LightGBM {where}: {'; '.join(filter(None, kinds))}."] if any(kinds) else []
    return sentences


def _wholes(rows: pd.DataFrame) -> str:
    """Set images and spectrum side by side, where the model sees both."""
    found = {row["kind"]: row for row in records(rows[rows["kind"].isin(["images", "spectrum"])])}
    if len(found) < 2:
        return ""
    images, spectrum = found["images"], found["spectrum"]
    return (
        f"without its own images the RMSE rises by {_lost(images)}, without its own spectrum by {_lost(spectrum)} "
        f"({percent(images['gain_share'])} and {percent(spectrum['gain_share'])} of the gain)"
    )


def _of_kind(rows: pd.DataFrame, kind: str, plural: str) -> str:
    told = _told(rows[rows["kind"] == kind])
    if rows[rows["kind"] == kind].empty:
        return ""
    if not told:
        return f"none of the {plural} matters by itself"
    named = [f"{row['name']} ({_lost(row)})" for row in told]
    return f"of the {plural} it misses most {listed(named)}"


def _lines(rows: pd.DataFrame) -> str:
    """Name the lines that matter, and say what of the spectrum's part in predictions lies within lines at all."""
    sentence = _of_kind(rows, "line", "lines")
    if not sentence:
        return ""
    lines, between = rows[rows["kind"] == "line"], rows[rows["kind"] == "continuum"]
    spectrum = rows.loc[rows["kind"] == "spectrum", "gain_share"].sum()
    if len(between) and spectrum > 0:
        share, room = 1 - between["gain_share"].sum() / spectrum, _room(rows)
        sentence += (
            f"; the windows of the {len(lines)} lines, {percent(round(room, 2))} of the spectrum, have "
            f"{percent(round(float(share), 2))} of its gain"
        )
    return sentence


def _room(rows: pd.DataFrame) -> float:
    share = rows.set_index("kind")["feature_share"]
    return float(1 - share["continuum"] / share["spectrum"])


def _told(rows: pd.DataFrame) -> list[Row]:
    """Return the regions whose loss is told apart from none, the greatest first."""
    sure = rows[rows["delta_low"] > 0].sort_values("delta_rmse", ascending=False, kind="stable")
    return records(sure.head(_MOST))


def _lost(row: Row) -> str:
    if not np.isfinite(row["delta_low"]):
        return f"{row['delta_rmse']:.3f} dex"
    return minus(f"{row['delta_rmse']:.3f} dex, 95\u00a0% interval {row['delta_low']:.3f} to {row['delta_high']:.3f}")
