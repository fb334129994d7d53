"""From the dense cube to plain arrays: the labelled targets at one zoom, contiguous."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
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
from hiss.cube.rows import blocks_of, row_size
from hiss.cube.shard_sources import demand_sources
from hiss.errors import HissError
from hiss.files import atomic
from hiss.progress import progress
from hiss.sdss.labels import is_label

OBJECT_UNITS: Final = {
    "ra": "deg",
    "dec": "deg",
    "fiber_arcsec": "arcsec",
    **dict.fromkeys(("avg", "median", "mode", "p16", "p84", "p2p5", "p97p5"), "log10(M_sun/yr)"),
}
"""Units of the columns of the targets that have one."""


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
    objects = targets[is_label(targets["avg"])].reset_index(drop=True)
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
    chosen = is_label(targets_table(dense)["avg"])
    rows = np.flatnonzero(chosen)
    sources = _sources(zoom)
    with h5py.File(dense, "r") as cube, atomic(out) as temporary, h5py.File(temporary, "w") as file:
        check_band_order(cube[sources["images"]])
        demand_sources(cube)
        for name, source in sources.items():
            _copy(cube[source], chosen, file, name, f"rows of {name}, zoom {zoom}")
        _write(file, "wl", _wavelengths(cube[_wl(zoom)]), "Angstrom")
        _write(file, "target_id", rows.astype(np.int64))
        _describe(file, zoom, record)
    return len(rows)


def link_zoom(
    dense: Path | str, zoom: int, out: Path | str, record: Mapping[str, Any] | None = None, relative: bool = False
) -> None:
    """Write what `export_zoom` writes, of all targets, labelled or not, by links: not a byte of the arrays is copied.

    Parameters
    ----------
    dense
        ``dense.h5``, or ``hiss_cube.h5`` that shows it.
    record
        Provenance, kept as the file's attribute.
    relative
        Whether the links lead from the file's own folder, so that both may be moved together.

    Raises
    ------
    HissError
        The cube has no such zoom, the band axis is not u g r i z, or a dataset is not of the targets or has another
        unit.
    """
    n = len(targets_table(dense))
    path = os.path.relpath(dense, Path(out).parent) if relative else str(Path(dense).absolute())
    with h5py.File(dense, "r") as cube, h5py.File(out, "w") as file:
        demand_sources(cube)
        for name, source in _sources(zoom).items():
            if source not in cube:
                raise HissError(f"{dense}: holds no /{source}; name a cube with zoom {zoom}, whole")
            _demand_rows(cube[source], n)
            unit = cube[source].attrs.get("units", FLUX_UNIT)
            if unit != FLUX_UNIT:
                raise HissError(f"{dense}: /{source} is in {unit} where {FLUX_UNIT} is due; adopt it with the workflow")
            file[name] = h5py.ExternalLink(path, f"/{source}")
        check_band_order(cube[ml_image_data(zoom)])
        _write(file, "wl", _wavelengths(cube[_wl(zoom)]), "Angstrom")
        _write(file, "target_id", np.arange(n, dtype=np.int64))
        if record is not None:
            file.attrs.update({"provenance": json.dumps(record, sort_keys=True), "zoom": zoom})


def _sources(zoom: int) -> dict[str, str]:
    """Return the dataset of the dense cube behind each of the exported arrays."""
    return {
        "images": ml_image_data(zoom),
        "image_sigma": f"{ml_image_group(zoom)}/errors",
        "spectra": ml_spectrum_data(zoom),
        "spectrum_sigma": f"{ml_spectrum_group(zoom)}/errors",
    }


def _wl(zoom: int) -> str:
    return f"{ml_spectrum_group(zoom)}/wl"


def _demand_rows(source: h5py.Dataset, n: int) -> None:
    if len(source) != n:
        raise HissError(
            f"{source.file.filename}: {source.name} has {len(source)} rows for {n} targets; build the dense cube again"
        )


def _copy(source: h5py.Dataset, chosen: np.ndarray, file: h5py.File, name: str, what: str) -> None:
    _demand_rows(source, len(chosen))
    out = _create(file, name, (int(chosen.sum()), *source.shape[1:]), FLUX_UNIT)
    done = 0
    blocks = list(blocks_of(len(chosen), row_size(source)))
    for start, stop in progress(blocks, len(blocks), f"blocks of {what}", show=len(blocks) > 1):
        mask = chosen[start:stop]
        if not mask.any():
            continue
        data = source[start:stop]
        data = data if mask.all() else data[mask]
        out[done : done + len(data)] = data
        done += len(data)


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
