"""The dense cube of an existing one: its fluxes in our units, bands in our order, sigmas that are true or unknown."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from hiss.bands import BANDS, CUTOUT_SIZE
from hiss.cube.adopt_plan import PIXELS, Adopted
from hiss.cube.epochs import Frames
from hiss.cube.layout import (
    REFERENCE_DTYPE,
    ZOOMS,
    ml_image_data,
    ml_image_group,
    ml_spectrum_data,
    ml_spectrum_group,
)
from hiss.cube.public import PublicCube
from hiss.cube.rebin import Rebinner, bin_edges, rebin_spectra
from hiss.cube.rows import gather
from hiss.cube.stacking import spectrum_weights, stack
from hiss.cube.zoom import zoom_images

_LOGLAM: Final = np.arange(35_000, 40_000) / 1e4  # SDSS's native samples, wider than any spectrum of a cube


@dataclass(frozen=True)
class Batch:
    """Some targets as they are written.

    Attributes
    ----------
    images, spectra
        A pair of flux and sigma for each zoom.
    windows, headers
        (n, 5, width) references to the cutouts that the images are made of, and to their frames' headers.
    n_epochs
        (n, 5) of them.
    chi2
        (n,) chi-square per degree of freedom of the images that were stacked here, else NaN.
    """

    images: list[tuple[np.ndarray, np.ndarray]]
    spectra: list[tuple[np.ndarray, np.ndarray]]
    windows: np.ndarray
    headers: np.ndarray
    n_epochs: np.ndarray
    chi2: np.ndarray


class Converter:
    """Converts rows of a public dense cube.

    Parameters
    ----------
    frames, tai
        What is known of the frames of its sparse part, and when they were taken [s].
    ra, dec
        (n,) positions of the targets [deg].
    fiber_arcsec
        Aperture to which the flux of an image pixel is scaled; None: one pixel.
    """

    def __init__(
        self,
        cube: PublicCube,
        plan: Adopted,
        frames: Frames,
        tai: np.ndarray,
        ra: np.ndarray,
        dec: np.ndarray,
        fiber_arcsec: float | None,
    ) -> None:
        self._cube, self._plan = cube, plan
        self._frames, self._tai, self._ra, self._dec = frames, tai, ra, dec
        self._factor = cube.image_factor(fiber_arcsec)
        self._epochs = _Windows(cube)
        group = ml_image_group(0)
        self._references = [cube.references(f"{group}/{name}") for name in ("image_cutout_refs", "image_metadata_refs")]
        self._coarser = _Coarser()

    def batch(self, first: int, last: int) -> Batch:
        """Return the targets from ``first`` to before ``last``."""
        rows, places = self._plan.rows[first:last], self._plan.places[first:last]
        here = np.arange(len(rows))[:, None]
        windows, headers = (
            gather(table, rows).astype(REFERENCE_DTYPE)[here, places][..., : self._plan.width]
            for table in self._references
        )
        if self._cube.ours:
            names = [(ml_image_data(zoom), f"{ml_image_group(zoom)}/errors") for zoom in ZOOMS]
            images = [tuple(self._images(name, rows)[here, places] for name in pair) for pair in names]
            spectra = [self._spectra(rows, zoom) for zoom in ZOOMS]
            kept, chi2 = headers["ds_path"] != b"", np.full(len(rows), np.nan)
        else:
            flux = self._images(ml_image_data(0), rows)[here, places]
            sigma, kept, chi2 = self._measure(flux, windows, headers, self._ra[first:last], self._dec[first:last])
            images, spectra = zoom_images(flux, sigma), self._coarser(*self._spectra(rows, 0))
        return Batch(images, spectra, _only(windows, kept), _only(headers, kept), kept.sum(axis=2), chi2)

    def _images(self, name: str, rows: np.ndarray) -> np.ndarray:
        return np.asarray(gather(self._cube.file[name], rows).astype(np.float64) * self._factor, np.float32)

    def _measure(
        self, flux: np.ndarray, windows: np.ndarray, headers: np.ndarray, ra: np.ndarray, dec: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give the sigmas of cutouts, and stack anew, in place, those that the public system stacked by their flux.

        A band with one cutout keeps its flux and gets that cutout's sigma. The weights of several were made of the
        data, which tells neither the mean nor its sigma: they are stacked as in our build where their pixels are
        there, and keep their flux with a sigma that is unknown where not.
        """
        sigma = np.full(flux.shape, np.nan, np.float32)
        kept = headers["ds_path"] != b""
        stacked = self._stacked(kept, headers["ds_slice_idx"], ra, dec)
        chi2, dof = np.zeros(len(flux)), np.zeros(len(flux))
        for target, band in np.argwhere(kept.any(axis=2)).tolist():
            several = kept[target, band].sum() > 1
            chosen = stacked[target, band] if several else kept[target, band]
            epochs = windows[target, band][chosen]
            errors = self._epochs.read("errors", epochs) * np.float32(self._factor)
            errors[~(np.isfinite(errors) & (errors > 0))] = np.nan
            if not several:
                sigma[target, band] = errors[0]
                continue
            values = self._epochs.read("data", epochs) * np.float32(self._factor)
            if len(epochs) and np.isfinite(values + errors).any(axis=(1, 2)).all():
                weights = spectrum_weights(errors.reshape(len(errors), -1))
                mean, error, *fit = stack(values[:, None], errors[:, None], weights[:, None])
                flux[target, band], sigma[target, band] = mean[0], error[0]
                chi2[target], dof[target] = chi2[target] + fit[0][0], dof[target] + fit[1][0]
                kept[target, band] = chosen
        flux[~np.isfinite(flux)] = np.nan
        sigma[np.isnan(flux)] = np.nan
        return sigma, kept, np.where(dof > 0, chi2 / np.where(dof > 0, dof, 1), np.nan)

    def _stacked(self, kept: np.ndarray, frame: np.ndarray, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Tell which cutouts our build would stack: independent of each other and of one orientation."""
        target, band, place = np.nonzero(kept)
        found = frame[target, band, place]
        order = np.lexsort((found, self._tai[found], band, target))
        mask = self._frames.stacked(target[order], found[order], ra, dec)
        chosen = np.zeros_like(kept)
        where = order[mask]
        chosen[target[where], band[where], place[where]] = True
        return chosen

    def _spectra(self, rows: np.ndarray, zoom: int) -> tuple[np.ndarray, np.ndarray]:
        factor = self._cube.spectrum_factor
        flux, sigma = (
            np.asarray(gather(self._cube.file[name], rows).astype(np.float64) * factor, np.float32)
            for name in (ml_spectrum_data(zoom), f"{ml_spectrum_group(zoom)}/errors")
        )
        missing = ~(np.isfinite(flux) & np.isfinite(sigma) & (sigma > 0))
        flux[missing] = sigma[missing] = np.nan
        return flux, sigma


def _only(references: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Give the kept references of each band, moved to the front."""
    moved = np.zeros_like(references)
    target, band, place = np.nonzero(kept)
    moved[target, band, (np.cumsum(kept, axis=2) - 1)[kept]] = references[target, band, place]
    return moved


class _Windows:
    """Reads native windows of the frames in a public cube, as far as they are there."""

    def __init__(self, cube: PublicCube) -> None:
        group = PIXELS.decode().rpartition("/")[0]
        self._datasets = {
            name: cube.file[f"{group}/{name}"] for name in ("data", "errors") if cube.has(f"{group}/{name}")
        }
        for name, dataset in list(self._datasets.items()):
            if dataset.ndim != 3 or dataset.dtype.kind != "f":
                del self._datasets[name]

    def read(self, name: str, references: np.ndarray) -> np.ndarray:
        """Return windows, (n, 64, 64) float32; NaN where a reference leads to none of that size."""
        found = np.full((len(references), CUTOUT_SIZE, CUTOUT_SIZE), np.nan, np.float32)
        dataset = self._datasets.get(name)
        if dataset is None:
            return found
        for place, reference in enumerate(references):
            window = _slices(reference, dataset.shape)
            if window is not None:
                found[place] = dataset[window]
        return found


def _slices(reference: np.void, shape: tuple[int, ...]) -> tuple[int, slice, slice] | None:
    """Give what a reference selects; None where it is no whole window of a dataset of that shape."""
    if reference["ds_path"] != PIXELS or not 0 <= reference["ds_slice_idx"] < shape[0]:
        return None
    edges = []
    for axis, length in (("x", shape[1]), ("y", shape[2])):
        low, high = int(reference[f"{axis}_min"]), int(reference[f"{axis}_max"])
        if not (low >= 0 and high <= length and high - low == CUTOUT_SIZE):
            return None
        edges.append(slice(low, high))
    return int(reference["ds_slice_idx"]), edges[0], edges[1]


class _Coarser:
    """Takes spectra at zoom 0 to every zoom.

    Samples at zoom 0 share native ones, so that their noise is correlated and sqrt(n) does not hold. SDSS's native
    grid is known: the ratio of a coarse sample's true sigma to the one of independent samples is that of native
    noise of one level.
    """

    def __init__(self) -> None:
        edges = bin_edges(0)
        wide = bin_edges(len(BANDS) - 2)
        edges[0], edges[-1] = min(edges[0], wide[0]), max(edges[-1], wide[-1])  # coarse bins reach a little farther
        self._rebin = Rebinner(edges)
        nothing = np.zeros(len(_LOGLAM))
        true = [sigma[0] for _, sigma in rebin_spectra([(_LOGLAM, nothing, nothing + 1)])]
        naive = self._rebin(np.zeros((1, len(true[0]))), true[0][None].astype(np.float64) ** -2)
        self._ratio = [whole / sigma[0] for whole, (_, sigma) in zip(true, naive, strict=True)]

    def __call__(self, flux: np.ndarray, sigma: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return flux and sigma, (n, 4620 >> zoom) float32, at every zoom."""
        weight = np.zeros(sigma.shape)
        np.divide(1.0, np.square(sigma, dtype=np.float64), out=weight, where=sigma > 0)
        _, *coarse = self._rebin(np.nan_to_num(flux), weight)
        return [(flux, sigma), *((values, errors * ratio) for (values, errors), ratio in zip(coarse, self._ratio[1:]))]
