"""The dense cube: one stacked, target-centred cutout and one stacked spectrum a target, ready to learn from."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from hiss.bands import BANDS, CUTOUT_SIZE
from hiss.cube.comm import Comm, open_to_write, ranks_of
from hiss.cube.dense_plan import DensePlan, plan_dense, target_spectra_table, target_table
from hiss.cube.dense_tables import finish_dense
from hiss.cube.layout import (
    IMAGE_TABLE,
    ZOOMS,
    cutout_size,
    images_group,
    ml_image_data,
    ml_image_group,
    ml_spectrum_data,
    ml_spectrum_group,
    spectra_group,
    spectrum_size,
)
from hiss.cube.options import Options
from hiss.cube.shared import create_shared, shared_temporary
from hiss.cube.stacking import spectrum_weights, stack
from hiss.cube.targets import Target
from hiss.cube.zoom import zoom_images
from hiss.files import write_table
from hiss.progress import progress, say
from hiss.provenance import provenance

BATCH: Final = 64
"""Targets a write."""

_SPARSE_ROWS: Final = 4  # read a whole range of spectra where at least one in so many is wanted


@dataclass(frozen=True)
class Stacked:
    """A batch of targets at zoom 0 (images) and at every zoom (spectra), and how well the epochs agree."""

    flux: np.ndarray
    sigma: np.ndarray
    spectra: list[tuple[np.ndarray, np.ndarray]]
    n_epochs: np.ndarray
    chi2_image: np.ndarray
    chi2_spectrum: np.ndarray


def build_dense(
    comm: Comm,
    sparse: Path | str,
    links: Path | str,
    options: Options,
    output: Path | str,
    rejects: Path | str,
    code: Iterable[Path] = (),
) -> None:
    """Build ``dense.h5`` and the table of spectra that are not in it; called by every rank.

    Parameters
    ----------
    options
        What the user chose about the values.
    code
        Files of the code that runs, for the provenance record.

    Raises
    ------
    HissError
        The links are of another sparse cube, or a frame is not of the band its reference says.
    """
    plan = plan_dense(sparse, links, options.match_radius_arcsec)
    with shared_temporary(output, comm) as temporary:
        shared = open_to_write(temporary, comm)
        _create(shared, len(plan.targets))
        with h5py.File(sparse, "r", rdcc_nbytes=0) as source, h5py.File(links, "r") as linked:
            mine = _fill(shared, comm, plan, source, linked)
        shared.close()  # collective: a failing rank must not wait here for the others, so no `with`
        parts = comm.gather(mine)
        if comm.rank == 0:
            n_epochs, chi2_image, chi2_spectrum = (np.concatenate(part) for part in zip(*parts or []))
            record = provenance({"sparse": sparse, "links": links}, options.as_dict(), code)
            with h5py.File(temporary, "r+") as file, h5py.File(links, "r") as linked:
                finish_dense(
                    file,
                    linked,
                    plan,
                    target_table(plan, n_epochs, chi2_image, chi2_spectrum),
                    target_spectra_table(plan),
                    n_epochs,
                    record,
                )
            write_table(rejects, plan.rejects)
            say(
                f"dense cube: {len(plan.targets)} targets {ranks_of(comm)}; "
                f"{len(plan.rejects)} of {len(plan.spectra)} spectra set aside"
            )


def _create(file: h5py.File, n: int) -> None:
    for zoom in ZOOMS:
        image = (n, len(BANDS), cutout_size(zoom), cutout_size(zoom))
        spectrum = (n, spectrum_size(zoom))
        for name in (ml_image_data(zoom), f"{ml_image_group(zoom)}/errors"):
            create_shared(file, name, image, "<f4")
        for name in (ml_spectrum_data(zoom), f"{ml_spectrum_group(zoom)}/errors"):
            create_shared(file, name, spectrum, "<f4")


def _fill(
    file: h5py.File, comm: Comm, plan: DensePlan, source: h5py.File, linked: h5py.File
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stack and write this rank's block of targets; give their epochs and chi-squares."""
    first, last = (len(plan.targets) * edge // comm.size for edge in (comm.rank, comm.rank + 1))
    reader = _Reader(source, linked, plan)
    starts = range(first, last, BATCH)
    done = [(np.zeros((0, len(BANDS)), np.int64), np.zeros(0), np.zeros(0))]
    what = "batches of targets" if comm.size == 1 else f"batches of targets of rank 0 (of {comm.size})"
    for start in progress(starts, len(starts), what, show=comm.rank == 0 and len(starts) > 0):
        rows = slice(start, min(start + BATCH, last))
        batch = reader.stacked(plan.targets[rows])
        for zoom, (pair, lines) in enumerate(zip(zoom_images(batch.flux, batch.sigma), batch.spectra, strict=True)):
            file[ml_image_data(zoom)][rows], file[f"{ml_image_group(zoom)}/errors"][rows] = pair
            file[ml_spectrum_data(zoom)][rows], file[f"{ml_spectrum_group(zoom)}/errors"][rows] = lines
        done.append((batch.n_epochs, batch.chi2_image, batch.chi2_spectrum))
    n_epochs, chi2_image, chi2_spectrum = (np.concatenate(part) for part in zip(*done))
    return n_epochs, chi2_image, chi2_spectrum


class _Reader:
    """Reads what belongs to a batch of targets out of a sparse cube and stacks it."""

    def __init__(self, source: h5py.File, linked: h5py.File, plan: DensePlan) -> None:
        self._plan = plan
        self._weight = source[IMAGE_TABLE]["background_sigma"] ** -2.0
        self._references = linked[f"{spectra_group(0)}/image_cutouts_data"]
        self._images = [source[f"{images_group(0)}/{name}"] for name in ("data", "errors")]
        self._spectra = [[source[f"{spectra_group(zoom)}/{name}"] for name in ("data", "errors")] for zoom in ZOOMS]

    def stacked(self, targets: list[Target]) -> Stacked:
        """Return a batch of targets, stacked."""
        flux, sigma, n_epochs, chi2_image = self._cutouts(targets)
        spectra, chi2_spectrum = self._lines(targets)
        return Stacked(flux, sigma, spectra, n_epochs, chi2_image, chi2_spectrum)

    def _cutouts(self, targets: list[Target]) -> tuple[np.ndarray, ...]:
        shape = (len(targets), len(BANDS), CUTOUT_SIZE, CUTOUT_SIZE)
        flux, sigma = np.empty(shape, np.float32), np.empty(shape, np.float32)
        n_epochs = np.zeros(shape[:2], np.int64)
        chi2 = np.full(len(targets), np.nan)
        references = _read_rows(self._references, np.array([target.label for target in targets]))
        for place, (target, row) in enumerate(zip(targets, references)):
            row = self._plan.epochs(target, row)
            band = self._plan.band[row["ds_slice_idx"]]
            agreement = []
            for number in range(len(BANDS)):
                epochs = row[band == number]
                values, sigmas = (self._windows(dataset, epochs) for dataset in self._images)
                weights = self._weight[epochs["ds_slice_idx"]]
                flux[place, number], sigma[place, number], *fit = stack(values, sigmas, weights)
                n_epochs[place, number] = len(epochs)
                agreement.append(fit)
            chi2[place] = _per_dof(agreement)
        return flux, sigma, n_epochs, chi2

    @staticmethod
    def _windows(dataset: h5py.Dataset, references: np.ndarray) -> np.ndarray:
        """Read cutouts through HDF5's own calls: h5py's selection costs as much again as a cutout's bytes."""
        windows = np.empty((len(references), CUTOUT_SIZE, CUTOUT_SIZE), np.float32)
        shape = (1, CUTOUT_SIZE, CUTOUT_SIZE)
        there, here = dataset.id.get_space(), h5py.h5s.create_simple(shape)
        for place, at in enumerate(references[["ds_slice_idx", "x_min", "y_min"]].tolist()):
            there.select_hyperslab(at, shape)
            dataset.id.read(here, there, windows[place])
        return windows

    def _lines(self, targets: list[Target]) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
        rows = np.concatenate([target.spectra[target.stacked] for target in targets])
        cuts = np.cumsum([target.stacked.sum() for target in targets])[:-1]
        chi2 = np.full(len(targets), np.nan)
        zooms = []
        for zoom, datasets in enumerate(self._spectra):
            values, sigmas = (_read_rows(dataset, rows) for dataset in datasets)
            if zoom == 0:
                weights = spectrum_weights(sigmas)
            stacks = [
                stack(*parts) for parts in zip(np.split(values, cuts), np.split(sigmas, cuts), np.split(weights, cuts))
            ]
            zooms.append((np.stack([one[0] for one in stacks]), np.stack([one[1] for one in stacks])))
            if zoom == 0:
                chi2[:] = [_per_dof([one[2:]]) for one in stacks]
        return zooms, chi2


def _per_dof(fits: Iterable[Any]) -> float:
    chi2, dof = (sum(part) for part in zip(*fits))
    return chi2 / dof if dof else float("nan")


def _read_rows(dataset: h5py.Dataset, rows: np.ndarray) -> np.ndarray:
    """Read rows in any order: as one range where they lie close together, else one by one."""
    first, last = int(rows.min()), int(rows.max()) + 1
    if last - first <= _SPARSE_ROWS * len(rows):
        return np.asarray(dataset[first:last][rows - first])
    return np.stack([dataset[row] for row in rows])
