"""The serial end of the dense cube's build: tables, references back to the sources, attributes."""

from collections.abc import Mapping
from typing import Any, Final

import h5py
import numpy as np

from hiss.bands import BAND_INDEX, BANDS
from hiss.cube.dense_plan import DensePlan, Fits, target_spectra_table, target_table
from hiss.cube.hdf5 import describe_flux, set_attributes, set_root, write_wavelengths
from hiss.cube.intact import seal
from hiss.cube.layout import (
    DENSE,
    REFERENCE_DTYPE,
    TARGET_SPECTRA,
    TARGETS,
    ZOOMS,
    images_group,
    ml_image_data,
    ml_image_group,
    ml_spectrum_data,
    ml_spectrum_group,
    spectra_group,
)
from hiss.cube.linking import BATCH, redirected
from hiss.cube.links import create_references
from hiss.cube.rebin import bin_centers
from hiss.cube.rows import gather
from hiss.cube.targets import TargetRows

_UNITS: Final = "ra, dec: deg; fiber_arcsec: arcsec; avg, median, mode, p16, p84, p2p5, p97p5: log10(Msun/yr)"


def finish_dense(
    file: h5py.File,
    linked: h5py.File,
    plan: DensePlan,
    fits: Fits,
    record: Mapping[str, Any],
) -> None:
    """Add tables, references and attributes to the arrays that the ranks wrote.

    Parameters
    ----------
    file
        Open for reading and writing by this process alone.
    linked
        The open ``links.h5``.
    fits
        Of all targets in order.
    record
        Provenance.
    """
    _write_image_references(file, linked, plan, fits)
    complete_dense(file, plan, fits, record)


def complete_dense(file: h5py.File, plan: DensePlan, fits: Fits, record: Mapping[str, Any]) -> None:
    """Add tables, spectra's references and attributes to arrays that have the references of their images.

    Parameters
    ----------
    file
        Open for reading and writing by this process alone.
    fits
        Of all targets in order.
    record
        Provenance.
    """
    _write_tables(file, plan, fits)
    _write_spectrum_references(file, plan.targets.alone(fits.refused_spectrum))
    _describe_dense(file, record)
    seal(file)


def _write_tables(file: h5py.File, plan: DensePlan, fits: Fits) -> None:
    """Write the tables of targets and of their spectra."""
    for name, table in ((TARGETS, target_table(plan, fits)), (TARGET_SPECTRA, target_spectra_table(plan, fits))):
        set_attributes(file.create_dataset(name, data=table), {"units": _UNITS})


def _describe_dense(file: h5py.File, record: Mapping[str, Any]) -> None:
    """Set the attributes of a file whose arrays and tables are written."""
    for zoom in ZOOMS:
        _describe_images(file, zoom)
        _describe_spectra(file, zoom)
        group = ml_image_group(zoom)
        set_attributes(file[f"{DENSE}/{zoom}"], {"NX_class": "NXcollection", "default": f"/{group}"})
    set_attributes(file[DENSE], {"NX_class": "NXentry", "default": f"/{DENSE}/0"})
    file[DENSE].attrs["target_count"] = np.int64(len(file[TARGETS]))
    set_root(file, f"/{DENSE}", record)


def _describe_images(file: h5py.File, zoom: int) -> None:
    data, group = file[ml_image_data(zoom)], file[ml_image_group(zoom)]
    describe_flux(data, group["errors"], "image")
    data.attrs["error_ds"] = group["errors"].ref
    for dataset in (data, group["errors"]):
        set_attributes(dataset, {"bands": list(BANDS)})
    in_r = ["0", str(BAND_INDEX["r"]), ".", "."]
    set_attributes(group, {"NX_class": "NXdata", "signal": data.name.rpartition("/")[2], "default_slice": in_r})


def _describe_spectra(file: h5py.File, zoom: int) -> None:
    data, group = file[ml_spectrum_data(zoom)], file[ml_spectrum_group(zoom)]
    describe_flux(data, group["errors"], "spectrum")
    data.attrs["error_ds"] = group["errors"].ref
    write_wavelengths(group, bin_centers(zoom))
    set_attributes(group, {"NX_class": "NXdata", "signal": data.name.rpartition("/")[2], "axes": [".", "wl"]})


def _share(file: h5py.File, group: Any, name: str) -> None:
    """Give the coarser zooms the native one's table: their values are made of the same native pixels."""
    for zoom in ZOOMS[1:]:
        file[f"{group(zoom)}/{name}"] = file[f"{group(0)}/{name}"]


def _write_image_references(file: h5py.File, linked: h5py.File, plan: DensePlan, fits: Fits) -> None:
    """Write the windows that were stacked, and the headers of their frames."""
    shape = (len(plan.targets), len(BANDS), max(int(fits.n_epochs.max(initial=0)), 1))
    names = [f"{ml_image_group(0)}/{name}" for name in ("image_cutout_refs", "image_metadata_refs")]
    windows, headers = (create_references(file, name, shape) for name in names)
    source = linked[f"{spectra_group(0)}/image_cutouts_data"]
    for first in range(0, shape[0], BATCH):
        labels = plan.targets.label[first : first + BATCH]
        refused = fits.refused_image[first : first + BATCH]
        epochs = plan.epochs(first, gather(source, labels), refused)
        count = epochs.counts(len(labels))
        # Targets, bands and epochs follow each other in both.
        used = np.arange(shape[-1]) < count[..., None]
        table = np.zeros(used.shape, REFERENCE_DTYPE)
        table[used] = epochs.references
        windows[first : first + BATCH] = table
        table = redirected(table, f"/{images_group(0)}/metadata", windows=False)
        table["ds_slice_idx"][used] = epochs.frame
        headers[first : first + BATCH] = table
    for name in ("image_cutout_refs", "image_metadata_refs"):
        _share(file, ml_image_group, name)


def _write_spectrum_references(file: h5py.File, targets: TargetRows) -> None:
    """Write the headers of the spectra that were stacked."""
    of, rows = targets.target[targets.stacked], targets.spectrum[targets.stacked]
    count = np.bincount(of, minlength=len(targets))
    place = np.arange(len(rows)) - (np.cumsum(count) - count)[of]
    shape = (len(targets), max(int(count.max(initial=0)), 1))
    headers = create_references(file, f"{ml_spectrum_group(0)}/spec_metadata_refs", shape)
    for first in range(0, len(targets), BATCH):
        some = slice(*np.searchsorted(of, [first, first + BATCH]))
        table = np.zeros((min(BATCH, len(targets) - first), shape[1]), REFERENCE_DTYPE)
        table["ds_path"][of[some] - first, place[some]] = f"/{spectra_group(0)}/metadata".encode()
        table["ds_slice_idx"][of[some] - first, place[some]] = rows[some]
        headers[first : first + BATCH] = table
    _share(file, ml_spectrum_group, "spec_metadata_refs")
