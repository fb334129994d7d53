"""Figure 1.1 of the study: one object, its five cutouts over its spectrum."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hiss.bands import BANDS, PIXEL_SCALE
from hiss.cube.layout import ml_image_data, ml_image_group, ml_spectrum_data, ml_spectrum_group
from hiss.cube.shard_sources import demand_sources
from hiss.errors import HissError
from hiss.plots.style import BLACK, FULL_WIDTH, SKY, VERMILION, plt
from hiss.sample.arrays import load_rows

Array = NDArray[np.floating]

LINES = {
    "[O II]": 3728.5,
    "Ca K, H": 3952.2,
    r"H$\delta$": 4102.9,
    r"H$\gamma$": 4341.7,
    r"H$\beta$": 4862.7,
    "[O III]": 5008.2,
    "Mg b": 5176.6,
    "Na D": 5895.6,
    r"H$\alpha$": 6564.6,
    "[S II]": 6725.0,
}
"""Vacuum wavelengths of the lines marked [Angstrom] (SDSS's list of spectral lines); of a pair, its middle."""

_NEBULAR = ("[O II]", "[O III]", "[S II]")  # of gas between stars: not marked on a star's spectrum

_SOFTENING = 3.0  # sky sigmas within which the asinh stretch is linear


@dataclass(frozen=True)
class Example:
    """One object at zoom 0, as measured."""

    target: pd.Series
    """Its row of the table of objects or targets."""
    images: Array
    """(5, 64, 64) flux."""
    image_sigma: Array
    """(5, 64, 64)."""
    spectrum: Array
    """(4620,) flux."""
    spectrum_sigma: Array
    wl: Array
    """(4620,) observed vacuum wavelength [Angstrom]."""


def choose_example(targets: pd.DataFrame) -> pd.Series:
    """Return the target of highest S/N, galaxies first."""
    galaxies = targets[targets["class"].astype(str).str.strip() == "GALAXY"]
    candidates = galaxies if len(galaxies) else targets
    return candidates.iloc[int(candidates["sn_median"].fillna(-np.inf).to_numpy().argmax())]


def example_of_sample(arrays: Path | str, target: pd.Series) -> Example:
    """Read one labelled object out of the sample's arrays of zoom 0."""
    found = load_rows(arrays, [int(target["row"])], "early")
    if found.images is None or found.image_sigma is None or found.spectra is None:
        raise HissError(f"{arrays}: has no images or spectra; make the sample again")
    if found.spectrum_sigma is None or found.wl is None:
        raise HissError(f"{arrays}: has no sigmas or wavelengths; make the sample again")
    return Example(target, found.images[0], found.image_sigma[0], found.spectra[0], found.spectrum_sigma[0], found.wl)


def example_of_cube(dense: Path | str, target: pd.Series) -> Example:
    """Read one target out of the dense cube, labelled or not."""
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


def example_object(example: Example) -> tuple[Figure, pd.DataFrame]:
    """Draw Figure 1.1: the cutouts u g r i z with an asinh stretch over the spectrum, its sigma and its lines."""
    figure = plt.figure(figsize=(FULL_WIDTH, 4.1))
    grid = figure.add_gridspec(2, len(BANDS), height_ratios=(1, 1.45))
    for index, band in enumerate(BANDS):
        _draw_cutout(figure.add_subplot(grid[0, index]), example, index, band)
    axes = figure.add_subplot(grid[1, :])
    _draw_spectrum(axes, example)
    figure.suptitle(_title(example.target), fontsize=9)
    return figure, _data(example)


def _draw_cutout(axes: Axes, example: Example, index: int, band: str) -> None:
    image, sigma = example.images[index], example.image_sigma[index]
    known = sigma[np.isfinite(sigma)]
    scale = _SOFTENING * float(np.median(known)) if len(known) else 1.0
    stretched = np.arcsinh((image - np.nanmedian(image)) / scale) if np.isfinite(image).any() else image
    half = image.shape[0] * PIXEL_SCALE / 2
    axes.imshow(stretched, origin="lower", cmap="gray_r", extent=(-half, half, -half, half), interpolation="nearest")
    axes.set_title(f"{band}", fontsize=10, pad=3)
    axes.grid(visible=False)
    axes.set_xticks([-10, 0, 10])
    axes.set_yticks([-10, 0, 10], [] if index else None)
    axes.tick_params(labelsize=7)
    if index == 0:
        axes.set_ylabel("offset [arcsec]", fontsize=8)


def _draw_spectrum(axes: Axes, example: Example) -> None:
    flux, sigma, wl = (np.asarray(a, np.float64) for a in (example.spectrum, example.spectrum_sigma, example.wl))
    known = np.isfinite(flux)
    axes.set(
        xlabel=r"observed wavelength [$\mathrm{\AA}$]",
        ylabel="flux [10$^{-17}$ erg s$^{-1}$\n" + r"cm$^{-2}$ $\mathrm{\AA}^{-1}$]",
    )
    if not known.any():
        axes.text(0.5, 0.5, "This object's spectrum has no valid flux.", transform=axes.transAxes, ha="center")
        return
    axes.fill_between(wl, flux - sigma, flux + sigma, color=SKY, linewidth=0, label=r"flux $\pm\sigma$")
    axes.plot(wl, flux, color=BLACK, linewidth=0.4, label="flux")
    low, high = np.quantile(flux[known], [0.002, 0.9995])
    span = (high - low) or 1.0
    axes.set_ylim(low - 0.1 * span, high + 0.45 * span)
    inside = wl[known]
    axes.set_xlim(inside[0], inside[-1])
    redshift = float(example.target.get("z", 0.0))
    shift = 1 + (redshift if np.isfinite(redshift) else 0.0)
    star = _kind(example.target) == "STAR"
    lines = {name: rest * shift for name, rest in LINES.items() if not (star and name in _NEBULAR)}
    marked = [(name, position) for name, position in lines.items() if inside[0] < position < inside[-1]]
    for index, (name, position) in enumerate(marked):
        axes.axvline(position, ymax=0.80, color=VERMILION, linewidth=0.7, linestyle=":")
        height = (0.81, 0.87, 0.93)[index % 3]
        axes.text(position, height, name, transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=7)
    axes.legend(loc="upper right", ncols=2, bbox_to_anchor=(1, 1.14), borderaxespad=0)


def _kind(target: pd.Series) -> str:
    return str(target.get("class", "")).strip() or "object"


def _title(target: pd.Series) -> str:
    kind = _kind(target)
    name = kind.capitalize() if kind != "QSO" else "Quasar"
    name += f" at RA {target['ra']:.4f}, Dec {target['dec']:+.4f} deg"
    name += f", plate-MJD-fibre {int(target['plate'])}-{int(target['mjd'])}-{int(target['fiber'])}"
    name += f", z = {round(float(target['z']), 4) + 0.0:.4f}"
    avg = target.get("avg", np.nan)
    return name + (f", log SFR {avg:.2f}" if np.isfinite(avg) and avg > -90 else ", without a star formation rate")


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
