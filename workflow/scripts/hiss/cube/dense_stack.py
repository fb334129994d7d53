"""Reading what belongs to a batch of targets out of a sparse cube, and stacking it."""

from dataclasses import dataclass
from typing import Final

import h5py
import numpy as np

from hiss.bands import BANDS
from hiss.cube.cutouts import Cutouts
from hiss.cube.dense_plan import DensePlan, Fits
from hiss.cube.hdf5 import readable
from hiss.cube.layout import ZOOMS, ml_image_data, ml_image_group, ml_spectrum_data, ml_spectrum_group, spectra_group
from hiss.cube.options import Options
from hiss.cube.precision import round_mantissa
from hiss.cube.rows import gather
from hiss.cube.stacking import spectrum_weights, stack
from hiss.cube.zoom import zoom_images
from hiss.errors import HissError

ARRAYS: Final = tuple(
    name
    for zoom in ZOOMS
    for name in (
        ml_image_data(zoom),
        f"{ml_image_group(zoom)}/errors",
        ml_spectrum_data(zoom),
        f"{ml_spectrum_group(zoom)}/errors",
    )
)
"""Datasets of flux and sigma."""

_CUTOUTS: Final = 2048
"""Cutouts read at once: 64 MB of flux and sigma."""


@dataclass(frozen=True)
class Stacks:
    """Stacks of a list of groups of epochs, and how well the epochs of each agree.

    Attributes
    ----------
    flux, sigma
        (n_groups, ...) float32.
    chi2, dof
        (n_groups,) float64.
    """

    flux: np.ndarray
    sigma: np.ndarray
    chi2: np.ndarray
    dof: np.ndarray


def stack_groups(count: np.ndarray, flux: np.ndarray, sigma: np.ndarray, weight: np.ndarray) -> Stacks:
    """Return the stacks of epochs that lie one group after the other.

    Parameters
    ----------
    count
        (n_groups,) epochs of each group, at least one.
    flux, sigma
        (n_epochs, ...) float32.
    weight
        (n_epochs,), not looked at where a group has one epoch.
    """
    chi2, dof = np.zeros(len(count)), np.zeros(len(count))
    if len(count) == len(flux):
        return Stacks(flux, sigma, chi2, dof)
    first = np.cumsum(count) - count
    mean, error = flux[first], sigma[first]
    for number in np.unique(count[count > 1]):
        groups = np.flatnonzero(count == number)
        rows = first[groups] + np.arange(number)[:, None]
        mean[groups], error[groups], chi2[groups], dof[groups] = stack(flux[rows], sigma[rows], weight[rows])
    return Stacks(mean, error, chi2, dof)


class Stacker:
    """Makes the rows of a dense cube.

    Parameters
    ----------
    source, linked
        The open ``sparse.h5`` and ``links.h5``.
    """

    def __init__(self, source: h5py.File, linked: h5py.File, plan: DensePlan, options: Options) -> None:
        self._plan, self._options = plan, options
        self._files = source.filename, linked.filename
        self._references = linked[f"{spectra_group(0)}/image_cutouts_data"]
        self._cutouts = Cutouts(source)
        self._spectra = [[source[f"{spectra_group(zoom)}/{name}"] for name in ("data", "errors")] for zoom in ZOOMS]

    def __call__(self, first: int, last: int) -> tuple[list[np.ndarray], Fits]:
        """Return the rows of targets ``first`` to ``last - 1`` in the order of `ARRAYS`, and their fits."""
        with readable(*self._files):
            flux, sigma, n_epochs, chi2_image, refused_image = self._images(first, last)
            spectra, chi2_spectrum, refused_spectrum = self._lines(first, last)
        images = zoom_images(flux, sigma, self._options.missing)
        arrays = [part for pairs in zip(images, spectra, strict=True) for pair in pairs for part in pair]
        fits = Fits(n_epochs, chi2_image, chi2_spectrum, refused_image, refused_spectrum)
        return [round_mantissa(array, self._options.mantissa_bits) for array in arrays], fits

    def _images(self, first: int, last: int) -> tuple[np.ndarray, ...]:
        """Give flux and sigma at zoom 0, epochs, chi-square per degree of freedom and whether that refused them."""
        references = gather(self._references, self._plan.targets.label[first:last])
        widest = max(int((references["ds_path"] != b"").sum(axis=1).max(initial=1)), 1)
        step = max(_CUTOUTS // widest, 1)
        parts = [
            self._cutouts_of(first + start, references[start : start + step]) for start in range(0, last - first, step)
        ]
        return tuple(parts[0] if len(parts) == 1 else (np.concatenate(part) for part in zip(*parts, strict=True)))

    def _cutouts_of(self, first: int, references: np.ndarray) -> tuple[np.ndarray, ...]:
        epochs, n = self._plan.epochs(first, references), len(references)
        n_epochs = epochs.counts(n)
        if not n_epochs.all():
            raise HissError(
                f"{self._references.file.filename}: does not list the cutouts that it says are whole; build it again"
            )
        flux, sigma = self._cutouts.read(epochs.references)
        stacks = stack_groups(n_epochs.ravel(), flux, sigma, self._plan.frames.noise[epochs.frame] ** -2.0)
        chi2, refused = self._agreement(*(part.reshape(n, -1).sum(axis=1) for part in (stacks.chi2, stacks.dof)))
        shape = (n, len(BANDS), *flux.shape[1:])
        mean, error = stacks.flux.reshape(shape), stacks.sigma.reshape(shape)
        if refused.any():
            alone = refused[epochs.target] & self._plan.staying(epochs, refused)
            mean[refused], error[refused] = (part[alone].reshape(-1, *shape[1:]) for part in (flux, sigma))
            n_epochs[refused] = 1
        return mean, error, n_epochs, chi2, refused

    def _lines(self, first: int, last: int) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray, np.ndarray]:
        """Give the spectra at every zoom, chi-square per degree of freedom at zoom 0 and whether that refused them."""
        targets = self._plan.targets
        rows = np.flatnonzero(targets.stacked[slice(*np.searchsorted(targets.target, [first, last]))])
        rows += np.searchsorted(targets.target, first)
        of, spectra = targets.target[rows] - first, targets.spectrum[rows]
        count = np.bincount(of, minlength=last - first)
        several = count[of] > 1
        is_label = spectra == targets.label[of + first]
        weight = np.ones(len(spectra))
        refused = np.zeros(last - first, dtype=bool)
        zooms: list[tuple[np.ndarray, np.ndarray]] = []
        for datasets in self._spectra:
            flux, sigma = (gather(dataset, spectra) for dataset in datasets)
            if not zooms:
                weight[several] = spectrum_weights(sigma[several])
            stacks = stack_groups(count, flux, sigma, weight)
            if not zooms:
                chi2, refused = self._agreement(stacks.chi2, stacks.dof)
            if refused.any():
                alone = refused[of] & is_label
                stacks.flux[refused], stacks.sigma[refused] = flux[alone], sigma[alone]
            zooms.append((stacks.flux, stacks.sigma))
        return zooms, chi2, refused

    def _agreement(self, chi2: np.ndarray, dof: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give chi-square per degree of freedom, NaN where there is none, and whether it is above the threshold."""
        per_dof = np.full(len(chi2), np.nan)
        np.divide(chi2, dof, out=per_dof, where=dof > 0)
        most = self._options.max_chi2_dof
        return per_dof, per_dof > (np.inf if most is None else most)
