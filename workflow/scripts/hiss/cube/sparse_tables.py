"""The serial end of the sparse cube's build: holes closed, index, tables and attributes written."""

from collections.abc import Mapping
from typing import Any, Final

import h5py
import numpy as np
import pandas as pd

from hiss.bands import BAND_INDEX, BAND_WAVELENGTH, N_ZOOMS
from hiss.cube.hdf5 import describe_flux, set_attributes, set_root, to_records, to_table, write_wavelengths
from hiss.cube.holes import Holes
from hiss.cube.index import image_index, spectrum_index
from hiss.cube.intact import seal
from hiss.cube.layout import (
    IMAGE_TABLE,
    IMAGES_METADATA,
    SPARSE,
    SPECTRA_METADATA,
    SPECTRA_STAR_FORMATION_RATES,
    SPECTRUM_TABLE,
    STAR_FORMATION_RATES,
    ZOOMS,
    images_group,
    spectra_group,
)
from hiss.cube.rebin import bin_centers
from hiss.cube.sparse_frames import TABLES as FRAME_TABLES
from hiss.cube.zoom import zoom_wcs
from hiss.sdss.catalogue import KEY, SFR_COLUMNS, join_sfr

_BATCH: Final = 2**16  # rows of the catalogue written at once


def finish_sparse(
    file: h5py.File, picture: str, frame_holes: Holes, catalogue: pd.DataFrame, record: Mapping[str, Any]
) -> None:
    """Turn the rows that the ranks wrote into a cube.

    Parameters
    ----------
    file
        Open for reading and writing by this process alone; its arrays and its spectra have no holes.
    picture
        Group that a viewer opens first.
    frame_holes
        Rows of the tables of frames that were not written.
    record
        Provenance.
    """
    frame_holes.close_in(file[name] for name in FRAME_TABLES)
    _finish_images(file)
    _finish_spectra(file)
    write_star_formation_rates(file, catalogue)
    set_root(file, f"/{SPARSE}", record)
    set_attributes(file[SPARSE], {"NX_class": "NXentry", "default": f"/{picture}"})
    for zoom in ZOOMS:
        default = images_group(zoom) if "data" in file[images_group(zoom)] else spectra_group(zoom)
        set_attributes(file[f"{SPARSE}/{zoom}"], {"NX_class": "NXcollection", "default": f"/{default}"})
    file.attrs["image_count"] = np.int64(len(file[IMAGE_TABLE]))
    file.attrs["spectrum_count"] = np.int64(len(file[SPECTRUM_TABLE]))
    seal(file)


def _finish_images(file: h5py.File) -> None:
    table = file[IMAGE_TABLE][:]
    band = [BAND_INDEX[value.decode()] for value in table["band"]]
    index = image_index(table["ra"], table["dec"], table["tai"], BAND_WAVELENGTH[band])
    set_attributes(
        file[IMAGE_TABLE],
        {"units": "tai: s since MJD 0; ra, dec: deg; background_sigma: as data", "long_name": "a frame a row"},
    )
    native = file[f"{images_group(0)}/wcs"][:]
    for zoom in ZOOMS:
        group = file.require_group(images_group(zoom))
        if zoom > 0:
            group.create_dataset("wcs", data=zoom_wcs(native, zoom))
        _finish_group(file, group, images_group(0), index, IMAGE_TABLE, IMAGES_METADATA)
        if "data" in group:
            group["data"].attrs["wcs_ds_ref"] = group["wcs"].ref


def _finish_spectra(file: h5py.File) -> None:
    table = file[SPECTRUM_TABLE][:]
    index = spectrum_index(table["ra"], table["dec"], table["tai"])
    set_attributes(
        file[SPECTRUM_TABLE],
        {"units": "tai: s since MJD 0; ra, dec: deg; fiber_arcsec: arcsec", "long_name": "a spectrum a row"},
    )
    for zoom in range(N_ZOOMS):
        group = file[spectra_group(zoom)]
        write_wavelengths(group, bin_centers(zoom))
        _finish_group(file, group, spectra_group(0), index, SPECTRUM_TABLE, SPECTRA_METADATA)
        set_attributes(group, {"axes": [".", "wl"]})


def _finish_group(
    file: h5py.File, group: h5py.Group, native: str, index: np.ndarray, table: str, metadata: str
) -> None:
    """Index, tables and attributes; all zooms share them through hard links."""
    leaf = table.rpartition("/")[2]
    if group.name == f"/{native}":
        group.create_dataset("db_index", data=index)
        file[metadata] = group["metadata"]
    else:
        for name in ("db_index", "metadata", leaf):
            group[name] = file[f"{native}/{name}"]
    if "data" not in group:
        set_attributes(group, {"NX_class": "NXcollection"})
        return
    set_attributes(group, {"NX_class": "NXdata", "signal": "data"})
    describe_flux(group["data"], group["errors"], leaf.removesuffix("_table"))
    for name, other in (("error", "errors"), ("metadata", "metadata"), ("index", "db_index")):
        group["data"].attrs[f"{name}_ds_ref"] = group[other].ref


def write_star_formation_rates(file: h5py.File, catalogue: pd.DataFrame) -> None:
    """Write the SFR catalogue, and its rows joined with the spectra of the file's ``spectrum_table``."""
    rates = _write_in_batches(file, STAR_FORMATION_RATES, catalogue)
    spectra = to_table(file[SPECTRUM_TABLE].fields(["path", *KEY])[:])
    joined = join_sfr(spectra, catalogue)
    both = file.create_dataset(SPECTRA_STAR_FORMATION_RATES, data=to_records(joined))
    units = f"{', '.join(name for name in SFR_COLUMNS if name not in ('entropy', 'flag'))}: log10(Msun/yr)"
    for dataset in (rates, both):
        set_attributes(dataset, {"units": units})


def _write_in_batches(file: h5py.File, name: str, table: pd.DataFrame) -> h5py.Dataset:
    """Write a long table as records without a second copy of it in memory."""
    first = to_records(table[:_BATCH])
    widths = {
        key: max((len(str(value).encode()) for value in table[key].unique()), default=1) or 1
        for key in table.columns
        if first.dtype[key].kind == "S"
    }
    dtype = [(key, f"S{widths[key]}" if key in widths else first.dtype[key]) for key in table.columns]
    dataset = file.create_dataset(name, (len(table),), dtype)
    for start in range(0, len(table), _BATCH):
        dataset[start : start + _BATCH] = to_records(table[start : start + _BATCH]).astype(dtype)
    return dataset
