"""A table as a file for other tools: every column with its unit, its UCD and a sentence, where the form has a place."""

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.io.votable import tree
from astropy.utils.exceptions import AstropyWarning

from hiss.errors import HissError
from hiss.files import atomic, write_table

SUFFIXES: Final = (".parquet", ".csv", ".fits", ".vot")

_STANDARD_UNIT: Final = {"log10(M_sun yr-1)": "log(solMass/yr)"}
"""As FITS and VOUnits write the logarithm of a quantity."""

_FITS_FORM: Final = {"b1": "L", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}
_VOTABLE_TYPE: Final = {"b1": "boolean", "i2": "short", "i4": "int", "i8": "long", "f4": "float", "f8": "double"}
_POSITIONS: Final = ("pos.eq.ra", "pos.eq.dec")


class Column(NamedTuple):
    """What a column of a table is."""

    unit: str
    ucd: str
    meaning: str
    """A sentence of at most 68 characters: what a FITS card holds, TOPCAT reads no longer one."""


def check_suffix(path: Path) -> None:
    """Raise `HissError` for a file name of a form that such tables are not written in."""
    if path.suffix not in SUFFIXES:
        raise HissError(f"{path}: predictions are written as {', '.join(SUFFIXES)}; name the file so")


def write_described(
    path: Path | str, table: pd.DataFrame, columns: Mapping[str, Column], record: Mapping[str, Any], title: str
) -> None:
    """Write a table as Parquet, CSV, FITS or VOTable by the path's suffix, atomically.

    FITS has ``TUCDn`` and ``TCOMMn`` beside ``TUNITn``, as STIL, which is what TOPCAT reads with, writes and reads
    them. VOTable is 1.4 with BINARY2 and positions in ICRS. Parquet carries the head of that VOTable in its metadata,
    as the IVOA's VOParquet has it. A whole number or a word that is missing is null, a real number NaN.

    Parameters
    ----------
    table
        With the columns of ``columns``; others are left out.
    columns
        What each column is, in the order of the file.
    record
        Provenance; it is kept in the file, but for CSV, which has no place for it.
    title
        What the table is, in a sentence.

    Raises
    ------
    HissError
        For another suffix.
    """
    path = Path(path)
    check_suffix(path)
    table = table[list(columns)]
    if path.suffix == ".csv":
        write_table(path, table)
        return
    text = json.dumps(record, sort_keys=True, default=str)
    with atomic(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)  # astropy knows no unit of a logarithm; the standards do
        if path.suffix == ".parquet":
            pq.write_table(_arrow(table, columns, text, title), temporary)
        elif path.suffix == ".fits":
            _fits(table, columns, text, title).writeto(temporary)
        else:
            _votable(table, columns, text, title).to_xml(str(temporary), tabledata_format="binary2")


def _values(series: pd.Series) -> Any:
    """Return (n,) values as NumPy's, text as bytes, and masked where whole numbers are missing."""
    if pd.api.types.is_bool_dtype(series):
        return series.to_numpy(dtype=np.bool_)
    if pd.api.types.is_integer_dtype(series):
        plain = np.dtype(str(series.dtype).lower())
        missing = series.isna().to_numpy()
        values = series.fillna(0).to_numpy(dtype=plain)
        return np.ma.MaskedArray(values, mask=missing) if missing.any() else values
    if pd.api.types.is_float_dtype(series):
        return series.to_numpy()
    return np.char.encode(series.fillna("").to_numpy(dtype=str), "ascii", "replace")  # all that FITS and char hold


def _unit(column: Column) -> str | None:
    return _STANDARD_UNIT.get(column.unit, column.unit) or None


def _fits(table: pd.DataFrame, columns: Mapping[str, Column], record: str, title: str) -> fits.HDUList:
    """Return a FITS table; a missing whole number is the lowest of its kind, as TNULLn says."""
    made = []
    for name, told in columns.items():
        values = _values(table[name])
        form = _FITS_FORM.get(values.dtype.str[1:]) or f"{max(1, values.dtype.itemsize)}A"
        null = None
        if values.dtype.kind == "i":
            null = int(np.iinfo(values.dtype).min) if np.ma.isMaskedArray(values) else None
            values = np.ma.filled(values, null) if null is not None else values
        made.append(fits.Column(name, form, _unit(told), null=null, array=values))
    hdu = fits.BinTableHDU.from_columns(made, name="PREDICTIONS")
    for number, told in enumerate(columns.values(), start=1):
        hdu.header.set(f"TUCD{number}", told.ucd, after=f"TFORM{number}")
        hdu.header.set(f"TCOMM{number}", told.meaning, after=f"TUCD{number}")
    hdu.header["RADESYS"] = "ICRS"
    hdu.header.add_comment(title)
    hdu.header.add_history(f"provenance: {record}")
    return fits.HDUList([fits.PrimaryHDU(), hdu])


def _votable(table: pd.DataFrame, columns: Mapping[str, Column], record: str, title: str) -> tree.VOTableFile:
    """Return a VOTable 1.4, positions in ICRS, the provenance as an INFO."""
    file, resource = tree.VOTableFile(version="1.4"), tree.Resource(type="results")
    file.resources.append(resource)
    resource.coordinate_systems.append(tree.CooSys(ID="icrs", system="ICRS"))
    resource.infos.append(tree.Info(name="provenance", value=record))
    made = tree.TableElement(file, ID="predictions", name="predictions")
    resource.tables.append(made)
    made.description = title
    values = {name: _values(table[name]) for name in columns}
    made.fields.extend(_field(file, name, values[name].dtype, told) for name, told in columns.items())
    made.create_arrays(len(table))
    for name, column in values.items():
        made.array[name] = column
    return file


def _field(file: tree.VOTableFile, name: str, dtype: np.dtype[Any], told: Column) -> tree.Field:
    """Return a VOTable's FIELD; astropy's own choice for truth values, ``bit``, is one that STIL does not read."""
    length = str(dtype.itemsize or 1) if dtype.kind == "S" else None
    ref = "icrs" if told.ucd.startswith(_POSITIONS) else None
    kind = "char" if length else _VOTABLE_TYPE[dtype.str[1:]]
    field = tree.Field(
        file, ID=name, name=name, datatype=kind, arraysize=length, ucd=told.ucd, unit=_unit(told), ref=ref
    )
    field.description = told.meaning
    return field


def _arrow(table: pd.DataFrame, columns: Mapping[str, Column], record: str, title: str) -> pa.Table:
    """Return an Arrow table whose fields tell what they are, and whose metadata hold the head of a VOTable."""
    head = io.BytesIO()
    _votable(table.head(0), columns, record, title).to_xml(head)
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    told = {"IVOA.VOTable-Parquet.version": "1.0", "IVOA.VOTable-Parquet.content": head.getvalue().decode()}
    fields = [field.with_metadata(columns[field.name]._asdict()) for field in arrow.schema]
    metadata = {**(arrow.schema.metadata or {}), **told, "provenance": record}
    return arrow.cast(pa.schema(fields, metadata=metadata))
