"""A cube as the public HiSS-Cube would have made it, faults and all, out of one that our own build exported."""

import shutil
from pathlib import Path

import h5py
import numpy as np

APERTURES = (np.pi * 2.0**2 / 0.4**2) / (np.pi * 1.5**2 / 0.396**2)
"""Fluxes of its images over ours, but for the unit: 1.742."""

ORDER = [0, 2, 3, 4, 1]
"""Its band axis: u r i z g, as the camera drifts."""

OURS = (
    "semi_sparse_cube/0/images/image_table",
    "semi_sparse_cube/0/spectra/spectrum_table",
    "semi_sparse_cube/coverage",
    "semi_sparse_cube/view_coverage",
    "dense_cube/targets",
    "dense_cube/target_spectra",
)
KEPT_ATTRIBUTES = {
    "NX_class", "default", "signal", "axes", "interpretation", "mime-type", "error_ds", "error_ds_ref",
    "metadata_ds_ref", "index_ds_ref", "wcs_ds_ref", "image_count", "spectrum_count", "target_count",
}  # fmt: skip


def make_public(single: Path, output: Path, errors: bool = True, blocks: bool = True) -> Path:
    """Turn an exported cube into a public one.

    Parameters
    ----------
    errors
        Whether the sparse images have their sigmas.
    blocks
        Whether the star formation rates are in pandas' blocks, or a table of records.
    """
    shutil.copy(single, output)
    with h5py.File(output, "r+") as file:
        for zoom in range(4):
            _sparse(file, zoom)
            _spectra(file, zoom)
        for zoom in range(4):
            _dense(file, zoom)
        _tables(file, blocks)
        for name in OURS:
            if name in file:
                del file[name]
        names: list[str] = []
        file.visit(names.append)
        for name in reversed(names):
            if name.rpartition("/")[2] in ("image_table", "spectrum_table") or name.endswith("_checksums"):
                del file[name]
        file.visititems(lambda _, item: _strip(item))
        _strip(file)
        if not errors:
            for zoom in range(4):
                del file[f"semi_sparse_cube/{zoom}/images/errors"]
    return output


def _strip(item: h5py.HLObject) -> None:
    for name in list(item.attrs):
        if name not in KEPT_ATTRIBUTES:
            del item.attrs[name]


def _sparse(file: h5py.File, zoom: int) -> None:
    group = file[f"semi_sparse_cube/{zoom}/images"]
    for row in range(len(group["data"])):
        group["data"][row] = group["data"][row] * np.float32(APERTURES * 1e-17)
        group["errors"][row] = group["errors"][row] * np.float32(
            APERTURES * 1e-17 / 2**zoom
        )  # each halving divides by 4 in place of 2
    for name in ("db_index", "wcs"):
        values = group[name][:]
        kinds = [(key, values.dtype[key].str.replace("f8", "f4")) for key in values.dtype.names]
        del group[name]
        group[name] = values.astype(kinds)
    group["data"].attrs["index_ds_ref"] = group["db_index"].ref
    group["data"].attrs["wcs_ds_ref"] = group["wcs"].ref


def _spectra(file: h5py.File, zoom: int) -> None:
    """Its fluxes are numbers also where nothing was measured; its sigmas are not."""
    group = file[f"semi_sparse_cube/{zoom}/spectra"]
    group["data"][...] = np.nan_to_num(group["data"][:]) * np.float32(1e-17)
    group["errors"][...] = group["errors"][:] * np.float32(
        1e-17 / 2 ** (zoom / 2)
    )  # each halving divides by 2 in place of sqrt 2


def _dense(file: h5py.File, zoom: int) -> None:
    images, spectra = file[f"dense_cube/{zoom}/ml_image"], file[f"dense_cube/{zoom}/ml_spectrum"]
    cutouts = images[f"cutout_3d_cube_zoom_{zoom}"]
    references = images["image_cutout_refs"][:]
    flux, sigma = (np.zeros(cutouts.shape, np.float32) for _ in range(2))
    for target, band in np.ndindex(*cutouts.shape[:2]):
        if zoom == 0:
            flux[target, band], sigma[target, band] = _stacked(file, references[target, band])
        else:
            flux[target, band] = cutouts[target, band] * APERTURES * 1e-17
            sigma[target, band] = np.abs(flux[target, band])
    cutouts[...], images["errors"][...] = flux[:, ORDER], sigma[:, ORDER]
    if zoom == 0:  # shared by the other zooms
        for name in ("image_cutout_refs", "image_metadata_refs"):
            images[name][...] = images[name][:][:, ORDER]
    for name, factor in ((f"spectral_1d_cube_zoom_{zoom}", 1e-17), ("errors", 1e-17 / 2 ** (zoom / 2))):
        spectra[name][...] = spectra[name][:] * np.float32(factor)


def _stacked(file: h5py.File, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Its stack takes the fluxes themselves for the sigmas."""
    windows = np.array(
        [
            file[row["ds_path"]][row["ds_slice_idx"], row["x_min"] : row["x_max"], row["y_min"] : row["y_max"]]
            for row in references
            if row["ds_path"]
        ],
        np.float64,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = windows**-2.0
        total = np.nansum(weights, axis=0)
        return np.nansum(weights * windows, axis=0) / total, total**-0.5


def _tables(file: h5py.File, blocks: bool) -> None:
    for name in ("star_formation_rates", "fits_spectra_metadata_star_formation_rates") if blocks else ():
        table = file[name][:]
        del file[name]
        group = file.create_group(name)
        group.attrs["pandas_type"] = "frame"
        columns = list(table.dtype.names)
        for number, kind in enumerate("ifSb"):
            mine = [column for column in columns if table.dtype[column].kind == kind]
            if kind in "Sb" or not mine:  # text is in a block of pickled objects
                group.create_dataset(f"block{number}_items", data=np.array(mine or ["none"], "S"))
                group.create_dataset(f"block{number}_values", (1,), h5py.vlen_dtype(np.uint8))
                continue
            group.create_dataset(f"block{number}_items", data=np.array(mine, "S"))
            group.create_dataset(f"block{number}_values", data=np.stack([table[column] for column in mine], axis=1))
