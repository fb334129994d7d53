"""The simulated galaxies straight as arrays, without files, for studies of thousands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from hiss.bands import BAND_WAVELENGTH, CUTOUT_SIZE, SPECTRUM_SIZE
from hiss.sky.camera import PIXEL, Detector, counts_variance, detector, observed_counts
from hiss.sky.photometry import AB_NANOMAGGY, LIGHT_SPEED
from hiss.sky.population import draw_galaxies, draw_labels
from hiss.sky.profiles import Shape, axis_ratio, double_gaussian, render
from hiss.sky.sed import galaxy_nanomaggies, galaxy_spectra
from hiss.sky.spectrograph import expose
from hiss.sky.templates import STEP

_LOGLAM: Final = 3.5800 + STEP * np.arange(3760)
_FIRST, _LAST = 3839.7244, 8914.597
_FIBRE_AREA: Final = np.pi * 1.5**2
_BATCH: Final = 200
_CAMCOL, _RUN = 3, 4203

TO_FLUX: Final = AB_NANOMAGGY * LIGHT_SPEED / BAND_WAVELENGTH**2 * (_FIBRE_AREA / PIXEL**2) / 1e-17
"""(5,) nanomaggies per pixel to 1e-17 erg s-1 cm-2 Angstrom-1 per aperture of 3 arcsec."""


@dataclass(frozen=True)
class SimulatedObjects:
    """Simulated galaxies as the cleaned sample would hold them, by zoom.

    Attributes
    ----------
    images, image_sigma
        {zoom: (n, 5, 64 >> zoom, 64 >> zoom) float32}.
    spectra, spectrum_sigma
        {zoom: (n, 4620 >> zoom) float32}.
    wl
        {zoom: (4620 >> zoom,) float64}, Angstrom.
    avg
        (n,) float64, the label: log10 SFR [M_sun/yr] with the catalogue's noise.
    truth
        One row an object, columns as in `draw_galaxies`.
    """

    images: dict[int, np.ndarray]
    image_sigma: dict[int, np.ndarray]
    spectra: dict[int, np.ndarray]
    spectrum_sigma: dict[int, np.ndarray]
    wl: dict[int, np.ndarray]
    avg: np.ndarray
    truth: pd.DataFrame


def simulate_objects(n: int, seed: int, zooms: Sequence[int] = (0, 1, 2, 3)) -> SimulatedObjects:
    """Return n isolated galaxies with images, spectra and labels, the same for the same seed.

    Flux and sigma are in 1e-17 erg s-1 cm-2 Angstrom-1, images per aperture of 3 arcsec. Sigma is that of the
    noise that was drawn; coarser zooms are block means of the image and flux-conserving bins of the spectrum.
    """
    root = np.random.SeedSequence(seed)
    population, labels, noise = root.spawn(3)
    galaxies = draw_galaxies(n, np.random.default_rng(population))
    avg = draw_labels(galaxies["log_sfr"].to_numpy(), galaxies["quiescent"].to_numpy(), np.random.default_rng(labels))[
        "avg"
    ].to_numpy()
    made = _empty(n, zooms, avg, galaxies)
    rebins = {zoom: rebin_matrix(made.wl[zoom]) for zoom in zooms}
    starts = range(0, n, _BATCH)
    for start, seed_of_batch in zip(starts, noise.spawn(len(starts))):
        rows = slice(start, min(start + _BATCH, n))
        rng = np.random.default_rng(seed_of_batch)
        _fill_images(made, rows, galaxies.iloc[rows], rng)
        _fill_spectra(made, rows, galaxies.iloc[rows], rebins, rng)
    return made


def _empty(n: int, zooms: Sequence[int], avg: np.ndarray, truth: pd.DataFrame) -> SimulatedObjects:
    def images() -> dict[int, np.ndarray]:
        return {k: np.empty((n, 5, CUTOUT_SIZE >> k, CUTOUT_SIZE >> k), np.float32) for k in zooms}

    def spectra() -> dict[int, np.ndarray]:
        return {k: np.empty((n, SPECTRUM_SIZE >> k), np.float32) for k in zooms}

    wl = {k: np.linspace(_FIRST, _LAST, SPECTRUM_SIZE >> k) for k in zooms}
    return SimulatedObjects(images(), images(), spectra(), spectra(), wl, avg, truth)


def galaxy_shape(galaxies: pd.DataFrame) -> Shape:
    """Return the shapes of galaxies in pixels, x along declination (north), y along right ascension (east)."""
    return Shape(
        galaxies["r_bulge"].to_numpy() / PIXEL,
        galaxies["r_disk"].to_numpy() / PIXEL,
        axis_ratio(galaxies["inclination"].to_numpy()),
        np.radians(galaxies["angle"].to_numpy()),
    )


def _fill_images(made: SimulatedObjects, rows: slice, galaxies: pd.DataFrame, rng: np.random.Generator) -> None:
    bulge, disk = galaxy_nanomaggies(galaxies)
    shape = galaxy_shape(galaxies)
    # the target lies anywhere in the pixel on which its cutout is centred
    middle = CUTOUT_SIZE / 2
    centre = middle + rng.uniform(-0.5, 0.5, (2, len(galaxies)))
    seeing = np.clip(rng.normal(1.0, 0.06, len(galaxies)), 0.85, 1.2)
    sky = np.clip(rng.normal(1.0, 0.08, len(galaxies)), 0.8, 1.3).astype(np.float32)
    for band in range(5):
        ccd = detector(band, _CAMCOL, _RUN)
        psf = double_gaussian(ccd.fwhm * seeing / PIXEL)
        clean = render(bulge[:, band], disk[:, band], shape, (centre[0], centre[1]), psf, CUTOUT_SIZE)
        image, variance = _photograph(clean, sky, ccd, rng)
        for zoom, images in made.images.items():
            images[rows, band] = _block_mean(image, zoom) * TO_FLUX[band]
            sigma = np.sqrt(_block_mean(variance, zoom)) / 2**zoom
            made.image_sigma[zoom][rows, band] = sigma * TO_FLUX[band]


def _photograph(
    clean: np.ndarray, sky: np.ndarray, ccd: Detector, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Sky-subtracted image and its true variance, in nanomaggies per pixel."""
    level = (sky * ccd.sky)[:, None, None]
    expected = clean / np.float32(ccd.nanomaggies) + level
    counts = observed_counts(expected, ccd, rng)
    return (counts - level) * ccd.nanomaggies, counts_variance(expected, ccd) * ccd.nanomaggies**2


def _block_mean(image: np.ndarray, zoom: int) -> np.ndarray:
    side = 1 << zoom
    n, ny, nx = image.shape
    return image.reshape(n, ny // side, side, nx // side, side).mean(axis=(2, 4))


def _fill_spectra(
    made: SimulatedObjects,
    rows: slice,
    galaxies: pd.DataFrame,
    rebins: dict[int, csr_matrix],
    rng: np.random.Generator,
) -> None:
    depth = 10 ** rng.normal(0, 0.1, len(galaxies))
    exposure = expose(galaxy_spectra(galaxies, _LOGLAM), _LOGLAM, 3.0, depth, rng)
    variance = 1 / exposure.ivar.astype(float)
    for zoom, rebin in rebins.items():
        made.spectra[zoom][rows] = (rebin @ exposure.flux.T).T
        made.spectrum_sigma[zoom][rows] = np.sqrt(rebin.power(2) @ variance.T).T


def rebin_matrix(wl: np.ndarray) -> csr_matrix:
    """Return the matrix that takes a native spectrum to the mean flux in linear bins, keeping the flux.

    Parameters
    ----------
    wl
        (n_bins,) centres of the bins [Angstrom].
    """
    native = 10 ** (_LOGLAM[0] + STEP * (np.arange(len(_LOGLAM) + 1) - 0.5))
    step = wl[1] - wl[0]
    edges = wl[0] + step * (np.arange(len(wl) + 1) - 0.5)
    first = np.searchsorted(native, edges[:-1], side="right") - 1
    last = np.searchsorted(native, edges[1:], side="left") - 1
    count = last - first + 1
    row = np.repeat(np.arange(len(wl)), count)
    column = np.repeat(first - np.concatenate([[0], np.cumsum(count)[:-1]]), count) + np.arange(count.sum())
    overlap = np.minimum(native[column + 1], edges[row + 1]) - np.maximum(native[column], edges[row])
    return csr_matrix((overlap / step, (row, column)), shape=(len(wl), len(_LOGLAM)))
