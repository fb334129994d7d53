"""The MPA-JHU catalogue of star formation rates: two FITS tables in one row order, joined with care."""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from hiss.errors import HissError
from hiss.files import atomic
from hiss.sdss.fits import corrupt_is_bad, first_hdus, holds_table, open_fits, read_rows
from hiss.sdss.objid import unpack_objid

KEY: Final = ["plate", "mjd", "fiber"]
SFR_COLUMNS: Final = ["avg", "entropy", "flag", "median", "mode", "p16", "p2p5", "p84", "p97p5"]
"""Columns of gal_totsfr, log10 of M_sun/yr but for entropy and flag."""

_OUR_NAME: Final = {"PLATEID": "plate", "FIBERID": "fiber"}
_INFO_FORMAT: Final = {
    "PLATEID": "I", "MJD": "J", "FIBERID": "I", "PHOTOID": "5I", "RA": "E", "DEC": "E", "PLUG_MAG": "5E",
    "PRIMTARGET": "I", "SECTARGET": "I", "TARGETTYPE": "19A", "SPECTROTYPE": "6A", "SUBCLASS": "21A",
    "Z": "E", "Z_ERR": "E", "Z_WARNING": "I", "V_DISP": "E", "V_DISP_ERR": "E", "SN_MEDIAN": "E",
    "E_BV_SFD": "E", "ZTWEAK": "E", "ZTWEAK_ERR": "E", "SPECTRO_MAG": "3E", "KCOR_MAG": "3E",
    "KCOR_MODEL_MAG": "5E", "RELEASE": "12A",
}  # fmt: skip
_INFO_READ: Final = [
    "PLATEID", "MJD", "FIBERID", "RA", "DEC", "Z", "Z_ERR", "Z_WARNING", "SN_MEDIAN", "E_BV_SFD",
    "RELEASE", "TARGETTYPE", "SPECTROTYPE", "SUBCLASS",
]  # fmt: skip
_SFR_READ: Final = [name.upper() for name in SFR_COLUMNS]


def read_sfr_catalogue(gal_info: Path | str, gal_totsfr: Path | str) -> pd.DataFrame:
    """Return the catalogue, one row a spectrum, in the order of its two tables (plain or gzipped FITS).

    Returns
    -------
    DataFrame
        ``plate mjd fiber`` int64; ``ra dec`` [deg], ``z z_err sn_median e_bv_sfd`` and the `SFR_COLUMNS`
        float64; ``z_warning`` int64; ``release targettype spectrotype subclass`` categories of text: as
        objects they would take 850 MB. Placeholders stay.

    Raises
    ------
    HissError
        The tables differ in length, lack a column, or name a spectrum twice.
    """
    info, sfr = read_pair(Path(gal_info), _INFO_READ, Path(gal_totsfr), _SFR_READ, "DR7 v5.2")
    rates = {name: np.asarray(values, np.float64) for name, values in sfr.items()}
    table = pd.DataFrame({**info, **rates}, copy=False)
    twice = table.duplicated(KEY)
    if twice.any():
        plate, mjd, fiber = table[KEY].to_numpy()[int(twice.to_numpy().argmax())]
        raise HissError(
            f"{gal_info}: {int(twice.sum())} spectra are named twice, the first {plate}-{mjd}-{fiber}; "
            "give each plate, MJD and fiber one row"
        )
    return table


def read_places(gal_info: Path | str) -> pd.DataFrame:
    """Return ``ra dec`` [deg], ``z``, ``z_warning`` and ``spectrotype`` of each row, and nothing of its label."""
    return pd.DataFrame(_read_columns(Path(gal_info), ["RA", "DEC", "Z", "Z_WARNING", "SPECTROTYPE"], "DR7 v5.2"))


def read_photo_fields(gal_info: Path | str) -> pd.DataFrame:
    """Return ``run camcol field`` (int64) of the photometry behind each row, -1 where PHOTOID names none."""
    photo = np.asarray(_read_columns(Path(gal_info), ["PHOTOID"], "DR7 v5.2")["photoid"])
    known = (photo[:, 0] > 0) & (photo[:, 2] >= 1) & (photo[:, 2] <= 6) & (photo[:, 3] >= 0)
    parts = {name: np.where(known, photo[:, place], -1) for name, place in (("run", 0), ("camcol", 2), ("field", 3))}
    return pd.DataFrame(parts)


Columns = dict[str, np.ndarray | pd.Categorical]


def read_pair(
    info: Path, info_columns: list[str], rates: Path, rates_columns: list[str], release: str
) -> tuple[Columns, Columns]:
    """Return columns of two tables whose rows belong together, by their names here (int64, float64, text).

    Raises
    ------
    HissError
        The tables differ in length or lack a column.
    """
    first, second = _read_columns(info, info_columns, release), _read_columns(rates, rates_columns, release)
    lengths = [len(next(iter(columns.values()))) for columns in (first, second)]
    if lengths[0] != lengths[1]:
        raise HissError(
            f"{info} has {lengths[0]} rows and {rates} has {lengths[1]}: they belong together row by row, "
            "so fetch both of one release again"
        )
    return first, second


def _read_columns(path: Path, columns: list[str], release: str) -> Columns:
    with open_fits(path, memmap=True) as file:
        hdus = first_hdus(file, 2, path)
        if len(hdus) < 2 or not holds_table(hdus[1]):
            raise HissError(f"{path}: has no table in HDU 1; fetch it again")
        rows = read_rows(hdus[1], path, columns)
        missing = [name for name in columns if name not in (rows.dtype.names or ())]
        if missing:
            raise HissError(f"{path}: lacks the column {', '.join(missing)}; fetch the table of release {release}")
        with corrupt_is_bad(path):
            return {_OUR_NAME.get(name, name.lower()): _native(rows[name]) for name in columns}


def _native(column: np.ndarray) -> np.ndarray | pd.Categorical:
    if column.dtype.kind == "S":
        values, codes = np.unique(np.char.strip(column), return_inverse=True)
        return pd.Categorical.from_codes(codes, pd.Index([value.decode("latin-1") for value in values.tolist()]))
    return column.astype(np.int64 if column.dtype.kind in "iu" else np.float64)


def catalogue_from_csv(csv: Path | str) -> pd.DataFrame:
    """Return catalogue rows kept as CSV, under the names of `read_sfr_catalogue`.

    Columns have the catalogue's names in any case; those of gal_totsfr may start with ``tot_``, and others
    that start with ``fib_`` (the fibre's SFR) are left out. Only the key and AVG must be there.

    Raises
    ------
    HissError
        The key or AVG is missing.
    """
    table = pd.read_csv(csv)
    names = {name: our_column(name) for name in table.columns}
    known = {_OUR_NAME.get(name, name.lower()) for name in (*_INFO_FORMAT, *_SFR_READ)}
    table = table.rename(columns=names)[[name for name in names.values() if name in known]]
    missing = [name for name in (*KEY, "avg") if name not in table]
    if missing:
        raise HissError(f"{csv}: lacks the column {', '.join(missing)}; name them PLATEID, MJD, FIBERID, AVG")
    for name, form in _INFO_FORMAT.items():
        ours = _OUR_NAME.get(name, name.lower())
        if ours in table and form.endswith("A"):
            table[ours] = table[ours].fillna("").astype(str).astype(object)
    return table


def our_column(name: str) -> str:
    """Return our name of a column of gal_info or gal_totsfr, in any case and with or without ``tot_``."""
    upper = name.upper().removeprefix("TOT_")
    return _OUR_NAME.get(upper, upper.lower())


def write_sfr_catalogue(table: pd.DataFrame, gal_info: Path | str, gal_totsfr: Path | str) -> None:
    """Write catalogue rows as the two FITS tables of MPA-JHU's DR7 release, in its columns and formats.

    Parameters
    ----------
    table
        Under the names of `read_sfr_catalogue`, or any other column of gal_info in lower case (a vector
        column as one array a row). A column it lacks is NaN, 0 or empty; PHOTOID is then unpacked
        from ``objid`` where that is given.
    """
    _write_table(gal_info, {name: (form, _info_values(table, name)) for name, form in _INFO_FORMAT.items()})
    _write_table(gal_totsfr, {name: ("E", table.get(name.lower())) for name in _SFR_READ}, len(table))


def _info_values(table: pd.DataFrame, name: str) -> np.ndarray | pd.Series | None:
    values = table.get(_OUR_NAME.get(name, name.lower()))
    if values is None and name == "PHOTOID" and "objid" in table:
        parts = unpack_objid(table["objid"].to_numpy())
        return np.stack([parts.run, parts.rerun, parts.camcol, parts.field, parts.object], axis=1)
    return values if values is not None else _default(_INFO_FORMAT[name], len(table))


def _default(form: str, rows: int) -> np.ndarray:
    count, code = int(form[:-1] or 1), form[-1]
    if code == "A":
        return np.full(rows, "", dtype=f"U{count}")
    fill = np.nan if code == "E" else 0
    return np.full((rows, count) if count > 1 else rows, fill)


def _write_table(
    path: Path | str, columns: dict[str, tuple[str, np.ndarray | pd.Series | None]], rows: int = 0
) -> None:
    from astropy.io import fits

    made = []
    for name, (form, given) in columns.items():
        values = _default(form, rows) if given is None else np.asarray(given)
        if values.dtype == object:
            values = np.array([str(value) for value in values]) if form.endswith("A") else np.stack(list(values))
        if form.endswith("A") and values.dtype.kind != "U":
            values = values.astype(str)
        made.append(fits.Column(name=name, format=form, array=values))
    with atomic(path) as temporary, temporary.open("wb") as stream:
        fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(made)]).writeto(stream)


def join_sfr(spectra: pd.DataFrame, catalogue: pd.DataFrame) -> pd.DataFrame:
    """Return the spectra, in their order, with the `SFR_COLUMNS` of their row in the catalogue and ``has_sfr``.

    Parameters
    ----------
    spectra, catalogue
        Tables with ``plate``, ``mjd`` and ``fiber``; a spectrum without a row gets NaN.

    Raises
    ------
    HissError
        The catalogue names a spectrum twice.
    """
    if catalogue.duplicated(KEY).any():
        raise HissError("the SFR catalogue names a spectrum twice; give each plate, MJD and fiber one row")
    taken = [name for name in (*SFR_COLUMNS, "has_sfr") if name in spectra]
    right = catalogue[[*KEY, *SFR_COLUMNS]].assign(has_sfr=True)
    joined = spectra.drop(columns=taken).merge(right, on=KEY, how="left")
    joined["has_sfr"] = joined["has_sfr"].eq(True)
    joined.index = spectra.index
    return joined
