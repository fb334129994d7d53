"""What the dense cube will hold: its targets, their tables, and what is left out with its reason."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pandas as pd

from hiss.bands import BANDS
from hiss.cube.epochs import Frames, least_noisy
from hiss.cube.hdf5 import read_provenance, readable
from hiss.cube.layout import (
    COVERAGE,
    SPECTRA_STAR_FORMATION_RATES,
    SPECTRUM_TABLE,
    SPECTRUM_TABLE_DTYPE,
)
from hiss.cube.linking import WHOLE, reject_reason
from hiss.cube.rejects import reject_table
from hiss.cube.targets import TargetRows, find_targets
from hiss.errors import HissError
from hiss.provenance import digest
from hiss.sdss.catalogue import SFR_COLUMNS

_KNOWN: Final = [name for name in SPECTRUM_TABLE_DTYPE.names or () if name != "path"]
_RATES: Final = [*SFR_COLUMNS, "has_sfr"]


def _fields(*names: str) -> list[Any]:
    """Give fields as the table of spectra has them."""
    return [(name, SPECTRUM_TABLE_DTYPE[name]) for name in names]


TARGET_DTYPE: Final = np.dtype(
    [
        ("target_id", "<i8"),
        *_fields("ra", "dec", "z", "class", "subclass", "zwarning", "plate", "mjd", "fiber", "objid"),
        ("n_spectra", "<i8"),
        ("n_epochs", "<i8", (len(BANDS),)),
        *_fields("fiber_arcsec", "sn_median"),
        ("has_sfr", "?"),
        *((name, "<f8") for name in SFR_COLUMNS),
        *((name, "<f8") for name in ("chi2_dof_image", "chi2_dof_spectrum")),
        *((name, "?") for name in ("refused_image", "refused_spectrum")),
    ]
)
"""A row of ``dense_cube/targets``."""

TARGET_SPECTRUM_DTYPE: Final = np.dtype(
    [
        ("target_id", "<i8"),
        ("spectrum", "<i8"),
        *_fields("plate", "mjd", "fiber", "fiber_arcsec", "sn_median"),
        ("avg", "<f8"),
        ("stacked", "?"),
    ]
)
"""A row of ``dense_cube/target_spectra``."""


@dataclass(frozen=True)
class Epochs:
    """The cutouts that are stacked for a batch of targets, sorted by target, band and time.

    Attributes
    ----------
    target, band, frame
        (n,) number of the target in the batch, of the band, and row of the frame in ``image_table``; int64.
    references
        (n,) records of dtype ``REFERENCE_DTYPE``.
    """

    target: np.ndarray
    band: np.ndarray
    frame: np.ndarray
    references: np.ndarray

    def only(self, kept: np.ndarray) -> "Epochs":
        """Return some of them, (n,) bool."""
        return Epochs(self.target[kept], self.band[kept], self.frame[kept], self.references[kept])

    def counts(self, n_targets: int) -> np.ndarray:
        """Return how many there are of each target and band, (n_targets, 5) int64."""
        found = np.bincount(self.target * len(BANDS) + self.band, minlength=n_targets * len(BANDS))
        return found.reshape(n_targets, len(BANDS))


@dataclass(frozen=True)
class Fits:
    """What the stacks of a list of targets turned out to be.

    Attributes
    ----------
    n_epochs
        (n_targets, 5) epochs a band that the cutouts are made of.
    chi2_image, chi2_spectrum
        (n_targets,) chi-square per degree of freedom of the stacks, NaN for stacks of one.
    refused_image, refused_spectrum
        (n_targets,) whether it was above the threshold: one epoch a band, or the label's spectrum, stands alone.
    """

    n_epochs: np.ndarray
    chi2_image: np.ndarray
    chi2_spectrum: np.ndarray
    refused_image: np.ndarray
    refused_spectrum: np.ndarray


@dataclass(frozen=True)
class DensePlan:
    """Targets of a dense cube in order, what is known of all spectra and frames, and the spectra left out.

    Attributes
    ----------
    spectra
        (n_spectra,) ``spectrum_table`` without ``path``.
    rates
        (n_spectra,) the SFRs of the same rows.
    rejects
        Table of the spectra that are not in the dense cube.
    """

    targets: TargetRows
    spectra: np.ndarray
    rates: np.ndarray
    rejects: pd.DataFrame
    frames: Frames

    def epochs(self, first: int, references: np.ndarray, refused: np.ndarray | None = None) -> Epochs:
        """Return the cutouts that are stacked for targets from ``first`` on.

        Parameters
        ----------
        references
            (n, width) their label spectra's rows in the links.
        refused
            (n,) targets of which one epoch a band stands alone, that of least background sigma; None: no target.
        """
        target, place = np.nonzero(references["ds_path"] != b"")
        linked = references[target, place]
        frame = self.frames.of_references(linked)
        found = Epochs(target, self.frames.band[frame], frame, linked)
        label = self.spectra[self.targets.label[first : first + len(references)]]
        found = found.only(self.frames.stacked(target, frame, label["ra"], label["dec"]))
        return found if refused is None else found.only(self.staying(found, refused))

    def staying(self, epochs: Epochs, refused: np.ndarray) -> np.ndarray:
        """Return which epochs stay where of refused targets, (n,) bool, the least noisy of each band stands alone."""
        best = least_noisy(epochs.target, epochs.band, self.frames.noise[epochs.frame])
        return np.asarray(best | ~refused[epochs.target])


def plan_dense(sparse: Path | str, links: Path | str, radius_arcsec: float, mix_fibers: bool = False) -> DensePlan:
    """Return the targets whose label spectrum has a whole cutout in all five bands.

    Parameters
    ----------
    radius_arcsec, mix_fibers
        As in `find_targets`.

    Raises
    ------
    HissError
        The links were made from another sparse cube, or one of the two cannot be read.
    """
    with readable(sparse, links), h5py.File(sparse, "r") as file, h5py.File(links, "r") as linked:
        if read_provenance(linked)["inputs"].get("sparse") != digest(read_provenance(file)):
            raise HissError(f"{links}: was not made from {sparse}; build the links again")
        coverage = linked[COVERAGE][:]
        spectra = file[SPECTRUM_TABLE].fields(_KNOWN)[:]
        rates = file[SPECTRA_STAR_FORMATION_RATES].fields(_RATES)[:]
        frames = Frames.of(file)
    if not len(coverage) == len(rates) == len(spectra):
        raise HissError(f"{sparse} and {links} do not list the same spectra; build both again")
    known = {name: spectra[name] for name in ("ra", "dec", "objid", "fiber_arcsec", "sn_median")}
    table = pd.DataFrame({**known, "avg": rates["avg"], "flag": rates["flag"]})
    targets = find_targets(table, radius_arcsec, mix_fibers)
    whole = (coverage == WHOLE).all(axis=1)[targets.label]
    return DensePlan(targets.only(whole), spectra, rates, _rejects(sparse, targets, whole, coverage), frames)


def _rejects(sparse: Path | str, targets: TargetRows, whole: np.ndarray, coverage: np.ndarray) -> pd.DataFrame:
    """Give the spectra of targets that are not whole, each with its own reason or that of its label."""
    left_out = ~whole[targets.target]
    rows, labels = targets.spectrum[left_out], targets.label[targets.target[left_out]]
    if len(rows) == 0:
        return reject_table([])
    with readable(sparse), h5py.File(sparse, "r") as file:
        paths = file[SPECTRUM_TABLE].fields("path")[:][rows]
    return reject_table(
        ("links", "spectrum", path.decode(), reject_reason(own) or f"its target's label spectrum: {reject_reason(its)}")
        for path, own, its in zip(paths.tolist(), coverage[rows], coverage[labels])
    )


def target_table(plan: DensePlan, fits: Fits) -> np.ndarray:
    """Return ``dense_cube/targets``, one record of dtype ``TARGET_DTYPE`` a target."""
    label = plan.targets.label
    table = np.zeros(len(label), TARGET_DTYPE)
    table["target_id"] = np.arange(len(label))
    for known in (plan.spectra, plan.rates):
        for name in set(known.dtype.names or ()) & set(TARGET_DTYPE.names or ()):
            table[name] = known[name][label]
    targets = plan.targets.alone(fits.refused_spectrum)
    table["n_spectra"] = np.bincount(targets.target, weights=targets.stacked, minlength=len(label))
    table["n_epochs"] = fits.n_epochs
    table["chi2_dof_image"], table["chi2_dof_spectrum"] = fits.chi2_image, fits.chi2_spectrum
    table["refused_image"], table["refused_spectrum"] = fits.refused_image, fits.refused_spectrum
    return table


def target_spectra_table(plan: DensePlan, fits: Fits) -> np.ndarray:
    """Return ``dense_cube/target_spectra``, one record of dtype ``TARGET_SPECTRUM_DTYPE`` a spectrum of a target."""
    targets = plan.targets.alone(fits.refused_spectrum)
    table = np.zeros(len(targets.spectrum), TARGET_SPECTRUM_DTYPE)
    table["target_id"], table["spectrum"], table["stacked"] = targets.target, targets.spectrum, targets.stacked
    for name in ("plate", "mjd", "fiber", "fiber_arcsec", "sn_median"):
        table[name] = plan.spectra[name][targets.spectrum]
    table["avg"] = plan.rates["avg"][targets.spectrum]
    return table
