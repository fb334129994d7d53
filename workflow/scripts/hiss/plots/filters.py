"""Figure 1.3 of the study: how much light SDSS's five filters let through, over a galaxy's spectrum."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from hiss.bands import BANDS
from hiss.cube.transmission import filter_transmissions
from hiss.plots.example import Example
from hiss.plots.style import BLACK, FLUX_LABEL, GREY, WAVELENGTH_LABEL, band_colour, panels

Drawn = tuple[Figure, pd.DataFrame]

_WAVELENGTH: Final = np.arange(2900.0, 11201.0, 10.0)  # Angstrom; no filter lets light through outside it


def filters(example: Example | None) -> Drawn:
    """Draw Figure 1.3: the transmission of u g r i z, and behind it an object's spectrum where there is one.

    The curves are those by which the cube weighs spectra (`hiss.cube.transmission`), the atmosphere at airmass 1.2
    and the detector among them.
    """
    figure, (axes,) = panels(1, 1, 3.1)
    curves = filter_transmissions(_WAVELENGTH)
    for band, curve in zip(BANDS, curves, strict=True):
        axes.fill_between(_WAVELENGTH, curve, color=band_colour(band), alpha=0.25, linewidth=0)
        axes.plot(_WAVELENGTH, curve, color=band_colour(band), linewidth=1.4)
        middle = float((_WAVELENGTH * curve).sum() / curve.sum())
        axes.text(
            middle, curve.max() + 0.015, band, ha="center", va="bottom", fontsize=11, fontstyle="italic",
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )  # fmt: skip
    axes.set(xlabel=WAVELENGTH_LABEL, ylabel="transmission", xlim=(_WAVELENGTH[0], _WAVELENGTH[-1]), ylim=(0, 0.62))
    data = [
        pd.DataFrame({"part": f"filter {band}", "wavelength": _WAVELENGTH, "transmission": curve})
        for band, curve in zip(BANDS, curves, strict=True)
    ]
    if example is not None and np.isfinite(example.spectrum).any():
        behind = axes.twinx()
        behind.plot(example.wl, example.spectrum, color=GREY, linewidth=0.4)
        low, high = np.nanquantile(example.spectrum, [0.0, 0.999])
        behind.set(ylabel=FLUX_LABEL, ylim=(min(0.0, float(low)), 1.25 * float(high) if high > 0 else 1.0))
        behind.spines["right"].set_visible(True)
        behind.grid(visible=False)
        behind.yaxis.label.set_color(GREY)
        axes.set_zorder(behind.get_zorder() + 1)
        axes.patch.set_visible(False)
        axes.yaxis.label.set_color(BLACK)
        data.append(pd.DataFrame({"part": "spectrum", "wavelength": example.wl, "flux": example.spectrum}))
    return figure, pd.concat(data, ignore_index=True)
