"""A table of predictions as a file for other tools: columns with unit, UCD and a sentence each."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pandas as pd
from astropy.io import fits
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning

from hiss.errors import HissError
from hiss.files import atomic, write_table
from hiss.models.metrics import LABEL_UNIT

SUFFIXES: Final = (".parquet", ".csv", ".fits", ".vot")

_STANDARD_UNIT: Final = {LABEL_UNIT: "log(solMass/yr)"}
"""As FITS and VOUnits write the logarithm of a quantity."""


class Column(NamedTuple):
    """What a column of the predictions is."""

    unit: str
    ucd: str
    meaning: str


COLUMNS: Final = {
    "target_id": Column("", "meta.id;meta.main", "Row of the target in the cube"),
    "objid": Column("", "meta.id", "SDSS objID"),
    "ra": Column("deg", "pos.eq.ra;meta.main", "Right ascension (ICRS)"),
    "dec": Column("deg", "pos.eq.dec;meta.main", "Declination (ICRS)"),
    "z": Column("", "src.redshift", "Spectroscopic redshift of the cube"),
    "class": Column("", "src.class", "Class by the spectrum; the study learns from galaxies alone"),
    "prediction": Column(LABEL_UNIT, "phys.SFR", "Predicted log10 of the star formation rate"),
    "low": Column(LABEL_UNIT, "phys.SFR;stat.min", "Lower end of the prediction interval"),
    "high": Column(LABEL_UNIT, "phys.SFR;stat.max", "Upper end of the prediction interval"),
    "method": Column("", "meta.note", "What the interval was made of: residuals or quantiles"),
    "truth": Column(LABEL_UNIT, "phys.SFR", "AVG of MPA-JHU's catalogue, where the cube has it"),
    "side": Column(
        "", "meta.note", "Side of the run's split that holds the object; of train it knows more than of others"
    ),
    "reason": Column("", "meta.note", "Why there is no prediction; empty where there is one"),
}
"""Columns of the predictions, in their order."""


def check_suffix(path: Path) -> None:
    """Raise `HissError` for a file name of a form that predictions are not written in."""
    if path.suffix not in SUFFIXES:
        raise HissError(f"{path}: predictions are written as {', '.join(SUFFIXES)}; name the file so")


def write_predictions(path: Path | str, table: pd.DataFrame, record: Mapping[str, Any]) -> None:
    """Write predictions as Parquet, CSV, FITS or VOTable by the path's suffix, atomically.

    Parameters
    ----------
    table
        With the columns of `COLUMNS`.
    record
        Provenance; it is kept in the file, but for CSV, which has no place for it.

    Raises
    ------
    HissError
        For another suffix.
    """
    path = Path(path)
    check_suffix(path)
    if path.suffix in (".parquet", ".csv"):
        write_table(path, table, {name: column.unit for name, column in COLUMNS.items() if column.unit}, record)
        return
    text = json.dumps(record, sort_keys=True, default=str)
    with atomic(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)  # astropy knows no unit of a logarithm; the standards do
        if path.suffix == ".fits":
            _fits(table, text).writeto(temporary)
        else:
            _described(table, text).write(temporary, format="votable")


def _described(table: pd.DataFrame, record: str) -> Table:
    """Return the table with what each column is, and the provenance as its description."""
    out = Table.from_pandas(table)
    for name, told in COLUMNS.items():
        out[name].unit = _STANDARD_UNIT.get(told.unit, told.unit) or None
        out[name].description = told.meaning
        out[name].meta["ucd"] = told.ucd
    out.meta["description"] = f"Predictions of star formation rates; provenance: {record}"
    return out


def _fits(table: pd.DataFrame, record: str) -> fits.HDUList:
    """Return a FITS table, its columns described by the cards that TOPCAT reads (TUCDn, TCOMMn)."""
    columns = []
    for name, told in COLUMNS.items():
        values = table[name].to_numpy()
        kind = {"i": "K", "f": "D"}.get(values.dtype.kind)
        if kind is None:
            values = values.astype("S")
            kind = f"{max(1, values.dtype.itemsize)}A"
        columns.append(fits.Column(name, kind, _STANDARD_UNIT.get(told.unit, told.unit) or None, array=values))
    hdu = fits.BinTableHDU.from_columns(columns, name="PREDICTIONS")
    for number, told in enumerate(COLUMNS.values(), start=1):
        hdu.header[f"TUCD{number}"] = told.ucd
        hdu.header[f"TCOMM{number}"] = told.meaning
    hdu.header.add_history(f"provenance: {record}")
    return fits.HDUList([fits.PrimaryHDU(), hdu])
