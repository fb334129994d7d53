"""The sources of one cutout: detected and deblended by SEP, the central one told from its neighbours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import sep
from numpy.typing import NDArray
from scipy import ndimage

from hiss.bands import BAND_INDEX, PIXEL_SCALE
from hiss.sample.neighbours import Floats, frame, mirrored

CENTRE_ARCSEC: Final = 1.5
"""Farther than this from a cutout's middle, a source is not the target: half the fibre of 3 arcsec."""

_NORMAL: Final = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
_WINDOW: Final = 2.0  # sigma of the Gaussian window that finds the centre [pixel]
_WHOLE: Final = 1.0  # deblending contrast at which SEP splits nothing


@dataclass(frozen=True)
class Segmentation:
    """How sources are found, in the words of SExtractor (Bertin & Arnouts 1996), and which of them matter."""

    band: str
    """u g r i z, or ``all``: the five bands summed, each weighted by 1 / sigma^2 of its sky."""
    detect_sigma: float
    """Threshold of the smoothed image, in sigmas of an unsmoothed pixel of sky."""
    min_pixels: int
    """Fewest connected pixels of a source."""
    deblend_levels: int
    """Levels between threshold and peak at which a source may fall apart."""
    deblend_contrast: float
    """Least share of a source's flux that a part must have to be one of its own."""
    min_snr: float
    """Least signal to noise of a neighbour, above the light that the central source has on its other side."""
    min_flux_ratio: float
    """Least flux of a neighbour over that of the central source, counted the same way."""
    grow_pixels: int
    """By so many pixels a neighbour reaches beyond its threshold."""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Return what the config says, as a plain dictionary."""
        return cls(**settings)


@dataclass(frozen=True)
class Scene:
    """What a cutout of some side shows.

    A neighbour is a source whose light is not the central one's. That is judged by point symmetry, as the survey's
    deblender does (Lupton 2001): of the light in its pixels, what the pixels opposite the centre show too belongs to
    the central source. So the wings of a bright galaxy, or the two ends of a disk seen edge-on, are no neighbours, in
    however many pieces they are detected. Of two neighbours that lie opposite each other the fainter is missed.
    """

    labels: NDArray[np.int32]
    """(side, side) number of the source of each pixel; 0 is sky."""
    central: int
    """Number of the central source; 0 where there is none."""
    neighbours: NDArray[np.int64]
    """Numbers of the neighbours that matter."""
    mask: NDArray[np.bool_]
    """(side, side) pixels of those neighbours, grown, but never into the central source."""
    centre: tuple[float, float]
    """x and y of the central source [pixel, from 0]; the middle of the cutout where there is none."""
    central_flux: float
    neighbour_flux: float
    """Of the central source and of the neighbours' excess, in sigmas of a pixel of sky."""
    n_detected: int

    @property
    def own(self) -> NDArray[np.bool_]:
        """(side, side) pixels of the central source."""
        return _own(self.labels, self.central)

    @property
    def offset_arcsec(self) -> float:
        """Of the central source from the middle [arcsec]."""
        middle = _middle(self.labels.shape[0])
        return float(np.hypot(self.centre[0] - middle, self.centre[1] - middle)) * PIXEL_SCALE


def sky_noise(images: Floats, sigma: Floats) -> NDArray[np.float64]:
    """Return (n,) noise of the sky in each cutout (n, y, x): the least sigma of a pixel.

    Where none is known, it is the scatter of the pixels within eight of the edge.
    """
    least = np.fmin.reduce(sigma.reshape(len(sigma), -1), axis=1, initial=np.inf).astype(np.float64)
    for row in np.flatnonzero(~(np.isfinite(least) & (least > 0))):
        edge = frame(images[row])
        edge = edge[np.isfinite(edge)]
        scatter = _NORMAL * float(np.median(np.abs(edge - np.median(edge)))) if len(edge) else 0.0
        least[row] = scatter if scatter > 0 else 1.0
    return least


def in_noise_units(images: Floats, sigma: Floats, band: str) -> tuple[Floats, Floats]:
    """Return signal and noise (n, y, x) of the image to detect on, in sigmas of a pixel of sky.

    Parameters
    ----------
    images, sigma
        (n, 5, y, x), bands u g r i z; NaN for missing pixels, whose signal is NaN too.
    band
        As in `Segmentation`.
    """
    chosen = list(range(images.shape[1])) if band == "all" else [BAND_INDEX[band]]
    skies = [sky_noise(images[:, one], sigma[:, one])[:, None, None] for one in chosen]
    weight = np.sqrt(sum(sky**-2 for sky in skies))
    signal = sum(images[:, one] / sky**2 for one, sky in zip(chosen, skies, strict=True)) / weight
    noises = [np.where(sigma[:, one] > 0, sigma[:, one], sky) for one, sky in zip(chosen, skies, strict=True)]
    variance = sum((noise / sky**2) ** 2 for noise, sky in zip(noises, skies, strict=True))
    return np.asarray(signal, dtype=np.float32), np.asarray(np.sqrt(variance) / weight, dtype=np.float32)


def find_sources(signal: Floats, noise: Floats, settings: Segmentation) -> Scene:
    """Return the sources of one cutout.

    Parameters
    ----------
    signal, noise
        (side, side), as `in_noise_units` gives them.
    """
    missing = ~np.isfinite(signal)
    clean = np.ascontiguousarray(np.where(missing, 0, signal), dtype=np.float32)
    sources, labels = _extract(clean, missing, settings)
    central = _central(sources, labels)
    centre = _centre(clean, central > 0)
    excess, excess_noise = _excess(clean, noise, labels, len(sources), centre if central else None)
    flux = np.bincount(labels.ravel(), weights=clean.ravel(), minlength=len(sources) + 1)
    central_flux = float(flux[central]) if central else 0.0
    matters = (excess > settings.min_snr * excess_noise) & (excess > settings.min_flux_ratio * central_flux)
    matters[[0, central]] = False
    neighbours = np.flatnonzero(matters)
    return Scene(
        labels=labels,
        central=central,
        neighbours=neighbours,
        mask=_grown(np.isin(labels, neighbours), settings.grow_pixels) & ~_own(labels, central),
        centre=centre,
        central_flux=central_flux,
        neighbour_flux=float(excess[neighbours].sum()),
        n_detected=len(sources),
    )


def _extract(
    clean: Floats, missing: NDArray[np.bool_], settings: Segmentation
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    options = {"mask": missing, "minarea": settings.min_pixels, "deblend_nthresh": settings.deblend_levels}
    try:
        sources, labels = sep.extract(
            clean,
            settings.detect_sigma,
            deblend_cont=settings.deblend_contrast,
            segmentation_map=True,
            **options,
        )
    except Exception as error:  # SEP raises no type of its own
        if "deblending overflow" not in str(error):
            raise
        sources, labels = sep.extract(
            clean, settings.detect_sigma, deblend_cont=_WHOLE, segmentation_map=True, **options
        )
    return sources, labels.astype(np.int32)


def _central(sources: NDArray[Any], labels: NDArray[np.int32]) -> int:
    """Return the source at the middle of the cutout or, where that is sky, the nearest peak; 0 for none near."""
    middle = labels.shape[0] // 2
    if labels[middle, middle]:
        return int(labels[middle, middle])
    if not len(sources):
        return 0
    distance = np.hypot(sources["xcpeak"] - middle, sources["ycpeak"] - middle) * PIXEL_SCALE
    return int(distance.argmin()) + 1 if distance.min() <= CENTRE_ARCSEC else 0


def _centre(clean: Floats, found: bool) -> tuple[float, float]:
    """Return x and y of the light in a Gaussian window about the middle; the middle itself where that runs away."""
    middle = _middle(clean.shape[0])
    if not found:
        return middle, middle
    x, y, _ = sep.winpos(clean, middle, middle, _WINDOW)
    if not np.hypot(x - middle, y - middle) * PIXEL_SCALE <= CENTRE_ARCSEC:
        return middle, middle
    return float(x), float(y)


def _excess(
    clean: Floats, noise: Floats, labels: NDArray[np.int32], n: int, centre: tuple[float, float] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (n + 1,) flux of each source above its mirror image about the centre, and its noise; 0 is the sky."""
    variance = noise.astype(np.float64) ** 2
    value = clean.astype(np.float64)
    if centre is not None:
        value = value - np.nan_to_num(mirrored(clean, centre))
        variance = variance + np.nan_to_num(mirrored(noise, centre)) ** 2
    number = labels.ravel()
    flux = np.bincount(number, weights=value.ravel(), minlength=n + 1)
    squares = np.bincount(number, weights=variance.ravel(), minlength=n + 1)
    return np.asarray(flux, dtype=np.float64), np.sqrt(squares)


def _middle(side: int) -> float:
    """Return the middle of a cutout [pixel, from 0]; the target is there to half a pixel."""
    return (side - 1) / 2


def _own(labels: NDArray[np.int32], central: int) -> NDArray[np.bool_]:
    return (labels == central) & (central > 0)


def _grown(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    if pixels == 0 or not mask.any():
        return mask
    y, x = np.mgrid[-pixels : pixels + 1, -pixels : pixels + 1]
    disk = x**2 + y**2 <= pixels**2
    grown: NDArray[np.bool_] = ndimage.binary_dilation(mask, structure=disk)
    return grown
