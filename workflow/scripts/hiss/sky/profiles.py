"""Sersic bulges and disks as mixtures of Gaussians, so that PSF and fibre act on them analytically."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from scipy.optimize import nnls
from scipy.special import gammainc, gammaincinv

DISK: Final = 1.0
BULGE: Final = 4.0
_PIXEL_VARIANCE: Final = 1 / 12
_FLAT: Final = 0.2  # thickness of a disk seen edge-on


@dataclass(frozen=True)
class Psf:
    """Double Gaussian: the share of light and the variance [pixel^2] of core and wing.

    ``share`` is (2,), ``variance`` (2,) or, one row an object, (n, 2).
    """

    share: np.ndarray
    variance: np.ndarray


def double_gaussian(fwhm_pixels: float | np.ndarray) -> Psf:
    """Return a PSF of the given full width at half maximum, 12 % of its light in a wing 2.3 times as wide."""
    core = (np.asarray(fwhm_pixels) / 2.39) ** 2  # the wing widens the half maximum by 1.5 %
    return Psf(np.array([0.88, 0.12]), np.stack([core, 2.3**2 * core], axis=-1))


@lru_cache(maxsize=4)
def sersic_mixture(index: float) -> tuple[np.ndarray, np.ndarray]:
    """Return share of light and variance (unit: half-light radius squared) of a Sersic profile's Gaussians.

    The shares sum to 1 within eight half-light radii, where the profile ends; within that the light enclosed
    follows Sersic's curve of growth to 1 % of the total.
    """
    radius = np.geomspace(0.03, 8.0, 200)
    slope = gammaincinv(2 * index, 0.5)
    growth = gammainc(2 * index, slope * radius ** (1 / index))
    variance = np.geomspace(5e-4, 8.0, 9) if index > 2 else np.geomspace(3e-2, 2.3, 6)
    basis = 1 - np.exp(-0.5 * radius[:, None] ** 2 / variance)
    share, _ = nnls(basis, growth / growth[-1])
    keep = share > 1e-4
    return share[keep] / share[keep].sum(), variance[keep]


def axis_ratio(inclination: np.ndarray) -> np.ndarray:
    """Return the apparent axis ratio of a disk of thickness 0.2 at an inclination [degree]."""
    cosine = np.cos(np.radians(inclination))
    return np.sqrt(cosine**2 * (1 - _FLAT**2) + _FLAT**2)


def render(
    bulge_flux: np.ndarray,
    disk_flux: np.ndarray,
    shape: "Shape",
    centre: tuple[np.ndarray, np.ndarray],
    psf: Psf,
    size: int,
) -> np.ndarray:
    """Return stamps of galaxies (or, with radius 0, of stars), convolved with PSF and pixel.

    Parameters
    ----------
    bulge_flux, disk_flux
        (n,) total fluxes.
    shape
        Radii in pixels.
    centre
        x and y of the objects in the stamp, (n,) each; pixel centres are integers from 0.
    size
        Side of the stamps [pixel].

    Returns
    -------
    (n, size, size) float32, flux per pixel; axis 1 is y (rows).
    """
    along = np.arange(size)
    dx = (along - centre[0][:, None]).astype(np.float32)
    dy = (along - centre[1][:, None]).astype(np.float32)
    return _render_bulge(bulge_flux, shape, dx, dy, psf) + _render_disk(disk_flux, shape, dx, dy, psf)


@dataclass(frozen=True)
class Shape:
    """Half-light radii of bulge and disk (major axis), axis ratio and angle (radian, x to y) of the disk."""

    r_bulge: np.ndarray
    r_disk: np.ndarray
    axis_ratio: np.ndarray
    angle: np.ndarray

    def __getitem__(self, rows: np.ndarray | slice) -> "Shape":
        return Shape(self.r_bulge[rows], self.r_disk[rows], self.axis_ratio[rows], self.angle[rows])


def _gaussians(index: float, psf: Psf, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Combine profile and PSF: shares (g,), variances of the profile (g,), variances to be added (n, g)."""
    share, variance = sersic_mixture(index)
    total = (share[:, None] * psf.share).ravel()
    added = np.broadcast_to(psf.variance + _PIXEL_VARIANCE, (n, 2))
    return total, np.repeat(variance, 2), np.tile(added, (1, len(share)))


def _render_bulge(flux: np.ndarray, shape: Shape, dx: np.ndarray, dy: np.ndarray, psf: Psf) -> np.ndarray:
    """A round bulge is a sum of products of two one-dimensional Gaussians."""
    share, profile, added = _gaussians(BULGE, psf, len(flux))
    variance = profile * shape.r_bulge[:, None] ** 2 + added
    weight = (flux[:, None] * share / (2 * np.pi * variance)).astype(np.float32)
    rate = (-0.5 / variance).astype(np.float32)[:, :, None]
    gx = np.exp(rate * dx[:, None, :] ** 2)
    gy = np.exp(rate * dy[:, None, :] ** 2) * weight[:, :, None]
    return gy.transpose(0, 2, 1) @ gx


def _render_disk(flux: np.ndarray, shape: Shape, dx: np.ndarray, dy: np.ndarray, psf: Psf) -> np.ndarray:
    share, profile, added = _gaussians(DISK, psf, len(flux))
    cosine, sine = np.cos(shape.angle), np.sin(shape.angle)
    stamp = np.zeros((len(flux), dy.shape[1], dx.shape[1]), np.float32)
    lit = np.flatnonzero(flux > 0)
    for gaussian in range(len(share)):
        major = profile[gaussian] * shape.r_disk**2
        minor = major * shape.axis_ratio**2
        vxx = major * cosine**2 + minor * sine**2 + added[:, gaussian]
        vyy = major * sine**2 + minor * cosine**2 + added[:, gaussian]
        vxy = (major - minor) * cosine * sine
        determinant = vxx * vyy - vxy**2
        weight = flux * share[gaussian] / (2 * np.pi * np.sqrt(determinant))
        axx, ayy, axy = (
            (value / determinant).astype(np.float32)[lit, None, None] for value in (-0.5 * vyy, -0.5 * vxx, vxy)
        )
        x, y = dx[lit][:, None, :], dy[lit][:, :, None]
        exponent = axy * y * x
        exponent += axx * x**2
        exponent += ayy * y**2
        np.exp(exponent, out=exponent)
        exponent *= weight.astype(np.float32)[lit, None, None]
        stamp[lit] += exponent
    return stamp


def fibre_fractions(shape: Shape, seeing: float, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of bulge and disk light that falls into a round fibre on the galaxy's centre.

    Parameters
    ----------
    shape
        Radii in arcsec.
    seeing
        FWHM of a Gaussian seeing [arcsec].
    radius
        Of the fibre [arcsec].
    """
    blur = (seeing / 2.3548) ** 2
    share, variance = sersic_mixture(BULGE)
    bulge = (1 - np.exp(-0.5 * radius**2 / (variance * shape.r_bulge[:, None] ** 2 + blur))) @ share
    share, variance = sersic_mixture(DISK)
    major = variance * shape.r_disk[:, None] ** 2 + blur
    minor = variance * (shape.r_disk * shape.axis_ratio)[:, None] ** 2 + blur
    return bulge, _elliptical_fraction(major, minor, radius) @ share


def _elliptical_fraction(major: np.ndarray, minor: np.ndarray, radius: float) -> np.ndarray:
    """Share of an elliptical Gaussian within a circle: the radial integral is exact, the angle is summed."""
    angle = (np.arange(64) + 0.5) * np.pi / 64
    inverse = np.cos(angle) ** 2 / major[..., None] + np.sin(angle) ** 2 / minor[..., None]
    inside = -np.expm1(-0.5 * radius**2 * inverse) / inverse
    return inside.mean(axis=-1) / np.sqrt(major * minor)
