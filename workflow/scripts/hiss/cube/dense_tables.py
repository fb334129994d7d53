"""The serial end of the dense cube's build: tables, references back to the sources, attributes."""

from collections.abc import Iterator, Mapping
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
from hiss.cube.linking import BATCH, redirected
from hiss.cube.links import write_references
from hiss.cube.rebin import bin_centers

_UNITS: Final = "ra, dec: deg; fiber_arcsec: arcsec; avg, median, mode, p16, p84, p2p5, p97p5: log10(Msun/yr)"


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
    shape = (len(plan.targets), len(BANDS), max(int(n_epochs.max(initial=0)), 1))
    group = ml_image_group(0)
    windows = write_references(
        file, f"{group}/image_cutout_refs", shape, _image_references(linked, plan, n_epochs, shape[-1])
    )
    headers = (
        redirected(windows[first : first + BATCH], f"/{images_group(0)}/metadata", windows=False)
        for first in range(0, shape[0], BATCH)
    )
    write_references(file, f"{group}/image_metadata_refs", shape, headers)
    for name in ("image_cutout_refs", "image_metadata_refs"):
        _share(file, ml_image_group, name)


def _image_references(linked: h5py.File, plan: DensePlan, n_epochs: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """Yield the windows that were stacked, a batch of targets at a time."""
    references = linked[f"{spectra_group(0)}/image_cutouts_data"]
    for first in range(0, len(plan.targets), BATCH):
        targets, epochs = plan.targets[first : first + BATCH], n_epochs[first : first + BATCH]
        rows = _read_by_block(references, np.array([target.label for target in targets]))
        table = np.zeros((*epochs.shape, width), REFERENCE_DTYPE)
        # Both run over targets, bands and epochs in the same order.
        table[np.arange(width) < epochs[..., None]] = np.concatenate(
            [plan.epochs(target, row) for target, row in zip(targets, rows)]
        )
        yield table


def _read_by_block(dataset: h5py.Dataset, rows: np.ndarray) -> np.ndarray:
    """Read rows in any order; each block of rows, whole chunks, is unpacked once."""
    found = np.empty((len(rows), *dataset.shape[1:]), dataset.dtype)
    for block in np.unique(rows // BATCH):
        inside = rows // BATCH == block
        found[inside] = dataset[block * BATCH : (block + 1) * BATCH][rows[inside] - block * BATCH]
    return found


def _write_spectrum_references(file: h5py.File, plan: DensePlan) -> None:
    stacked = [target.spectra[target.stacked] for target in plan.targets]
    shape = (len(stacked), max((len(rows) for rows in stacked), default=1))
    batches = (stacked[first : first + BATCH] for first in range(0, len(stacked), BATCH))
    tables = (_spectrum_references(batch, shape[1]) for batch in batches)
    write_references(file, f"{ml_spectrum_group(0)}/spec_metadata_refs", shape, tables)
    _share(file, ml_spectrum_group, "spec_metadata_refs")


def _spectrum_references(stacked: list[np.ndarray], width: int) -> np.ndarray:
    table = np.zeros((len(stacked), width), REFERENCE_DTYPE)
    for place, rows in enumerate(stacked):
        table["ds_path"][place, : len(rows)] = f"/{spectra_group(0)}/metadata".encode()
        table["ds_slice_idx"][place, : len(rows)] = rows
    return table
