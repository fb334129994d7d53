"""Figure 1.1 of the study: one object, its five cutouts over its spectrum, at any zoom."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from hiss.bands import BANDS, CUTOUT_SIZE, PIXEL_SCALE
from hiss.cube.layout import ml_image_data, ml_image_group, ml_spectrum_data, ml_spectrum_group
from hiss.cube.shard_sources import demand_sources
from hiss.errors import HissError
from hiss.plots.style import BLACK, FULL_WIDTH, GREY, SKY, VERMILION, YELLOW, plt
from hiss.sample.arrays import load_rows
from hiss.sdss.labels import is_label
from hiss.spectral_lines import SPECTRAL_LINES

Array = NDArray[np.floating]

HALF_WIDTH = CUTOUT_SIZE * PIXEL_SCALE / 2
"""From the centre of a cutout to its edge, at every zoom [arcsec]."""

_SOFTENING = 3.0  # sky sigmas within which the asinh stretch is linear


@dataclass(frozen=True)
class Example:
    """One object at one zoom, as measured: NaN in flux and sigma where nothing was."""

    target: pd.Series
    """Its row of the table of objects or targets."""
    images: Array
    """(5, side, side) flux; side is 64 at zoom 0 and half of it at each further zoom."""
    image_sigma: Array
    """(5, side, side)."""
    spectrum: Array
    """(samples,) flux; 4620 at zoom 0."""
    spectrum_sigma: Array
    wl: Array
    """(samples,) observed vacuum wavelength [Angstrom]."""


def choose_example(targets: pd.DataFrame) -> pd.Series:
    """Return the target of highest S/N, galaxies first."""
    galaxies = targets[targets["class"].astype(str).str.strip() == "GALAXY"]
    candidates = galaxies if len(galaxies) else targets
    return candidates.iloc[int(candidates["sn_median"].fillna(-np.inf).to_numpy().argmax())]


def example_of_sample(arrays: Path | str, target: pd.Series) -> Example:
    """Read one labelled object out of the sample's arrays of one zoom."""
    found = load_rows(arrays, [int(target["row"])], "early")
    if found.images is None or found.image_sigma is None or found.spectra is None:
        raise HissError(f"{arrays}: has no images or spectra; make the sample again")
    if found.spectrum_sigma is None or found.wl is None:
        raise HissError(f"{arrays}: has no sigmas or wavelengths; make the sample again")
    return Example(target, found.images[0], found.image_sigma[0], found.spectra[0], found.spectrum_sigma[0], found.wl)


def example_of_cube(dense: Path | str, target: pd.Series) -> Example:
    """Read one target out of the dense cube at zoom 0, labelled or not."""
    row = int(target["target_id"])
    with h5py.File(dense, "r") as file:
        demand_sources(file)
        wl = file[f"{ml_spectrum_group(0)}/wl"]
        return Example(
            target,
            file[ml_image_data(0)][row],
            file[f"{ml_image_group(0)}/errors"][row],
            file[ml_spectrum_data(0)][row],
            file[f"{ml_spectrum_group(0)}/errors"][row],
            wl[row] if wl.ndim == 2 else wl[:],
        )


def example_object(example: Example, colour: NDArray[np.uint8] | None = None) -> tuple[Figure, pd.DataFrame]:
    """Draw Figure 1.1: the cutouts u g r i z with an asinh stretch over the spectrum, its sigma and its lines.

    Parameters
    ----------
    colour
        (side, side, 4) a colour composite, drawn beside the five bands.
    """
    figure = plt.figure(figsize=(FULL_WIDTH, 4.1))
    pictures = len(BANDS) + (colour is not None)
    grid = figure.add_gridspec(2, pictures, height_ratios=(1, 1.45 * pictures / len(BANDS)))
    for index, band in enumerate(BANDS):
        axes = figure.add_subplot(grid[0, index])
        draw_cutout(axes, example.images[index], example.image_sigma[index])
        _frame_cutout(axes, band, first=index == 0)
    if colour is not None:
        axes = figure.add_subplot(grid[0, -1])
        draw_colour(axes, colour)
        _frame_cutout(axes, "g r i", first=False)
    axes = figure.add_subplot(grid[1, :])
    _draw_spectrum(axes, example)
    figure.suptitle(_title(example.target), fontsize=9)
    return figure, _data(example)


def draw_cutout(axes: Axes, image: Array, sigma: Array) -> None:
    """Draw one band, (side, side), dark where it is bright; pixels that were not measured are hatched yellow."""
    known = sigma[np.isfinite(sigma)]
    scale = _SOFTENING * float(np.median(known)) if len(known) else 1.0
    stretched = np.arcsinh((image - np.nanmedian(image)) / scale) if np.isfinite(image).any() else image
    _show(axes, stretched)
    if np.isnan(image).any():
        axes.patch.set(facecolor=YELLOW, edgecolor=GREY, hatch="////")


def draw_colour(axes: Axes, colour: NDArray[np.uint8]) -> None:
    """Draw a composite, (side, side, 4); where a band was not measured it is hatched yellow."""
    _show(axes, colour)
    if (colour[..., 3] == 0).any():
        axes.patch.set(facecolor=YELLOW, edgecolor=GREY, hatch="////")


def _show(axes: Axes, pixels: NDArray) -> None:
    extent = (-HALF_WIDTH, HALF_WIDTH, -HALF_WIDTH, HALF_WIDTH)
    axes.imshow(pixels, cmap="gray_r", origin="lower", extent=extent, interpolation="nearest")
    axes.grid(visible=False)


def _frame_cutout(axes: Axes, title: str, first: bool) -> None:
    axes.set_title(title, fontsize=10, pad=3)
    axes.set_xticks([-10, 0, 10])
    axes.set_yticks([-10, 0, 10], None if first else [])
    axes.tick_params(labelsize=7)
    if first:
        axes.set_ylabel("offset [arcsec]", fontsize=8)


def _draw_spectrum(axes: Axes, example: Example) -> None:
    flux, sigma, wl = (np.asarray(a, np.float64) for a in (example.spectrum, example.spectrum_sigma, example.wl))
    known = np.isfinite(flux)
    axes.set(
        xlabel=r"observed wavelength [$\mathrm{\AA}$]",
        ylabel="flux [10$^{-17}$ erg s$^{-1}$\n" + r"cm$^{-2}$ $\mathrm{\AA}^{-1}$]",
        xlim=(wl[0], wl[-1]),
    )
    if not known.any():
        axes.text(0.5, 0.5, "This object's spectrum has no valid flux.", transform=axes.transAxes, ha="center")
        return
    axes.fill_between(wl, flux - sigma, flux + sigma, color=SKY, linewidth=0, label=r"flux $\pm\sigma$")
    axes.plot(wl, flux, color=BLACK, linewidth=0.4, label="flux")
    low, high = flux_range(flux)
    axes.set_ylim(low, low + (high - low) * 1.4)
    draw_gaps(axes, wl, known)
    _mark_lines(axes, example.target, wl)
    handles, _ = axes.get_legend_handles_labels()
    if not (known.all() and np.isfinite(example.images).all()):
        handles.append(Patch(color=YELLOW, label="not measured"))
    axes.legend(handles=handles, loc="upper right", ncols=3, bbox_to_anchor=(1, 1.14), borderaxespad=0)


def flux_range(flux: NDArray[np.float64]) -> tuple[float, float]:
    """Return the lowest and highest flux to be drawn, of a spectrum with some flux; single spikes are cut."""
    low, high = np.nanquantile(flux, [0.002, 0.9995])
    span = (high - low) or 1.0
    return float(low - 0.1 * span), float(high + 0.1 * span)


def gap_edges(known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (n, 2) first sample of each gap and the first after it."""
    return np.flatnonzero(np.diff(~known, prepend=False, append=False)).reshape(-1, 2)


def draw_gaps(axes: Axes, wl: Array, known: NDArray[np.bool_]) -> None:
    """Draw a yellow band over each gap of a spectrum, wide enough to be seen."""
    edges = np.concatenate([wl[:1], (wl[1:] + wl[:-1]) / 2, wl[-1:]])
    for first, end in gap_edges(known):
        axes.axvspan(edges[first], edges[end], facecolor=YELLOW, edgecolor=YELLOW, linewidth=0.8, zorder=0.5)


def lines_within(target: pd.Series, low: float, high: float) -> list[tuple[str, float]]:
    """Return name and observed wavelength [Angstrom] of an object's lines between two wavelengths."""
    redshift = float(target.get("z", 0.0))
    shift = 1 + (redshift if np.isfinite(redshift) else 0.0)
    star = kind_of(target) == "STAR"
    lines = [(line.label, line.wavelength * shift) for line in SPECTRAL_LINES if not (star and line.nebular)]
    return [(name, position) for name, position in lines if low < position < high]


def _mark_lines(axes: Axes, target: pd.Series, wl: Array) -> None:
    for index, (name, position) in enumerate(lines_within(target, float(wl[0]), float(wl[-1]))):
        axes.axvline(position, ymax=0.80, color=VERMILION, linewidth=0.7, linestyle=":")
        height = (0.81, 0.87, 0.93)[index % 3]
        axes.text(position, height, name, transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=7)


def kind_of(target: pd.Series) -> str:
    """Return its class by the spectrum: GALAXY, STAR, QSO, or object where it is not known."""
    return str(target.get("class", "")).strip() or "object"


def name_of(target: pd.Series) -> str:
    """Return plate-mjd-fiber of the spectrum that gives the label."""
    return "-".join(str(int(target[key])) for key in ("plate", "mjd", "fiber"))


def _title(target: pd.Series) -> str:
    kind = kind_of(target)
    name = kind.capitalize() if kind != "QSO" else "Quasar"
    name += f" at RA {target['ra']:.4f}, Dec {target['dec']:+.4f} deg"
    name += f", plate-MJD-fibre {name_of(target)}, z = {round(float(target['z']), 4) + 0.0:.4f}"
    avg = float(target.get("avg", np.nan))
    return name + (f", log SFR {avg:.2f}" if is_label(avg) else ", without a star formation rate")


def _data(example: Example) -> pd.DataFrame:
    """One row a pixel and a sample: what is drawn."""
    side = example.images.shape[-1]
    band, y, x = np.meshgrid(np.arange(len(BANDS)), np.arange(side), np.arange(side), indexing="ij")
    pixels = pd.DataFrame(
        {
            "part": [f"image {BANDS[b]}" for b in band.ravel()],
            "x": x.ravel(),
            "y": y.ravel(),
            "flux": example.images.ravel(),
            "sigma": example.image_sigma.ravel(),
        }
    )
    samples = pd.DataFrame(
        {
            "part": "spectrum",
            "wavelength": example.wl,
            "flux": example.spectrum,
            "sigma": example.spectrum_sigma,
        }
    )
    return pd.concat([samples, pixels], ignore_index=True).astype({"x": "Int64", "y": "Int64"})
