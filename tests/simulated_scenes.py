"""Cutouts of simulated galaxies with a neighbour of known place and brightness, or none."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hiss.bands import CUTOUT_SIZE, PIXEL_SCALE
from hiss.sky.arrays import TO_FLUX, galaxy_shape
from hiss.sky.camera import counts_variance, detector, observed_counts
from hiss.sky.population import draw_galaxies
from hiss.sky.profiles import Shape, double_gaussian, render
from hiss.sky.sed import galaxy_nanomaggies

_MIDDLE = CUTOUT_SIZE / 2


@dataclass(frozen=True)
class Scenes:
    """Cutouts (n, 5, 64, 64) of galaxies, and the same photons without their neighbours."""

    images: np.ndarray
    sigma: np.ndarray
    alone: np.ndarray
    """The same galaxies without noise and without neighbours."""
    galaxies: pd.DataFrame
    separation: np.ndarray
    """(n,) of the neighbour [arcsec]; NaN where there is none."""


def make_scenes(n, seed, fainter_by=None, separation=None, point=True, galaxies=None) -> Scenes:
    """Draw n galaxies near the middle, each with a neighbour so many magnitudes fainter in every band.

    Parameters
    ----------
    fainter_by, separation
        Of the neighbour [mag], [arcsec]; numbers or (n,); None: no neighbour.
    point
        Whether the neighbour is a star, or a galaxy of the target's own shape, a third of its size.
    """
    rng = np.random.default_rng(seed)
    galaxies = draw_galaxies(n, rng) if galaxies is None else galaxies
    bulge, disk = galaxy_nanomaggies(galaxies)
    shape = galaxy_shape(galaxies)
    centre = _MIDDLE + rng.uniform(-0.5, 0.5, (2, n))
    angle = rng.uniform(0, 2 * np.pi, n)
    distance = np.full(n, np.nan) if separation is None else np.broadcast_to(np.asarray(separation, float), n)
    place = centre + np.nan_to_num(distance) / PIXEL_SCALE * np.array([np.cos(angle), np.sin(angle)])
    ratio = np.zeros(n) if fainter_by is None else np.broadcast_to(10 ** (-0.4 * np.asarray(fainter_by, float)), n)
    small = Shape(*(part * (0 if point else 1 / 3) for part in (shape.r_bulge, shape.r_disk)), shape.axis_ratio, angle)
    images, sigma, alone = (np.empty((n, 5, CUTOUT_SIZE, CUTOUT_SIZE), np.float32) for _ in range(3))
    for band in range(5):
        ccd = detector(band, 3, 4203)
        psf = double_gaussian(ccd.fwhm / PIXEL_SCALE)
        clean = render(bulge[:, band], disk[:, band], shape, (centre[0], centre[1]), psf, CUTOUT_SIZE)
        light = (bulge + disk)[:, band] * ratio
        nothing = np.zeros(n)
        parts = (light, nothing) if point else (0.3 * light, 0.7 * light)
        other = render(*parts, small, (place[0], place[1]), psf, CUTOUT_SIZE)
        expected = (clean + other) / np.float32(ccd.nanomaggies) + np.float32(ccd.sky)
        unit = ccd.nanomaggies * TO_FLUX[band]
        images[:, band] = (observed_counts(expected, ccd, rng) - ccd.sky) * unit
        sigma[:, band] = np.sqrt(counts_variance(expected, ccd)) * unit
        alone[:, band] = clean * TO_FLUX[band]
    return Scenes(images, sigma, alone, galaxies, distance)
