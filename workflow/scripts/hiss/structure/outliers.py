"""Objects unlike the others: which, by what measure, and where in their images or spectra."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.neighbors import LocalOutlierFactor

from hiss.spectral_lines import SPECTRAL_LINES
from hiss.structure.features import Doubles, Floats, Points
from hiss.structure.near import nearest

_NEIGHBOURS: Final = 20  # of which a point's density is told
_MAD: Final = 1.4826

LEFT_OVER: Final = "not in the components of the others"
LONELY: Final = "apart from its neighbours"


@dataclass(frozen=True)
class Oddness:
    """How odd each object (n,) is.

    Attributes
    ----------
    left_over
        Mean square of what the components of other objects leave over, less the noise of the object itself.
    lonely
        Local outlier factor: how much thinner an object's surroundings are than those of its neighbours.
    score
        The larger of both, each as deviations from the median in robust sigmas.
    by_components
        Whether it is the first.
    """

    left_over: Doubles
    lonely: Doubles
    score: Doubles
    by_components: NDArray[np.bool_]


def squares_by_part(difference: Floats, points: Points, noise: Doubles | None = None) -> Doubles:
    """Return (n, parts) sums of squares of a difference (n, m) in each part, less the variance of the noise."""
    return points.summed(difference**2) - (points.noise if noise is None else noise)


def oddness(points: Points, left: Floats, scores: Doubles) -> Oddness:
    """Return how odd objects are, of what components leave over (n, m) and of their place among scores (n, d)."""
    left_over = squares_by_part(left, points).sum(axis=1) / points.values.shape[1]
    factor = LocalOutlierFactor(n_neighbors=min(_NEIGHBOURS, len(scores) - 1)).fit(scores)
    lonely = -np.asarray(factor.negative_outlier_factor_, dtype=np.float64)
    first, second = robust_sigmas(left_over), robust_sigmas(lonely)
    return Oddness(left_over, lonely, np.maximum(first, second), first >= second)


def robust_sigmas(values: Doubles) -> Doubles:
    """Return deviations from the median in units of 1.4826 times the median absolute deviation."""
    deviation = values - np.median(values)
    scale = _MAD * float(np.median(np.abs(deviation)))
    return deviation / scale if scale > 0 else np.zeros(len(values))


def reasons(
    points: Points, left: Floats, scores: Doubles, odd: Oddness, redshift: Doubles, rows: NDArray[np.int64]
) -> list[str]:
    """Return what makes each of some objects odd: the part of its features that adds most, and a line if it is one."""
    neighbours = nearest(scores, _NEIGHBOURS)
    told = []
    for row in rows.tolist():
        if odd.by_components[row]:
            difference, what, noise = left[row], LEFT_OVER, points.noise[row]
        else:
            own = neighbours[row]
            difference, what = points.values[row] - points.values[own].mean(axis=0), LONELY
            noise = points.noise[row] + points.noise[own].sum(axis=0) / len(own) ** 2
        parts = squares_by_part(difference[None], points, noise[None])[0]
        most = int(np.argmax(parts))
        positive = np.clip(parts, 0, None).sum()
        share = f" ({100 * parts[most] / positive:.0f} %)" if positive > 0 else ""
        line = _line_at(difference, points, most, float(redshift[row]))
        told.append(f"{what}: {points.parts[most]}{line}{share}")
    return told


def _line_at(difference: Floats, points: Points, place: int, redshift: float) -> str:
    """Return `` near H-alpha`` where the largest difference of a part of the spectrum is within that line's window."""
    inside = np.flatnonzero((points.part == place) & np.isfinite(points.wl))
    if not len(inside) or not np.isfinite(redshift):
        return ""
    rest = float(points.wl[inside[np.argmax(np.abs(difference[inside]))]]) / (1 + redshift)
    found = [line.name for line in SPECTRAL_LINES if abs(rest - line.wavelength) <= line.half_width]
    return f" near {found[0]}" if found else ""


def as_columns(odd: Oddness, told: dict[int, str]) -> pd.DataFrame:
    """Return ``left_over lonely oddness reason`` of each object; the reason is empty but for those it was asked of."""
    return pd.DataFrame(
        {
            "left_over": odd.left_over,
            "lonely": odd.lonely,
            "oddness": odd.score,
            "reason": [told.get(row, "") for row in range(len(odd.score))],
        }
    )
