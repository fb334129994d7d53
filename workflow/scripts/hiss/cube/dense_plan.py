"""What goes into the dense cube: targets with whole cutouts, and the reasons of those without."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from hiss.bands import BAND_INDEX
from hiss.cube.hdf5 import read_provenance, to_table
from hiss.cube.layout import COVERAGE, IMAGE_TABLE, SPECTRA_STAR_FORMATION_RATES, SPECTRUM_TABLE, images_group
from hiss.cube.linking import aligned, independent_references, reject_reason
from hiss.cube.rejects import reject_table
from hiss.cube.targets import Target, find_targets
from hiss.cube.wcs import north_angle
from hiss.errors import HissError
from hiss.provenance import digest
from hiss.sdss.catalogue import SFR_COLUMNS

_OF_LABEL = ["ra", "dec", "z", "class", "subclass", "zwarning", "plate", "mjd", "fiber", "objid"]


@dataclass(frozen=True)
class DensePlan:
    """Targets of a dense cube in order, the table of all spectra, and the spectra left out.

    Attributes
    ----------
    band, exposure
        (n_frames,) band number of each frame of the sparse cube, and number of its run, camcol and band.
    wcs
        (n_frames,) WCS records at zoom 0.
    """

    targets: list[Target]
    spectra: pd.DataFrame
    rejects: pd.DataFrame
    band: np.ndarray
    exposure: np.ndarray
    wcs: np.ndarray

    def epochs(self, target: Target, references: np.ndarray) -> np.ndarray:
        """Return those of a target's references that are stacked: independent of each other, of one orientation.

        Parameters
        ----------
        references
            The row of its label spectrum in the links.
        """
        references = independent_references(references, self.exposure)
        frame = references["ds_slice_idx"]
        ra, dec = (self.spectra[name].to_numpy()[target.label] for name in ("ra", "dec"))
        return references[aligned(self.band[frame], north_angle(self.wcs[frame], ra, dec))]


def plan_dense(sparse: Path | str, links: Path | str, radius_arcsec: float) -> DensePlan:
    """Return the targets whose label spectrum has a whole cutout in all five bands.

    Raises
    ------
    HissError
        The links were made from another sparse cube.
    """
    with h5py.File(sparse, "r") as file, h5py.File(links, "r") as linked:
        if read_provenance(linked)["inputs"].get("sparse") != digest(read_provenance(file)):
            raise HissError(f"{links}: was not made from {sparse}; build the links again")
        spectra = to_table(file[SPECTRUM_TABLE][:])
        rates = to_table(file[SPECTRA_STAR_FORMATION_RATES][:])
        coverage = linked[COVERAGE][:]
        images = file[IMAGE_TABLE].fields(["run", "camcol", "band"])[:]
        wcs = file[f"{images_group(0)}/wcs"][:]
    _, exposure = np.unique(images, return_inverse=True)
    band = np.array([BAND_INDEX[name.decode()] for name in images["band"]], dtype=np.int64)
    if len(coverage) != len(spectra) or list(rates["path"]) != list(spectra["path"]):
        raise HissError(f"{sparse} and {links} do not list the same spectra; build both again")
    spectra = spectra.assign(**{name: rates[name] for name in (*SFR_COLUMNS, "has_sfr")})
    kept, rejected = [], []
    for target in find_targets(spectra, radius_arcsec):
        reason = reject_reason(coverage[target.label])
        if reason is None:
            kept.append(target)
        else:
            of_label = f"its target's label spectrum: {reason}"
            rejected += [
                ("links", "spectrum", spectra["path"][row], reject_reason(coverage[row]) or of_label)
                for row in target.spectra
            ]
    return DensePlan(kept, spectra, reject_table(rejected), band, exposure, wcs)


def target_table(
    plan: DensePlan, n_epochs: np.ndarray, chi2_image: np.ndarray, chi2_spectrum: np.ndarray
) -> pd.DataFrame:
    """Return ``dense_cube/targets``, one row a target.

    Parameters
    ----------
    n_epochs
        (n_targets, 5) epochs a band.
    chi2_image, chi2_spectrum
        (n_targets,) chi-square per degree of freedom of the stacks, NaN for stacks of one.
    """
    label = plan.spectra.loc[[target.label for target in plan.targets]].reset_index(drop=True)
    table = label[_OF_LABEL].copy()
    table.insert(0, "target_id", np.arange(len(table)))
    table["n_spectra"] = np.array([int(target.stacked.sum()) for target in plan.targets], dtype=np.int64)
    table["n_epochs"] = pd.Series(list(n_epochs.astype(np.int64)), dtype=object)
    for name in ("fiber_arcsec", "sn_median", "has_sfr", *SFR_COLUMNS):
        table[name] = label[name]
    table["chi2_dof_image"], table["chi2_dof_spectrum"] = chi2_image, chi2_spectrum
    return table


def target_spectra_table(plan: DensePlan) -> pd.DataFrame:
    """Return ``dense_cube/target_spectra``, one row a spectrum of a target."""
    targets: Sequence[Target] = plan.targets
    empty = np.empty(0, np.int64)
    rows = np.concatenate([empty, *(target.spectra for target in targets)])
    counts = np.array([len(target.spectra) for target in targets], dtype=np.int64)
    table = plan.spectra.loc[rows, ["plate", "mjd", "fiber", "fiber_arcsec", "sn_median", "avg"]]
    table = table.reset_index(drop=True)
    table.insert(0, "target_id", np.repeat(np.arange(len(targets)), counts))
    table.insert(1, "spectrum", rows)
    table["stacked"] = np.concatenate([np.empty(0, bool), *(target.stacked for target in targets)])
    return table
