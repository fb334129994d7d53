"""sparse.h5 and links.h5 of an existing cube: tables of our own, its large arrays by external links."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from hiss.bands import BAND_WAVELENGTH, BANDS
from hiss.cube.adopt_plan import HEADERS, frame_bands
from hiss.cube.hdf5 import set_attributes, set_root, write_wavelengths
from hiss.cube.index import image_index, spectrum_index
from hiss.cube.intact import seal
from hiss.cube.layout import (
    FLUX_FACTOR,
    IMAGE_TABLE,
    IMAGES_METADATA,
    SIGMA_FACTOR,
    SPARSE,
    SPECTRA_METADATA,
    SPECTRUM_TABLE,
    WINDOWS,
    ZOOMS,
    images_group,
    spectra_group,
)
from hiss.cube.linking import NO_FRAME, WHOLE
from hiss.cube.links import write_coverage
from hiss.cube.public import PublicCube
from hiss.cube.public_rows import Rows
from hiss.cube.rebin import bin_centers
from hiss.cube.rows import blocks_of, row_size
from hiss.cube.sparse_tables import write_star_formation_rates
from hiss.cube.zoom import zoom_wcs


def write_sparse_tables(
    file: h5py.File,
    cube: PublicCube,
    frames: Rows,
    spectra: Rows,
    rates: pd.DataFrame,
    fiber_arcsec: float | None,
    record: Mapping[str, Any],
) -> None:
    """Write the tables of a sparse cube, and external links to the arrays and headers of an existing one.

    Parameters
    ----------
    file
        Empty, in the folder where it will stay: links are relative to it where the cube's path is.
    rates
        The SFR catalogue.
    fiber_arcsec
        Aperture to which image pixels are scaled; None: one pixel.
    record
        Provenance.
    """
    factor = cube.image_factor(fiber_arcsec)
    for zoom in ZOOMS:
        # Each halving of the public system divides the mean sigma of an image by 4, of a spectrum by 2.
        wrong = 1.0 if cube.ours else 2.0**zoom
        _link_arrays(file, cube, images_group(zoom), (factor, factor * wrong))
        _link_arrays(file, cube, spectra_group(zoom), (cube.spectrum_factor, cube.spectrum_factor * wrong**0.5))
        write_wavelengths(file[spectra_group(zoom)], bin_centers(zoom))
        set_attributes(file[spectra_group(zoom)], {"axes": [".", "wl"]})
        picture = images_group(zoom) if cube.has(f"{images_group(zoom)}/data") else spectra_group(zoom)
        set_attributes(file[f"{SPARSE}/{zoom}"], {"NX_class": "NXcollection", "default": f"/{picture}"})
        file[images_group(zoom)].create_dataset("wcs", data=zoom_wcs(frames.wcs, zoom))
    _write_frames(file, frames)
    _write_spectra(file, spectra)
    for name, kind in ((IMAGES_METADATA, "images"), (SPECTRA_METADATA, "spectra")):
        file[name] = _link(file, cube, cube.metadata_name(kind))
    write_star_formation_rates(file, rates)
    picture = f"{SPARSE}/0"
    if cube.has(f"{WINDOWS}/data"):
        _link_arrays(file, cube, WINDOWS, (factor, factor))
        picture = WINDOWS
    set_attributes(file[SPARSE], {"NX_class": "NXentry", "default": f"/{picture}"})
    set_root(file, f"/{SPARSE}", record)
    file.attrs["image_count"] = np.int64(frames.good.sum())
    file.attrs["spectrum_count"] = np.int64(spectra.good.sum())
    seal(file)


def _link_arrays(file: h5py.File, cube: PublicCube, name: str, factors: tuple[float, float]) -> None:
    group = file.create_group(name)
    for leaf in ("data", "errors", "metadata", "table"):
        if cube.has(f"{name}/{leaf}"):
            group[leaf] = _link(file, cube, f"{name}/{leaf}")
    kind = {"NX_class": "NXdata", "signal": "data"} if "data" in group else {"NX_class": "NXcollection"}
    set_attributes(group, kind)
    set_attributes(group, {FLUX_FACTOR: factors[0], SIGMA_FACTOR: factors[1]})


def _link(file: h5py.File, cube: PublicCube, name: str) -> h5py.ExternalLink:
    path = cube.path
    folder = Path(file.filename).parent
    return h5py.ExternalLink(str(path) if path.is_absolute() else os.path.relpath(path, folder), f"/{name}")


def _write_frames(file: h5py.File, frames: Rows) -> None:
    file[IMAGE_TABLE] = frames.table
    units = {"units": "tai: s since MJD 0; ra, dec: deg; background_sigma: not known"}
    set_attributes(file[IMAGE_TABLE], {**units, "long_name": "a frame a row; a row without a path holds none"})
    rows = np.flatnonzero(frames.good)
    told = frames.table[rows]
    index = image_index(told["ra"], told["dec"], told["tai"], BAND_WAVELENGTH[frame_bands(frames)[rows]])
    _share(file, images_group, "db_index", _of_rows(index, rows), IMAGE_TABLE)


def _write_spectra(file: h5py.File, spectra: Rows) -> None:
    file[SPECTRUM_TABLE] = spectra.table
    units = {"units": "tai: s since MJD 0; ra, dec: deg; fiber_arcsec: arcsec"}
    set_attributes(file[SPECTRUM_TABLE], {**units, "long_name": "a spectrum a row; a row without a path holds none"})
    rows = np.flatnonzero(spectra.good)
    told = spectra.table[rows]
    index = spectrum_index(told["ra"], told["dec"], told["tai"])
    _share(file, spectra_group, "db_index", _of_rows(index, rows), SPECTRUM_TABLE)


def _of_rows(index: np.ndarray, rows: np.ndarray) -> np.ndarray:
    index["ds_slice_idx"] = rows[index["ds_slice_idx"]]
    return index


def _share(file: h5py.File, group: Any, name: str, values: np.ndarray, table: str) -> None:
    """Write a dataset at zoom 0, and give it and the table to the other zooms."""
    file[f"{group(0)}/{name}"] = values
    leaf = table.rpartition("/")[2]
    for zoom in ZOOMS[1:]:
        file[f"{group(zoom)}/{name}"] = file[f"{group(0)}/{name}"]
        file[f"{group(zoom)}/{leaf}"] = file[table]


def coverage_of(cube: PublicCube, frames: Rows, n_spectra: int) -> np.ndarray:
    """Return for each spectrum and band whether the cube has a whole cutout, (n, 5) int8 as in links.h5.

    A cube without links of its own says of none that it has one.
    """
    coverage = np.full((n_spectra, len(BANDS)), NO_FRAME, np.int8)
    name = f"{spectra_group(0)}/image_cutouts_metadata"
    if not cube.has(name) or len(cube.file[name]) != n_spectra:
        return coverage
    band, table = frame_bands(frames), cube.file[name]
    for start, stop in blocks_of(n_spectra, row_size(table)):
        references = table[start:stop]
        slices = references["ds_slice_idx"]
        inside = (references["ds_path"] == HEADERS["images"]) & (slices >= 0) & (slices < len(band))
        spectrum, place = np.nonzero(inside)
        number = band[slices[spectrum, place]]
        coverage[start + spectrum[number >= 0], number[number >= 0]] = WHOLE
    return coverage


def write_links(file: h5py.File, cube: PublicCube, coverage: np.ndarray, record: Mapping[str, Any]) -> None:
    """Write the coverage, and external links to an existing cube's references of every spectrum.

    Parameters
    ----------
    file
        Empty, in the folder where it will stay.
    coverage
        Of `coverage_of`.
    record
        Provenance.
    """
    for zoom in ZOOMS:
        group = file.create_group(spectra_group(zoom))
        for leaf in ("image_cutouts_data", "image_cutouts_errors", "image_cutouts_metadata"):
            if cube.has(f"{spectra_group(zoom)}/{leaf}"):
                group[leaf] = _link(file, cube, f"{spectra_group(zoom)}/{leaf}")
    write_coverage(file, coverage, "0: no whole cutout, 2: a whole cutout in the existing cube")
    set_root(file, f"/{SPARSE}", record)
    seal(file)
