"""MPA-JHU's tables as they were fetched: checked, and laid out as every floor above reads them."""

import gzip
import shutil
from pathlib import Path

from hiss.errors import HissError
from hiss.files import atomic
from hiss.sdss.archive import CATALOGUE_FOLDER, CATALOGUE_ROWS, CATALOGUE_TABLES
from hiss.sdss.catalogue import read_sfr_catalogue, write_sfr_catalogue
from hiss.sdss.dr8 import read_dr8_catalogue


def prepare_catalogue(
    root: Path | str, catalogue: str, rows: int | None, gal_info: Path | str, gal_totsfr: Path | str
) -> int:
    """Check MPA-JHU's tables and write them unpacked, those of DR8 in the columns of DR7; return their rows.

    Parameters
    ----------
    rows
        Rows they must have; None: as published, 0: any.
    gal_info, gal_totsfr
        Where they are written.

    Raises
    ------
    HissError
        The tables differ in length, lack a column, or have not so many rows.
    """
    info, rates = (Path(root) / CATALOGUE_FOLDER / name for name in CATALOGUE_TABLES[catalogue].values())
    if catalogue == "dr8":
        table = read_dr8_catalogue(info, rates)
        found = _table_rows(info)
        _demand_rows(info, found, rows, CATALOGUE_ROWS[catalogue])
        write_sfr_catalogue(table, gal_info, gal_totsfr)
        return len(table)
    _unpack(info, Path(gal_info))
    _unpack(rates, Path(gal_totsfr))
    found = len(read_sfr_catalogue(gal_info, gal_totsfr))
    _demand_rows(info, found, rows, CATALOGUE_ROWS[catalogue])
    return found


def _table_rows(path: Path) -> int:
    from astropy.io import fits

    return int(fits.getheader(path, 1)["NAXIS2"])


def _demand_rows(path: Path, found: int, rows: int | None, published: int) -> None:
    expected = published if rows is None else rows
    if expected and found != expected:
        raise HissError(
            f"{path} has {found:,} rows in place of {expected:,}; fetch it again, or if it is meant to be another "
            f"table set sky.archive.catalogue_rows: {found}"
        )


def _unpack(packed: Path, plain: Path) -> None:
    with atomic(plain) as temporary, gzip.open(packed) as source, temporary.open("wb") as target:
        shutil.copyfileobj(source, target, 2**20)
