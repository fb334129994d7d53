"""The serial end of the dense cube's build: tables, references back to the sources, attributes."""

from collections.abc import Mapping
from typing import Any, Final

import h5py
import numpy as np
import pandas as pd

from hiss.bands import BANDS
from hiss.cube.dense_plan import DensePlan
from hiss.cube.hdf5 import describe_flux, set_attributes, set_root, to_records, write_wavelengths
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
from hiss.cube.linking import independent_references
from hiss.cube.links import write_references
from hiss.cube.rebin import bin_centers

_UNITS: Final = "ra, dec: deg; fiber_arcsec: arcsec; avg, median, mode, p16, p84, p2p5, p97p5: log10(Msun/yr)"
_BATCH: Final = 1024


def finish_dense(
    file: h5py.File,
    linked: h5py.File,
    plan: DensePlan,
    targets: pd.DataFrame,
    target_spectra: pd.DataFrame,
    n_epochs: np.ndarray,
    record: Mapping[str, Any],
) -> None:
    """Add tables, references and attributes to the arrays that the ranks wrote.

    Parameters
    ----------
    file
        Open for reading and writing by this process alone.
    linked
        The open ``links.h5``.
    n_epochs
        (n_targets, 5).
    record
        Provenance.
    """
    for name, table in ((TARGETS, targets), (TARGET_SPECTRA, target_spectra)):
        set_attributes(file.create_dataset(name, data=to_records(table)), {"units": _UNITS})
    _write_image_references(file, linked, plan, n_epochs)
    _write_spectrum_references(file, plan)
    for zoom in ZOOMS:
        _describe_images(file, zoom)
        _describe_spectra(file, zoom)
        group = ml_image_group(zoom)
        set_attributes(file[f"{DENSE}/{zoom}"], {"NX_class": "NXcollection", "default": f"/{group}"})
    set_attributes(file[DENSE], {"NX_class": "NXentry", "default": f"/{DENSE}/0"})
    file[DENSE].attrs["target_count"] = np.int64(len(targets))
    set_root(file, f"/{DENSE}", record)


def _describe_images(file: h5py.File, zoom: int) -> None:
    data, group = file[ml_image_data(zoom)], file[ml_image_group(zoom)]
    describe_flux(data, group["errors"], "image")
    data.attrs["error_ds"] = group["errors"].ref
    for dataset in (data, group["errors"]):
        set_attributes(dataset, {"bands": list(BANDS)})
    set_attributes(group, {"NX_class": "NXdata", "signal": data.name.rpartition("/")[2]})


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


def _write_image_references(file: h5py.File, linked: h5py.File, plan: DensePlan, n_epochs: np.ndarray) -> None:
    references = linked[f"{spectra_group(0)}/image_cutouts_data"]
    width = max(int(n_epochs.max(initial=0)), 1)
    shape = (len(plan.targets), len(BANDS), width)
    table = np.zeros(shape, REFERENCE_DTYPE)
    labels = np.array([target.label for target in plan.targets], dtype=np.int64)
    used = np.arange(width) < n_epochs[..., None]
    for start in range(0, len(references) if len(labels) else 0, _BATCH):
        inside = np.flatnonzero((labels >= start) & (labels < start + _BATCH))
        if len(inside):
            rows = references[start : start + _BATCH][labels[inside] - start]
            # Both run over targets, bands and epochs in the same order.
            part = table[inside]
            part[used[inside]] = np.concatenate([independent_references(row, plan.exposure) for row in rows])
            table[inside] = part
    write_references(file, f"{ml_image_group(0)}/image_cutout_refs", table)
    table["ds_path"][used] = f"/{images_group(0)}/metadata".encode()
    for edge in ("x_min", "x_max", "y_min", "y_max"):
        table[edge] = 0
    write_references(file, f"{ml_image_group(0)}/image_metadata_refs", table)
    for name in ("image_cutout_refs", "image_metadata_refs"):
        _share(file, ml_image_group, name)


def _write_spectrum_references(file: h5py.File, plan: DensePlan) -> None:
    stacked = [target.spectra[target.stacked] for target in plan.targets]
    width = max((len(rows) for rows in stacked), default=1)
    table = np.zeros((len(stacked), width), REFERENCE_DTYPE)
    for place, rows in enumerate(stacked):
        table["ds_path"][place, : len(rows)] = f"/{spectra_group(0)}/metadata".encode()
        table["ds_slice_idx"][place, : len(rows)] = rows
    write_references(file, f"{ml_spectrum_group(0)}/spec_metadata_refs", table)
    _share(file, ml_spectrum_group, "spec_metadata_refs")
