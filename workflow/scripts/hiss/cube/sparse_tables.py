"""The serial end of the sparse cube's build: holes closed, index, tables and attributes written."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pandas as pd

from hiss.bands import BAND_INDEX, BAND_WAVELENGTH, N_ZOOMS
from hiss.cube.hdf5 import describe_flux, set_attributes, set_root, to_records, to_table, write_wavelengths
from hiss.cube.index import image_index, spectrum_index
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
from hiss.cube.zoom import zoom_wcs
from hiss.sdss.catalogue import KEY, SFR_COLUMNS, join_sfr, read_sfr_catalogue

_BATCH: Final = 2**16  # rows of the catalogue written at once


def closed_holes(n: int, holes: Collection[int]) -> list[tuple[int, int]]:
    """Return the moves ``(from, to)`` that close holes among n rows: the last good row goes to the first hole."""
    kept = n - len(holes)
    free = sorted(row for row in holes if row < kept)
    movers = [row for row in range(n - 1, kept - 1, -1) if row not in holes]
    return list(zip(movers, free, strict=True))


def finish_sparse(
    file: h5py.File,
    bad: Mapping[str, Mapping[int, str]],
    gal_info: Path | str,
    gal_totsfr: Path | str,
    record: Mapping[str, Any],
) -> None:
    """Turn the rows that the ranks wrote into a cube.

    Parameters
    ----------
    file
        Open for reading and writing by this process alone.
    bad
        Rows that were not written, of ``images`` and ``spectra``.
    record
        Provenance.
    """
    _close_holes(file, images_group, bad["images"])
    _close_holes(file, spectra_group, bad["spectra"])
    _finish_images(file)
    _finish_spectra(file)
    _write_star_formation_rates(file, gal_info, gal_totsfr)
    set_root(file, f"/{SPARSE}", record)
    set_attributes(file[SPARSE], {"NX_class": "NXentry", "default": f"/{images_group(0)}"})
    for zoom in ZOOMS:
        set_attributes(file[f"{SPARSE}/{zoom}"], {"NX_class": "NXcollection", "default": f"/{images_group(zoom)}"})
    file.attrs["image_count"] = np.int64(len(file[IMAGE_TABLE]))
    file.attrs["spectrum_count"] = np.int64(len(file[SPECTRUM_TABLE]))


def _close_holes(file: h5py.File, group: Callable[[int], str], bad: Mapping[int, str]) -> None:
    if not bad:
        return
    datasets = [dataset for zoom in ZOOMS for dataset in file[group(zoom)].values()]
    moves = closed_holes(len(datasets[0]), bad.keys())
    for dataset in datasets:
        for source, hole in moves:
            dataset[hole] = dataset[source]
        dataset.resize(len(dataset) - len(bad), axis=0)


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
        group = file[images_group(zoom)]
        if zoom > 0:
            group.create_dataset("wcs", data=zoom_wcs(native, zoom))
        _finish_group(file, group, images_group(0), index, IMAGE_TABLE, IMAGES_METADATA)
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
    set_attributes(group, {"NX_class": "NXdata", "signal": "data"})
    describe_flux(group["data"], group["errors"], leaf.removesuffix("_table"))
    for name, other in (("error", "errors"), ("metadata", "metadata"), ("index", "db_index")):
        group["data"].attrs[f"{name}_ds_ref"] = group[other].ref


def _write_star_formation_rates(file: h5py.File, gal_info: Path | str, gal_totsfr: Path | str) -> None:
    catalogue = read_sfr_catalogue(gal_info, gal_totsfr)
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
