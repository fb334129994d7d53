"""How large and how round the central source of each cutout is, and how much of its light misses the fibre."""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import sep
from numpy.typing import ArrayLike, NDArray

from hiss.bands import BAND_INDEX, PIXEL_SCALE
from hiss.progress import progress
from hiss.sample.arrays import read_blocks
from hiss.sample.neighbours import Floats, load_masks, take_out

Doubles = NDArray[np.float64]

SHAPE_UNITS: Final = {"half_light_arcsec": "arcsec"}

_FWHM: Final = 2.3548  # of a Gaussian, in its sigmas
_START: Final = 2.0  # sigma of the first weight [pixel]
_ITERATIONS: Final = 100
_CONVERGED: Final = 1e-4  # change of the moments, relative, and of the centre [pixel]
_WIDEST: Final = 16.0  # sigma beyond which a weight has lost its source [pixel]
_RESOLVED: Final = 1.3  # least variance of a source that is wider than the seeing, in variances of the seeing
_THINNEST: Final = 0.1  # sigma of a minor axis that an ellipse can be drawn with [pixel]
_KRON_WITHIN, _KRON_FACTOR, _KRON_LEAST = 6.0, 2.5, 3.5
"""SExtractor's own: where Kron's radius is measured, and how far the light is summed, in radii and at least."""
_BAND: Final = "r"
_AT_ONCE: Final = 256  # cutouts whose moments are found together


class Moments(NamedTuple):
    """Adaptive second moments of some sources, the seeing in them [pixel^2]; NaN where none could be found."""

    xx: Doubles
    xy: Doubles
    yy: Doubles
    x: Doubles
    """(n,) of the centre [pixel]."""
    y: Doubles


def adaptive_moments(images: ArrayLike, centres: ArrayLike) -> Moments:
    """Return the second moments of sources, weighted by the elliptical Gaussian that has these moments itself.

    For a Gaussian source they are its covariance, whatever the noise far from it (Bernstein & Jarvis 2002, AJ 123,
    583); the survey's own shapes are made so.

    Parameters
    ----------
    images
        (n, side, side) flux, its sky taken off; a missing pixel is NaN and counts as 0.
    centres
        (n, 2) x and y of each source [pixel], where the search begins.
    """
    flux = np.nan_to_num(np.asarray(images, dtype=np.float64))
    n, height, width = flux.shape
    x, y = np.array(centres, dtype=np.float64).reshape(n, 2).T.copy()
    xx, xy, yy = (np.full(n, start) for start in (_START**2, 0.0, _START**2))
    columns, rows = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)
    active = np.arange(n)
    for _ in range(_ITERATIONS):
        dx = columns[None, None, :] - x[active, None, None]
        dy = rows[None, :, None] - y[active, None, None]
        determinant = xx[active] * yy[active] - xy[active] ** 2
        a, b, c = (value[active] / determinant for value in (yy, xy, xx))
        exponent = a[:, None, None] * dx**2 - 2 * b[:, None, None] * dx * dy + c[:, None, None] * dy**2
        weighted = np.exp(-0.5 * exponent) * flux[active]
        total = weighted.sum(axis=(1, 2))
        with np.errstate(invalid="ignore", divide="ignore"):
            shift_x, shift_y = (weighted * dx).sum(axis=(1, 2)) / total, (weighted * dy).sum(axis=(1, 2)) / total
            new = [
                2 * ((weighted * one * other).sum(axis=(1, 2)) / total - first * second)
                for one, other, first, second in (
                    (dx, dx, shift_x, shift_x), (dx, dy, shift_x, shift_y), (dy, dy, shift_y, shift_y),
                )
            ]  # fmt: skip
        sound = (total > 0) & (new[0] > 0) & (new[2] > 0) & (new[0] * new[2] > new[1] ** 2)
        sound &= (new[0] + new[2] < 2 * _WIDEST**2) & (np.hypot(shift_x, shift_y) < _START)
        change = sum(np.abs(value - old[active]) for value, old in zip(new, (xx, xy, yy), strict=True))
        settled = change < _CONVERGED * (xx[active] + yy[active])
        settled &= np.hypot(shift_x, shift_y) < _CONVERGED
        for old, value in zip((xx, xy, yy), new, strict=True):
            old[active] = np.where(sound, value, np.nan)
        x[active] += np.where(sound, shift_x, 0.0)
        y[active] += np.where(sound, shift_y, 0.0)
        active = active[sound & ~settled]
        if not len(active):
            break
    for value in (xx, xy, yy):
        value[active] = np.nan
    return Moments(xx, xy, yy, x, y)


def axes(moments: Moments) -> tuple[Doubles, Doubles, Doubles]:
    """Return sigma along the major and the minor axis [pixel], (n,) each, and the angle from x to y [radian]."""
    mean, half = (moments.xx + moments.yy) / 2, np.hypot((moments.xx - moments.yy) / 2, moments.xy)
    angle = np.arctan2(2 * moments.xy, moments.xx - moments.yy) / 2
    return np.sqrt(mean + half), np.sqrt(np.maximum(mean - half, 0)), angle


def axis_ratio(moments: Moments, seeing_arcsec: float) -> Doubles:
    """Return minor over major axis (n,), the seeing taken off.

    It is 0 where the minor axis is no wider than the seeing, and NaN for a source that is hardly wider in any
    direction: nothing is known of its roundness.

    Parameters
    ----------
    seeing_arcsec
        Full width at half maximum of a round seeing; its variance is taken off both axes.
    """
    blur = (seeing_arcsec / _FWHM / PIXEL_SCALE) ** 2
    major, minor, _ = axes(moments)
    ratio = np.full(len(major), np.nan)
    resolved = major**2 > _RESOLVED * blur
    ratio[resolved] = np.sqrt(np.maximum(minor[resolved] ** 2 - blur, 0) / (major[resolved] ** 2 - blur))
    return ratio


class Light(NamedTuple):
    """Where the light of one source is."""

    outside: float
    """Share of its light outside a round aperture."""
    half_light: float
    """Radius of the circle that holds half of it [pixel], the seeing in it."""


_DARK: Final = Light(np.nan, np.nan)


def light_of(image: ArrayLike, moments: Moments, row: int, aperture: float) -> Light:
    """Return how the light of one source lies, as it is seen, seeing and all; NaN for one without moments or light.

    Its light is what the ellipse of 2.5 Kron radii holds (Kron 1980, ApJS 43, 305; Bertin & Arnouts 1996): some 95 %
    of a disk's, and 90 % of a bulge's.

    Parameters
    ----------
    image
        (side, side), its sky taken off; a missing pixel is NaN and counts as 0.
    aperture
        Radius [pixel].
    """
    if not np.isfinite(moments.xx[row]) or not np.isfinite(aperture):
        return _DARK
    flux = np.ascontiguousarray(np.nan_to_num(np.asarray(image, dtype=np.float64)))
    major, minor, angle = (value[[row]] for value in axes(moments))
    minor = np.maximum(minor, _THINNEST)
    x, y = moments.x[[row]], moments.y[[row]]
    kron, _ = sep.kron_radius(flux, x, y, major, minor, angle, _KRON_WITHIN)
    radius = np.maximum(_KRON_FACTOR * np.nan_to_num(kron), _KRON_LEAST)
    total, _, _ = sep.sum_ellipse(flux, x, y, major, minor, angle, radius, subpix=0)
    inside, _, _ = sep.sum_circle(flux, x, y, aperture, subpix=0)
    if not total[0] > 0:
        return _DARK
    half, _ = sep.flux_radius(flux, x, y, radius * major, 0.5, normflux=total, subpix=5)
    return Light(float(1 - inside[0] / total[0]), float(half[0]))


def measure_shapes(
    arrays: Path | str, neighbours: Path | str, fiber_arcsec: ArrayLike, seeing_arcsec: float
) -> pd.DataFrame:
    """Return size and roundness of the central source of every cutout, in r and without its neighbours.

    Parameters
    ----------
    arrays
        The sample's arrays at zoom 0.
    neighbours
        neighbours.h5, the masks of other sources in the same cutouts.
    fiber_arcsec
        (n,) diameter of the fibre that each object's spectrum was taken with.
    seeing_arcsec
        Seeing that is taken off the axis ratio: one for all, since no file tells that of each frame.

    Returns
    -------
    DataFrame
        ``row``; ``outside_fibre`` (share of the light that misses a fibre on the source's centre) and
        ``half_light_arcsec``, both with the seeing in them, which the fibre had too; ``axis_ratio``. NaN where they
        could not be measured.
    """
    fiber = np.asarray(fiber_arcsec, dtype=np.float64)
    parts: list[pd.DataFrame] = []
    blocks = read_blocks(arrays, "images", BAND_INDEX[_BAND])
    for first, block in progress(blocks, len(fiber), "cutouts measured", place=_done):
        for start in range(0, len(block), _AT_ONCE):
            images = block[start : start + _AT_ONCE, None].astype(np.float32)
            rows = np.arange(first + start, first + start + len(images))
            masks = load_masks(neighbours, rows)
            clean, _ = take_out(images, None, masks)
            parts.append(_shapes(clean[:, 0], masks.centre, fiber[rows], seeing_arcsec))
    empty = pd.DataFrame({name: np.empty(0) for name in ("outside_fibre", "half_light_arcsec", "axis_ratio")})
    table = pd.concat(parts, ignore_index=True) if parts else empty
    table.insert(0, "row", np.arange(len(table), dtype=np.int64))
    return table


def _done(block: tuple[int, Floats]) -> int:
    return block[0] + len(block[1])


def _shapes(images: Floats, centres: Floats, fiber_arcsec: Doubles, seeing_arcsec: float) -> pd.DataFrame:
    moments = adaptive_moments(images, centres)
    apertures = fiber_arcsec / 2 / PIXEL_SCALE
    light = [light_of(image, moments, row, apertures[row]) for row, image in enumerate(images)]
    return pd.DataFrame(
        {
            "outside_fibre": [one.outside for one in light],
            "half_light_arcsec": [one.half_light * PIXEL_SCALE for one in light],
            "axis_ratio": axis_ratio(moments, seeing_arcsec),
        }
    )
