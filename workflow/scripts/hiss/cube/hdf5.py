"""HDF5 as the cube needs it: tables and attributes."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pandas as pd

from hiss.bands import FLUX_UNIT
from hiss.errors import HissError

_MAKER: Final = {"sparse.h5": "build_sparse", "links.h5": "build_links", "dense.h5": "build_dense"}


@contextmanager
def readable(*paths: Path | str) -> Iterator[None]:
    """Turn damage to files of the cube into a sentence; around their reading, not around writing.

    Raises
    ------
    HissError
        A file is missing, broken off or damaged inside; the sentence says which rule makes it again.
    """
    try:
        yield
    except (OSError, KeyError, RuntimeError) as error:
        said = str(error.args[-1]) if error.args else ""
        if not isinstance(error, OSError) and not said.startswith(("Unable to", "Can't")):  # not HDF5's words
            raise
        bad = [Path(path) for path in paths if not _opens(path)] or [Path(path) for path in paths]
        rules = " or ".join(_MAKER.get(path.name, "its rule") for path in bad)
        which = "`snakemake verify_cube` says which: " if len(bad) > 1 else ""
        raise HissError(
            f"{' or '.join(map(str, bad))}: cannot be read throughout ({said}); {which}remove it and run the same "
            f"command again, and {rules} makes it anew"
        ) from error


def _opens(path: Path | str) -> bool:
    try:
        h5py.File(path, "r").close()
    except OSError:
        return False
    return True


def to_records(table: pd.DataFrame) -> np.ndarray:
    """Return a table as records: integers int64, floats float64, text as UTF-8 bytes, booleans as they are."""
    columns = {name: _plain(table[name]) for name in table.columns}
    dtype = [
        (name, column.dtype, column.shape[1:]) if column.ndim > 1 else (name, column.dtype)
        for name, column in columns.items()
    ]
    records = np.zeros(len(table), dtype)
    for name, column in columns.items():
        records[name] = column
    return records


def _plain(column: pd.Series) -> np.ndarray:
    values = column.to_numpy()
    if values.dtype.kind == "b":
        return values
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    if len(values) and isinstance(values[0], np.ndarray):
        return np.stack(list(values))
    text = np.array([str(value).encode() for value in values], dtype="S")
    return text if text.dtype.itemsize else text.astype("S1")


def to_table(records: np.ndarray) -> pd.DataFrame:
    """Return records read from a cube as a table: text decoded, a field of several numbers as one array a row."""
    columns: dict[str, Any] = {}
    for name in records.dtype.names or ():
        values = records[name]
        if values.dtype.kind == "S":
            columns[name] = pd.Series([value.decode(errors="replace") for value in values.tolist()], dtype=object)
        else:
            columns[name] = list(values) if values.ndim > 1 else values
    return pd.DataFrame(columns)


def set_attributes(thing: h5py.HLObject, attributes: Mapping[str, Any]) -> None:
    """Set attributes; lists of text become arrays of variable-length strings."""
    for name, value in attributes.items():
        if isinstance(value, list):
            thing.attrs.create(name, value, dtype=h5py.string_dtype())
        else:
            thing.attrs[name] = value


def set_root(file: h5py.File, default: str, record: Mapping[str, Any]) -> None:
    """Set the root attributes of NeXus and the provenance record."""
    set_attributes(file, {"NX_class": "NXroot", "default": default, "provenance": json.dumps(record, sort_keys=True)})


def describe_flux(data: h5py.Dataset, errors: h5py.Dataset, interpretation: str) -> None:
    """Set the attributes of a flux dataset and its sigmas; a viewer labels its axes with ``long_name`` alone."""
    set_attributes(data, {"long_name": f"flux ({FLUX_UNIT})", "mime-type": interpretation})
    set_attributes(errors, {"long_name": f"sigma ({FLUX_UNIT})"})
    for dataset in (data, errors):
        set_attributes(dataset, {"units": FLUX_UNIT, "interpretation": interpretation})


def write_wavelengths(group: h5py.Group, wavelengths: np.ndarray) -> None:
    """Write the axis ``wl`` of a group of spectra, float32 as in the public cube."""
    axis = group.create_dataset("wl", data=wavelengths.astype(np.float32))
    set_attributes(axis, {"units": "Angstrom", "long_name": "vacuum wavelength (Angstrom)"})


def read_provenance(file: h5py.File) -> dict[str, Any]:
    """Return the provenance record of an open cube file; `HissError` where it has none."""
    try:
        record: dict[str, Any] = json.loads(file.attrs["provenance"])
    except (KeyError, ValueError) as error:
        raise HissError(
            f"{file.filename}: does not say what it was made of; remove it and run the same command again"
        ) from error
    return record
