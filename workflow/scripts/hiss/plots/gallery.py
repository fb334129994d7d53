"""One object in small, for a gallery: its five bands and their composite over its spectrum."""

from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from hiss.bands import BANDS
from hiss.files import atomic
from hiss.plots.colour import colour_composite
from hiss.plots.example import Example, draw_colour, draw_cutout, draw_gaps, flux_range, lines_within
from hiss.plots.style import BLACK, SKY, VERMILION, plt

_WIDTH, _HEIGHT = 420, 424  # pixels of the whole
_SIDE, _GAP, _MARGIN = 128, 6, 12  # of a picture: two to each pixel of the cutout; between them; around them
_COLUMNS: Final = 3
_SPECTRUM: Final = (60, 30, 348, 110)  # left, bottom, width, height
_RESOLUTION: Final = 100  # pixels an inch
_LABEL: Final = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
_MARKED: Final = ("[O II]", r"H$\beta$", r"H$\alpha$")  # lines with room for a name
_EDGE: Final = 180.0  # from the ends of a spectrum there is no such room [Angstrom]


def draw_card(path: Path, example: Example) -> None:
    """Write one object as a small PNG, the same bytes each time; a palette keeps it below 40 KB."""
    figure = plt.figure(figsize=(_WIDTH / _RESOLUTION, _HEIGHT / _RESOLUTION), dpi=_RESOLUTION, layout="none")
    for place, name in enumerate((*BANDS, "g r i")):
        row, column = divmod(place, _COLUMNS)
        left, top = (_MARGIN + number * (_SIDE + _GAP) for number in (column, row))
        axes = _axes(figure, left, _HEIGHT - top - _SIDE, _SIDE, _SIDE)
        if place < len(BANDS):
            draw_cutout(axes, example.images[place], example.image_sigma[place])
        else:
            draw_colour(axes, colour_composite(example.images, example.image_sigma))
        axes.set(xticks=[], yticks=[])
        axes.annotate(name, (4, _SIDE - 4), xycoords="axes pixels", va="top", fontsize=8, bbox=_LABEL)
    _draw_spectrum(_axes(figure, *_SPECTRUM), example)
    pixels = _pixels(figure)
    plt.close(figure)
    with atomic(path) as temporary:
        picture = Image.fromarray(pixels).quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        picture.save(temporary, "png", optimize=True)


def _axes(figure: Figure, left: int, bottom: int, width: int, height: int) -> Axes:
    return figure.add_axes((left / _WIDTH, bottom / _HEIGHT, width / _WIDTH, height / _HEIGHT))


def _pixels(figure: Figure) -> NDArray[np.uint8]:
    """Return (height, width, 3) of a drawn figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def _draw_spectrum(axes: Axes, example: Example) -> None:
    wl, flux, sigma = (np.asarray(a, np.float64) for a in (example.wl, example.spectrum, example.spectrum_sigma))
    axes.set(xlim=(wl[0], wl[-1]))
    axes.set_xlabel(r"observed wavelength [$\mathrm{\AA}$]", fontsize=8, labelpad=1)
    axes.set_ylabel("flux [10$^{-17}$ erg\ns$^{-1}$ cm$^{-2}$ $\\mathrm{\\AA}^{-1}$]", fontsize=7, labelpad=1)
    axes.tick_params(labelsize=7, pad=1, length=2)
    axes.grid(visible=False)
    known = np.isfinite(flux)
    if not known.any():
        axes.text(0.5, 0.5, "no valid flux", transform=axes.transAxes, ha="center", fontsize=8)
        return
    axes.fill_between(wl, flux - sigma, flux + sigma, color=SKY, linewidth=0)
    axes.plot(wl, flux, color=BLACK, linewidth=0.5)
    low, high = flux_range(flux)
    axes.set_ylim(low, low + (high - low) * 1.2)
    draw_gaps(axes, wl, known)
    for name, position in lines_within(example.target, float(wl[0]), float(wl[-1])):
        if name in (*_MARKED, "[O III]"):
            axes.axvline(position, ymax=0.85, color=VERMILION, linewidth=0.6, linestyle=":")
        if name in _MARKED and wl[0] + _EDGE < position < wl[-1] - _EDGE:
            axes.text(position, 0.86, name, transform=axes.get_xaxis_transform(), ha="center", fontsize=7)
