"""From the dense cube to plain arrays: the labelled targets at one zoom, contiguous, and rows of them again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from hiss.bands import BANDS, FLUX_UNIT
from hiss.cube.hdf5 import set_attributes, set_root, to_table
from hiss.cube.layout import (
    TARGETS,
    check_band_order,
    ml_image_data,
    ml_image_group,
    ml_spectrum_data,
    ml_spectrum_group,
)
from hiss.errors import HissError
from hiss.files import atomic
from hiss.progress import progress

NO_SFR: Final = -99.0
"""The catalogue's placeholder for an SFR that could not be derived."""

OBJECT_UNITS: Final = {
    "ra": "deg",
    "dec": "deg",
    "fiber_arcsec": "arcsec",
    **dict.fromkeys(("avg", "median", "mode", "p16", "p84", "p2p5", "p97p5"), "log10(M_sun/yr)"),
}
"""Units of the columns of the targets that have one."""

_BLOCK_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Objects:
    """Rows of the sample's arrays at one zoom; a part that was not asked for is None.

    Attributes
    ----------
    images, image_sigma
        (n, 5, side, side) float32, bands u g r i z [1e-17 erg s-1 cm-2 Angstrom-1].
    spectra, spectrum_sigma
        (n, samples) float32, the same unit; NaN where nothing was measured.
    wl
        (samples,) wavelengths [Angstrom].
    row, target_id
        (n,) int64, row in the arrays and in the dense cube.
    """

    images: np.ndarray | None
    image_sigma: np.ndarray | None
    spectra: np.ndarray | None
    spectrum_sigma: np.ndarray | None
    wl: np.ndarray | None
    row: np.ndarray
    target_id: np.ndarray


def has_label(avg: npt.ArrayLike) -> np.ndarray:
    """Return whether an AVG is a star formation rate: neither NaN nor the placeholder -99."""
    values = np.asarray(avg, dtype=np.float64)
    return np.isfinite(values) & (values != NO_SFR)


def targets_table(dense: Path | str) -> pd.DataFrame:
    """Return ``dense_cube/targets``, one row a target in order of ``target_id``."""
    with h5py.File(dense, "r") as file:
        if TARGETS not in file:
            raise HissError(f"{dense}: has no {TARGETS}; build the dense cube again")
        targets = to_table(file[TARGETS][:])
    if not np.array_equal(targets["target_id"], np.arange(len(targets))):
        raise HissError(f"{dense}: target_id in {TARGETS} is not the row number; build the dense cube again")
    return targets


def objects_table(dense: Path | str) -> pd.DataFrame:
    """Return the labelled targets, one row a row of the exported arrays: ``row`` and the columns of the targets."""
    targets = targets_table(dense)
    objects = targets[has_label(targets["avg"])].reset_index(drop=True)
    objects.insert(0, "row", np.arange(len(objects), dtype=np.int64))
    return objects


def export_zoom(dense: Path | str, zoom: int, out: Path | str, record: Mapping[str, Any] | None = None) -> int:
    """Write the labelled targets at one zoom as contiguous arrays and return their number.

    One sequential pass over each dataset of the dense cube, in blocks of some 32 MB.

    Parameters
    ----------
    record
        Provenance, kept as the file's attribute.

    Raises
    ------
    HissError
        The band axis is not u g r i z, or a dataset's rows are not the targets.
    """
    chosen = has_label(targets_table(dense)["avg"])
    rows = np.flatnonzero(chosen)
    image, spectrum = ml_image_group(zoom), ml_spectrum_group(zoom)
    sources = {
        "images": ml_image_data(zoom),
        "image_sigma": f"{image}/errors",
        "spectra": ml_spectrum_data(zoom),
        "spectrum_sigma": f"{spectrum}/errors",
    }
    with h5py.File(dense, "r") as cube, atomic(out) as temporary, h5py.File(temporary, "w") as file:
        check_band_order(cube[sources["images"]])
        for name, source in sources.items():
            _copy(cube[source], chosen, file, name, f"rows of {name}, zoom {zoom}")
        _write(file, "wl", _wavelengths(cube[f"{spectrum}/wl"]), "Angstrom")
        _write(file, "target_id", rows.astype(np.int64))
        _describe(file, zoom, record)
    return len(rows)


def _copy(source: h5py.Dataset, chosen: np.ndarray, file: h5py.File, name: str, what: str) -> None:
    if len(source) != len(chosen):
        raise HissError(
            f"{source.file.filename}: {source.name} has {len(source)} rows for {len(chosen)} targets; "
            "build the dense cube again"
        )
    out = _create(file, name, (int(chosen.sum()), *source.shape[1:]), FLUX_UNIT)
    done = 0
    blocks = list(_blocks(len(chosen), 4 * int(np.prod(source.shape[1:]))))
    for start, stop in progress(blocks, len(blocks), f"blocks of {what}", show=len(blocks) > 1):
        mask = chosen[start:stop]
        if not mask.any():
            continue
        data = source[start:stop]
        data = data if mask.all() else data[mask]
        out[done : done + len(data)] = data
        done += len(data)


def _blocks(n: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    step = max(1, _BLOCK_BYTES // max(1, row_bytes))
    return ((start, min(start + step, n)) for start in range(0, n, step))


def _create(file: h5py.File, name: str, shape: tuple[int, ...], units: str, dtype: str = "f4") -> h5py.Dataset:
    dataset = file.create_dataset(name, shape, dtype=dtype, fill_time="never")
    dataset.attrs["units"] = units
    return dataset


def _write(file: h5py.File, name: str, values: np.ndarray, units: str = "") -> None:
    file.create_dataset(name, data=values)
    if units:
        file[name].attrs["units"] = units


def _wavelengths(dataset: h5py.Dataset) -> np.ndarray:
    wl = dataset[()] if dataset.ndim == 1 else dataset[0]
    return np.asarray(wl, dtype=np.float64)


def _describe(file: h5py.File, zoom: int, record: Mapping[str, Any] | None) -> None:
    """Add the NeXus attributes by which a viewer opens the file on a plot."""
    set_root(file, "/view_spectra", record or {})
    file.attrs["zoom"] = zoom
    set_attributes(file["images"], {"bands": list(BANDS), "interpretation": "image"})
    set_attributes(file["spectra"], {"interpretation": "spectrum"})
    for view, signal, sigma, axes in (
        ("view_images", "images", "image_sigma", [".", ".", ".", "."]),
        ("view_spectra", "spectra", "spectrum_sigma", [".", "wl"]),
    ):
        group = file.create_group(view)
        set_attributes(group, {"NX_class": "NXdata", "signal": "data", "axes": axes})
        group["data"] = h5py.SoftLink(f"/{signal}")
        group["data_errors"] = h5py.SoftLink(f"/{sigma}")
        if "wl" in axes:
            group["wl"] = h5py.SoftLink("/wl")


def load_rows(path: Path | str, rows: npt.ArrayLike, modality: str, sigma: bool = True) -> Objects:
    """Return rows of the exported arrays, in the order asked for, reading only what they need.

    Parameters
    ----------
    rows
        (n,) row numbers.
    modality
        ``photo`` (images only), ``spectra`` or ``early`` (both).
    sigma
        False leaves the sigmas out.

    Raises
    ------
    HissError
        An unknown modality, or a row that the arrays do not have.
    """
    if modality not in ("photo", "spectra", "early"):
        raise HissError(f"modality {modality!r} is not known; name photo, spectra or early")
    wanted = np.asarray(rows, dtype=np.int64).reshape(-1)
    with h5py.File(path, "r") as file:
        n = len(file["target_id"])
        if len(wanted) and (wanted.min() < 0 or wanted.max() >= n):
            raise HissError(f"{path}: has {n} rows and row {wanted.max()} is asked for; make the sample again")
        photo, spectra = modality != "spectra", modality != "photo"
        return Objects(
            images=_gather(file["images"], wanted) if photo else None,
            image_sigma=_gather(file["image_sigma"], wanted) if photo and sigma else None,
            spectra=_gather(file["spectra"], wanted) if spectra else None,
            spectrum_sigma=_gather(file["spectrum_sigma"], wanted) if spectra and sigma else None,
            wl=file["wl"][()] if spectra else None,
            row=wanted,
            target_id=file["target_id"][()][wanted],
        )


def _gather(dataset: h5py.Dataset, wanted: np.ndarray) -> np.ndarray:
    """Read stretches of the file that hold wanted rows, through the gaps that cost less than a new read."""
    row_bytes = 4 * int(np.prod(dataset.shape[1:]))
    order = np.argsort(wanted, kind="stable")
    ordered = wanted[order]
    out = np.empty((len(wanted), *dataset.shape[1:]), dtype=np.float32)
    for start, stop in _stretches(ordered, row_bytes):
        first = int(ordered[start])
        block = dataset[first : int(ordered[stop - 1]) + 1]
        out[order[start:stop]] = block[ordered[start:stop] - first]
    return out


def _stretches(ordered: np.ndarray, row_bytes: int, gap_bytes: int = 2**20) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) in the sorted rows: no gap above ``gap_bytes``, no stretch above a block."""
    start = 0
    reach = max(1, _BLOCK_BYTES // max(1, row_bytes))
    breaks = np.flatnonzero(np.diff(ordered) * row_bytes > gap_bytes) + 1
    for stop in (*breaks.tolist(), len(ordered)):
        while start < stop:
            end = start + int(np.searchsorted(ordered[start:stop], ordered[start] + reach))
            yield start, end
            start = end


def read_blocks(path: Path | str, name: str, index: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first row, block) of one exported dataset, some 32 MB at a time.

    Parameters
    ----------
    index
        One index of the second axis (a band), read alone.
    """
    with h5py.File(path, "r") as file:
        dataset = file[name]
        shape = dataset.shape[1:] if index is None else dataset.shape[2:]
        for start, stop in _blocks(len(dataset), 4 * int(np.prod(shape))):
            yield start, dataset[start:stop] if index is None else dataset[start:stop, index]
