"""The label's own noise: how wide the catalogue says it is, and how far two labels of one galaxy lie apart."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hiss.plots.style import BLACK, BLUE, GREY, SFR_LABEL, VERMILION, panels, say_instead, sentence_figure
from hiss.sample.label_noise import half_width

Drawn = tuple[Figure, pd.DataFrame]

_COLUMNS: Final = ["part", "target_id", "avg", "half_width", "difference", "expected"]
_BINS: Final = 12  # of AVG, for the running quantiles
_FEWEST: Final = 8  # objects of a bin that has quantiles


def label_scatter(objects: pd.DataFrame, repeats: pd.DataFrame) -> Drawn:
    """Draw half the width P16 to P84 over AVG, and the difference of two labels of one galaxy over what widths expect.

    Parameters
    ----------
    objects
        The labelled objects; those of FLAG = 0 with percentiles are drawn.
    repeats
        As `hiss.sample.label_noise.repeated_labels` returns it.
    """
    good = objects[objects["flag"] == 0]
    widths = good[["target_id", "avg"]].assign(part="width", half_width=half_width(good["p16"], good["p84"]))
    widths = widths[widths["half_width"].notna()]
    pairs = label_pairs(repeats)
    data = pd.concat([widths, pairs.assign(part="pair")], ignore_index=True).reindex(columns=_COLUMNS)
    if widths.empty:
        return sentence_figure("No label of FLAG = 0 has a width, so that its noise cannot be shown."), data
    figure, (left, right) = panels(1, 2, 3.1)
    _draw_widths(left, widths["avg"].to_numpy(np.float64), widths["half_width"].to_numpy(np.float64))
    _draw_pairs(right, pairs)
    return figure, data


def label_pairs(repeats: pd.DataFrame) -> pd.DataFrame:
    """Return one row a label beyond a galaxy's first: what it differs by, and the sigma that both widths expect."""
    first = repeats.groupby("target_id")[["avg", "half_width"]].transform("first")
    pairs = repeats[["target_id", "avg", "half_width"]].assign(
        difference=repeats["avg"] - first["avg"],
        expected=np.hypot(repeats["half_width"], first["half_width"]),
    )
    return pairs[repeats["target_id"].duplicated()].reset_index(drop=True)


def _draw_widths(axis: Axes, avg: NDArray[np.float64], width: NDArray[np.float64]) -> None:
    axis.scatter(avg, width, s=4, color=BLUE, alpha=0.35, linewidths=0, rasterized=True, label="a galaxy")
    middle, quantiles = _running(avg, width)
    if len(middle):
        axis.plot(middle, quantiles[:, 1], color=BLACK, label="median")
        axis.plot(middle, quantiles[:, 0], color=BLACK, linestyle="--", linewidth=0.9, label="16 % and 84 %")
        axis.plot(middle, quantiles[:, 2], color=BLACK, linestyle="--", linewidth=0.9)
    axis.set(xlabel=f"AVG: {SFR_LABEL}", ylabel="(P84 − P16) / 2 of the label [dex]", ylim=(0, None))
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0.2, columnspacing=1, handlelength=1.5)


def _running(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (m,) medians of x and (m, 3) quantiles 16, 50, 84 % of y in bins of x with as many objects each."""
    order = np.argsort(x, kind="stable")
    parts = [part for part in np.array_split(order, _BINS) if len(part) >= _FEWEST]
    if not parts:
        return np.empty(0), np.empty((0, 3))
    return np.array([np.median(x[part]) for part in parts]), np.array(
        [np.quantile(y[part], [0.16, 0.5, 0.84]) for part in parts]
    )


def _draw_pairs(axis: Axes, pairs: pd.DataFrame) -> None:
    if pairs.empty:
        say_instead(axis, "No galaxy of this sky has two labels of FLAG = 0, so that none can be compared.")
        return
    end = 1.1 * float(pairs["expected"].max())
    for times, style in ((1, "-"), (2, ":")):
        for sign in (-1, 1):
            label = f"±{times} sigma" if sign > 0 else None
            axis.plot([0, end], [0, sign * times * end], color=GREY, linestyle=style, linewidth=0.9, label=label)
    axis.plot(pairs["expected"], pairs["difference"], "o", color=VERMILION, markersize=3.5, label="two labels")
    most = max(1.15 * float(pairs["difference"].abs().max()), 1.2 * end)
    axis.set(
        xlabel="sigma of the difference by both widths [dex]", ylabel="difference of two labels [dex]",
        xlim=(0, end), ylim=(-most, most),
    )  # fmt: skip
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0.2, columnspacing=1, handlelength=1.5)
