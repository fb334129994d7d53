"""What the gallery says of an object: title, numbers beside it, and its picture in words."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import NDArray

from hiss.bands import CUTOUT_SIZE, PIXEL_SCALE
from hiss.plots.example import Example, kind_of
from hiss.report.phrases import count, fixed, percent
from hiss.sdss.labels import is_label

_KINDS: Final = {"GALAXY": "Galaxy", "QSO": "Quasar", "STAR": "Star"}


def title_of(row: pd.Series) -> str:
    """Return ``Galaxy, log SFR 0.35, z = 0.056``."""
    return f"{_KINDS.get(kind_of(row), 'Object')}, log SFR {fixed(row['avg'], 2)}, z = {fixed(row['z'], 3)}"


def text_of(row: pd.Series) -> str:
    """Return the label's own width and, of a test object, how far the prediction is off."""
    told = "The catalogue has no P16 and P84 of it"
    if is_label([row["p16"], row["p84"]]).all():
        told = f"P16 to P84 of the label: {fixed(row['p16'], 2)} to {fixed(row['p84'], 2)}"
    error = row["prediction"] - row["avg"]
    if np.isfinite(error):
        told += f"; predicted {fixed(abs(error), 2)} dex too {'high' if error > 0 else 'low'}"
    return told + "."


def facts_of(shown: pd.DataFrame, tested: pd.DataFrame) -> tuple[str, ...]:
    """Return what is known of objects that may explain an error, in numbers and against all test objects."""
    return tuple(_facts(row, tested) for _, row in shown.iterrows())


def _facts(row: pd.Series, tested: pd.DataFrame) -> str:
    widths = half_width(tested["p16"], tested["p84"])
    width = float(half_width(row["p16"], row["p84"]))
    ranked: list[tuple[str, float, npt.ArrayLike, int, str]] = [
        ("S/N", row["sn_median"], tested["sn_median"], 1, ""),
        ("redshift", row["z"], tested["z"], 3, ""),
        ("half-width of the label", width, widths, 2, " dex"),
    ]
    parts = [
        f"{name} {fixed(value, digits)}{unit} ({_rank(value, values)})"
        for name, value, values, digits, unit in ranked
        if np.isfinite(value)
    ]
    if np.isfinite(width) and width > 0:
        parts.append(f"the error is {fixed(abs(row['error']) / width, 1)} times that half-width")
    if row["avg"] < row["low"] or row["avg"] > row["high"]:
        parts.append("AVG is outside the interval")
    parts.append(f"{count(int(row['regions']), 'region')} above the threshold")
    parts.append(f"FLAG {row['flag']:.0f}")
    if row["missing"] > 0:
        parts.append(f"{percent(row['missing'])} of the flux samples missing")
    return _capital("; ".join(parts)) + "."


def half_width(p16: npt.ArrayLike, p84: npt.ArrayLike) -> NDArray[np.float64]:
    """Return half the distance of a label's percentiles [dex]; NaN where the catalogue has its placeholder."""
    low, high = np.asarray(p16, np.float64), np.asarray(p84, np.float64)
    return np.where(is_label(low) & is_label(high), (high - low) / 2, np.nan)


def _rank(value: float, values: npt.ArrayLike) -> str:
    """Return where a value stands among those of the test objects."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    lower, higher = float((known < value).mean()), float((known > value).mean())
    if higher >= lower:
        return f"lower than {percent(round(higher, 2))} of the test objects"
    return f"higher than {percent(round(lower, 2))} of the test objects"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def alternative(example: Example) -> str:
    """Return the picture in words, for a reader who does not see it."""
    row, wl, flux = example.target, example.wl, np.asarray(example.spectrum, np.float64)
    subclass = str(row.get("subclass", "")).strip()
    kind = _KINDS.get(kind_of(row), "Object").lower() + (f" of subclass {subclass}" if subclass else "")
    side = CUTOUT_SIZE * PIXEL_SCALE
    told = f"A {kind} in u, g, r, i, z and in colour, each cutout {side:.0f} arcsec wide; below them its spectrum"
    missing = int(np.isnan(flux).sum())
    if missing == len(flux):
        return f"{told}, which has no valid flux."
    median = f"{np.nanmedian(flux):.1f}e-17 erg/s/cm2/Angstrom"
    told += f" from {wl[0]:,.0f} to {wl[-1]:,.0f} Angstrom, of median flux {median}"
    if missing:
        told += f"; {count(missing, 'sample')} without a measurement {_are(missing)} yellow"
    pixels = int(np.isnan(example.images).sum())
    return told + (f"; {count(pixels, 'pixel')} without a measurement {_are(pixels)} hatched." if pixels else ".")


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
