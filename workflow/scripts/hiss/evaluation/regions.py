"""Parts of what a model sees that have a name: bands, rings, ranges of wavelength, lines at each object's redshift."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hiss.bands import BANDS, CUTOUT_SIZE, PIXEL_SCALE
from hiss.spectral_lines import SPECTRAL_LINES, Line

Array = NDArray[np.float64]

RING_EDGES: Final = (0.0, 3.0, 6.0, 9.0, np.inf)
"""Radii [arcsec] between the rings of a cutout; its corner is 17.9 arcsec from its centre."""

BIN_WIDTH: Final = 250.0
"""Of a range of observed wavelength [Angstrom]."""

CONTINUUM: Final = "continuum"
"""Kind of the region that is in no line's window."""


@dataclass(frozen=True)
class Layout:
    """What the columns of a model's features are, in order: pixels, samples, then others by their names."""

    side: int
    """Of the cutout [pixel], 0 without one."""
    wl: Array
    """(n_samples,) observed wavelength of each sample [Angstrom]; empty without a spectrum."""
    extras: Sequence[str] = field(default=())
    """Names of the columns after the spectrum."""

    @property
    def n_pixels(self) -> int:
        """Columns that are pixels."""
        return len(BANDS) * self.side**2

    @property
    def n_columns(self) -> int:
        """All columns."""
        return self.n_pixels + len(self.wl) + len(self.extras)

    @property
    def samples(self) -> slice:
        """Columns that are samples of the spectrum."""
        return slice(self.n_pixels, self.n_pixels + len(self.wl))


@dataclass(frozen=True)
class Region:
    """Columns of the features that belong together whatever the object."""

    kind: str
    """``images, spectrum, band, ring, wavelengths`` or ``other``."""
    name: str
    columns: NDArray[np.int64]
    low: float = float("nan")
    """Inner radius [arcsec] or shortest wavelength [Angstrom]."""
    high: float = float("nan")


def regions_of(layout: Layout) -> list[Region]:
    """Return the regions of a layout; those of one kind share no column, and hold all of theirs."""
    found = [*_of_images(layout), *_of_spectrum(layout)]
    first = layout.samples.stop
    return found + [Region("other", name, np.array([first + place])) for place, name in enumerate(layout.extras)]


def _of_images(layout: Layout) -> list[Region]:
    if not layout.side:
        return []
    pixels = np.arange(layout.n_pixels).reshape(len(BANDS), -1)
    found = [Region("images", "all five bands", pixels.ravel())]
    found += [Region("band", band, own) for band, own in zip(BANDS, pixels, strict=True)]
    radius = pixel_radius(layout.side).ravel()
    for low, high in pairwise(RING_EDGES):
        inside = (radius >= low) & (radius < high)
        if inside.any():
            name = f"{low:g} to {high:g} arcsec" if np.isfinite(high) else f"over {low:g} arcsec"
            found.append(Region("ring", name, pixels[:, inside].ravel(), low, min(high, float(radius.max()))))
    return found


def _of_spectrum(layout: Layout) -> list[Region]:
    if not len(layout.wl):
        return []
    columns = layout.n_pixels + np.arange(len(layout.wl))
    ends = float(layout.wl.min()), float(layout.wl.max())
    found = [Region("spectrum", "whole spectrum", columns, *ends)]
    place = np.floor(layout.wl / BIN_WIDTH).astype(np.int64)
    for one in np.unique(place):
        low, high = one * BIN_WIDTH, (one + 1) * BIN_WIDTH
        name = f"{low:.0f} to {high:.0f} Angstrom"
        found.append(Region("wavelengths", name, columns[place == one], low, high))
    return found


def pixel_radius(side: int) -> Array:
    """Return (side, side), the distance of each pixel's centre from that of the cutout [arcsec]."""
    offset = (np.arange(side) - (side - 1) / 2) * CUTOUT_SIZE * PIXEL_SCALE / side
    radius: Array = np.hypot(*np.meshgrid(offset, offset))
    return radius


def in_window(wl: Array, redshift: Array, line: Line) -> NDArray[np.bool_]:
    """Return (n, n_samples), whether a sample of an object lies in a line's window at the object's redshift."""
    rest = wl / (1 + redshift[:, None])
    inside: NDArray[np.bool_] = np.abs(rest - line.wavelength) <= line.half_width
    return inside


def has_line(wl: Array, redshift: Array, line: Line) -> NDArray[np.bool_]:
    """Return (n,), whether a line's window and as much beside it on either side lie within the observed spectrum."""
    if not len(wl):
        return np.zeros(len(redshift), dtype=np.bool_)
    low = (line.wavelength - 2 * line.half_width) * (1 + redshift)
    high = (line.wavelength + 2 * line.half_width) * (1 + redshift)
    inside: NDArray[np.bool_] = np.isfinite(redshift) & (low >= wl.min()) & (high <= wl.max())
    return inside


def lines_within(wl: Array, redshift: Array) -> list[Line]:
    """Return the lines that at least two objects have within their spectrum."""
    return [line for line in SPECTRAL_LINES if has_line(wl, redshift, line).sum() >= 2]


def exchange_line(flux: Array, redshift: Array, donor: Array, donor_redshift: Array, wl: Array, line: Line) -> Array:
    """Return spectra (n, n_samples) with the line of other objects in place of their own, at their own redshift.

    A line is what lies above or below a straight continuum through the means of its two neighbourhoods, each half as
    wide as the window. The donor's, moved in wavelength by the ratio of 1 + z and interpolated, is put upon the
    continuum of the object, which is kept, as is all outside the window.

    Parameters
    ----------
    flux, donor
        (n, n_samples) spectra; both have the line within them.
    redshift, donor_redshift
        (n,).
    wl
        (n_samples,) observed wavelength [Angstrom].
    """
    changed = flux.copy()
    inside = in_window(wl, redshift, line)
    for place, columns in enumerate(inside):
        if not columns.any():  # narrower than the samples are apart
            continue
        own = _continuum(flux[place], wl / (1 + redshift[place]), line)
        theirs_wl = wl / (1 + donor_redshift[place])
        theirs = donor[place] - _continuum(donor[place], theirs_wl, line)
        near = np.abs(theirs_wl - line.wavelength) <= line.half_width
        theirs = np.where(near, theirs, 0.0)
        moved = np.interp(wl[columns] / (1 + redshift[place]), theirs_wl, theirs)
        changed[place, columns] = own[columns] + moved
    return changed


def _continuum(flux: Array, rest: Array, line: Line) -> Array:
    """Return (n_samples,), the straight line through the means of what lies beside a window."""
    offset = rest - line.wavelength
    left = (offset >= -2 * line.half_width) & (offset < -line.half_width)
    right = (offset > line.half_width) & (offset <= 2 * line.half_width)
    if not (left.any() and right.any()):
        return np.full(len(rest), np.nanmean(flux[left | right]) if (left | right).any() else np.nanmean(flux))
    ends, levels = (offset[left].mean(), offset[right].mean()), (np.nanmean(flux[left]), np.nanmean(flux[right]))
    slope = (levels[1] - levels[0]) / (ends[1] - ends[0])
    straight: Array = levels[0] + slope * (offset - ends[0])
    return straight
