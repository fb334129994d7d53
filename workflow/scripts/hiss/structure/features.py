"""Objects as points: cutouts and spectra relative to each object's own brightness, which else would be all one sees.

A cutout is divided by the mean r flux of its central quarter, in all five bands alike, so that colours and shape stay;
a spectrum by its median. Then the inverse hyperbolic sine is taken, linear where an object is faint and logarithmic
where it is bright, so that neither a core nor a strong line outweighs all the rest. Redshift, class and star formation
rate are in none of it.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hiss.bands import BAND_INDEX, BANDS
from hiss.errors import HissError
from hiss.sample.arrays import load_rows

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

IMAGE_SOFTENING: Final = 0.3
"""Of the central brightness: below it the stretch of a cutout is linear."""
SPECTRUM_SOFTENING: Final = 1.0
"""Of the median flux."""

_FLOOR: Final = 3.0  # sigmas of its own noise that a cutout's brightness is taken for at least
_REGIONS: Final = 12  # of a spectrum, by which is told where an object is odd
_CHUNK: Final = 512  # objects read at a time
_MAD: Final = 1.4826


@dataclass(frozen=True)
class Points:
    """Objects as points.

    Attributes
    ----------
    values
        (n, m) float32, without unit.
    part
        (m,) which of ``parts`` a feature belongs to.
    parts
        Names: ``r band, centre``, or the wavelengths of a region of the spectrum.
    noise
        (n, len(parts)) sum of the variances that the sigmas of the cube give the features of a part; 0 where the cube
        knows no sigma.
    wl
        (m,) observed wavelength of a feature [Angstrom]; NaN for a pixel.
    """

    values: Floats
    part: NDArray[np.int64]
    parts: tuple[str, ...]
    noise: Doubles
    wl: Doubles

    def summed(self, values: Floats) -> Doubles:
        """Return (n, parts) the sums of values (n, m) over the features of each part."""
        return _summed(values, self.part, len(self.parts))

    @property
    def knows_noise(self) -> bool:
        """Whether the cube knows the sigmas."""
        return bool((self.noise > 0).any())


def load_points(arrays: Path | str, rows: NDArray[np.int64], modality: str) -> Points:
    """Return rows of a zoom's arrays as points, read some at a time.

    Parameters
    ----------
    modality
        ``photo``, ``spectra`` or ``early``: both, each scaled to the same total variance.

    Raises
    ------
    HissError
        An object has a pixel without a flux, or no flux in its whole spectrum.
    """
    blocks = [_load(arrays, rows, name) for name in (("photo", "spectra") if modality == "early" else (modality,))]
    points = blocks[0] if len(blocks) == 1 else joined(*blocks)
    if not np.isfinite(points.values).all():
        raise HissError(f"{arrays}: objects that are whole at zoom 0 miss flux here; build the dense cube again")
    return points


def _load(arrays: Path | str, rows: NDArray[np.int64], modality: str) -> Points:
    parts = []
    for start in range(0, max(len(rows), 1), _CHUNK):
        found = load_rows(arrays, rows[start : start + _CHUNK], modality)
        if found.images is not None and found.image_sigma is not None:
            parts.append(image_points(found.images, found.image_sigma))
        elif found.spectra is not None and found.spectrum_sigma is not None and found.wl is not None:
            parts.append(spectrum_points(found.spectra, found.spectrum_sigma, found.wl))
    first = parts[0]
    return Points(
        np.concatenate([part.values for part in parts]),
        first.part,
        first.parts,
        np.concatenate([part.noise for part in parts]),
        first.wl,
    )


def image_points(images: Floats, sigma: Floats) -> Points:
    """Return cutouts (n, 5, side, side) as points; their parts are the bands, centre and outskirts apart."""
    n, _, side, _ = images.shape
    edge = 3 * side // 8
    inner = np.zeros((side, side), dtype=bool)
    inner[edge : side - edge, edge : side - edge] = True
    red = images[:, BAND_INDEX["r"]]
    of_red = sigma[:, BAND_INDEX["r"]][:, inner]
    own = np.sqrt((of_red.astype(np.float64) ** 2).sum(axis=1)) / inner.sum()
    flat = red.reshape(n, -1)
    scatter = _MAD * np.median(np.abs(flat - np.median(flat, axis=1, keepdims=True)), axis=1) / np.sqrt(inner.sum())
    scale = _positive(red[:, inner].mean(axis=1), _FLOOR * np.where(np.isfinite(own), own, scatter))
    unit = (IMAGE_SOFTENING * scale).astype(np.float32)[:, None, None, None]
    part = (np.arange(len(BANDS))[:, None, None] * 2 + ~inner[None]).ravel().astype(np.int64)
    names = tuple(f"{band} band, {where}" for band in BANDS for where in ("centre", "outskirts"))
    return _stretched(images / unit, sigma / unit, part, names, np.full(images[0].size, np.nan))


def spectrum_points(spectra: Floats, sigma: Floats, wl: Doubles) -> Points:
    """Return spectra (n, m) as points, their gaps bridged; their parts are regions of wavelength."""
    whole = bridged(spectra)
    steps = np.abs(np.diff(whole, axis=1))
    scatter = _MAD * np.median(steps, axis=1) / np.sqrt(2)
    known = np.asarray(np.isfinite(sigma).any(axis=1))
    own = np.where(known, np.nanmedian(np.where(known[:, None], sigma, 0.0), axis=1), scatter)
    scale = _positive(np.median(whole, axis=1), own)
    unit = (SPECTRUM_SOFTENING * scale).astype(np.float32)[:, None]
    edges = np.linspace(wl[0], wl[-1], _REGIONS + 1)
    part = np.clip(np.searchsorted(edges, wl, side="right") - 1, 0, _REGIONS - 1).astype(np.int64)
    names = tuple(f"{low:.0f} to {high:.0f} Å" for low, high in pairwise(edges))
    return _stretched(whole / unit, sigma / unit, part, names, np.asarray(wl, dtype=np.float64))


def _positive(brightness: NDArray[np.floating], least: NDArray[np.floating]) -> Doubles:
    """Return what an object is divided by: its brightness, no less than its noise, and 1 where it has neither."""
    scale = np.maximum(np.asarray(brightness, np.float64), least)
    return np.where(scale > 0, scale, 1.0)


def _stretched(flux: Floats, sigma: Floats, part: NDArray[np.int64], names: tuple[str, ...], wl: Doubles) -> Points:
    """Return the points of flux and sigma in units of the softening; a sigma goes through the slope of the stretch."""
    n = len(flux)
    flux, sigma = flux.reshape(n, -1), sigma.reshape(n, -1)
    squares = np.where(np.isfinite(sigma), sigma, 0) ** 2
    variance: Floats = np.asarray(squares / (1 + flux**2), dtype=np.float32)
    return Points(np.arcsinh(flux), part, names, _summed(variance, part, len(names)), wl)


def _summed(values: Floats, part: NDArray[np.int64], parts: int) -> Doubles:
    member = (part[:, None] == np.arange(parts)).astype(np.float32)
    return np.asarray(values @ member, dtype=np.float64)


def bridged(spectra: Floats) -> Floats:
    """Return spectra (n, m) with a straight line over each gap, and the nearest flux beyond an end; all NaN stays."""
    whole = spectra.copy()
    places = np.arange(spectra.shape[1])
    for row in np.flatnonzero(np.isnan(spectra).any(axis=1)):
        known = np.isfinite(spectra[row])
        if known.any():
            whole[row, ~known] = np.interp(places[~known], places[known], spectra[row, known])
    return whole


def joined(first: Points, second: Points) -> Points:
    """Return the features of both side by side, each scaled to a total variance of 1."""
    factors = [1 / np.sqrt(total) if (total := _total_variance(points.values)) > 0 else 1.0
               for points in (first, second)]  # fmt: skip
    return Points(
        np.concatenate([first.values * np.float32(factors[0]), second.values * np.float32(factors[1])], axis=1),
        np.concatenate([first.part, second.part + len(first.parts)]),
        first.parts + second.parts,
        np.concatenate([first.noise * factors[0] ** 2, second.noise * factors[1] ** 2], axis=1),
        np.concatenate([first.wl, second.wl]),
    )


def _total_variance(values: Floats) -> float:
    return float(values.var(axis=0, dtype=np.float64).sum()) if len(values) else 0.0
