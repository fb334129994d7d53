"""The rows of a public cube under our names: which frame, which spectrum, and what cannot be told."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd

from hiss.bands import BAND_INDEX, BAND_WAVELENGTH
from hiss.cube.layout import (
    IMAGE_TABLE_DTYPE,
    SPECTRUM_TABLE,
    SPECTRUM_TABLE_DTYPE,
    WCS_DTYPE,
    images_group,
    spectra_group,
)
from hiss.cube.public import PublicCube, SourceFile
from hiss.cube.rows import blocks_of, row_size
from hiss.cube.wcs import frame_center, wcs_of
from hiss.errors import BadInput
from hiss.progress import progress
from hiss.sdss.catalogue import KEY
from hiss.sdss.frame import parse_frame_name
from hiss.sdss.manifest import COLUMNS
from hiss.sdss.spectrum import SECONDS_PER_DAY, fiber_diameter, parse_spectrum_name

_MJD_0: Final = date(1858, 11, 17)
_OF_PIPELINE: Final = ("z", "zwarning", "class", "subclass", "sn_median", "objid")


@dataclass(frozen=True)
class Rows:
    """Frames or spectra in the row order of a cube's sparse part.

    Attributes
    ----------
    table
        (n,) records of the image or spectrum table; a row whose file cannot be told is empty.
    wcs
        (n,) WCS records of frames; of spectra none.
    good
        (n,) bool, whether the row is a file's.
    bad
        Sentences about the files that are not in the table, by path.
    """

    table: np.ndarray
    wcs: np.ndarray
    good: np.ndarray
    bad: dict[str, str]


def read_frames(cube: PublicCube) -> Rows:
    """Return the frames of a public cube.

    A frame's band is that of its file's name; the header's FILTER and the index's wavelength must agree with it.
    """
    n = len(cube.file[cube.metadata_name("images")])
    wavelength = _indexed(cube, f"{images_group(0)}/db_index", "wl", n)
    table, wcs = np.zeros(n, IMAGE_TABLE_DTYPE), np.zeros(n, WCS_DTYPE)
    table["tai"] = table["ra"] = table["dec"] = table["background_sigma"] = np.nan
    bad: dict[str, str] = {}
    good = np.zeros(n, bool)
    for row, source in enumerate(progress(cube.sources("images"), n, "frames' headers")):
        try:
            if isinstance(source, BadInput):
                raise source
            table[row], wcs[row] = _frame(source, wavelength[row])
            good[row] = True
        except BadInput as error:
            bad[source.path if isinstance(source, SourceFile) else f"row {row} of the images"] = str(error)
    return Rows(table, wcs, good, bad)


def _indexed(cube: PublicCube, name: str, field: str, n: int) -> np.ndarray:
    """Give a column of the index in row order; NaN where the index does not say."""
    values = np.full(n, np.nan)
    if not cube.has(name) or field not in (cube.file[name].dtype.names or ()):
        return values
    index = cube.file[name][:]
    inside = (index["ds_slice_idx"] >= 0) & (index["ds_slice_idx"] < n)
    values[index["ds_slice_idx"][inside]] = index[field][inside]
    return values


def _frame(source: SourceFile, wavelength: float) -> tuple[np.ndarray, np.ndarray]:
    run, camcol, field, band = parse_frame_name(source.name)
    header = source.header
    said = {"FILTER": band, "RUN": run, "CAMCOL": camcol}
    for key, of_name in said.items():
        if str(header.get(key, of_name)).strip() != str(of_name):
            raise BadInput(
                f"{source.path}: the header says {key} {header[key]!r:.40}, the name {of_name}; leave it out"
            )
    if np.isfinite(wavelength) and abs(wavelength - BAND_WAVELENGTH[BAND_INDEX[band]]) > 1:
        raise BadInput(f"{source.path}: the index says {wavelength:.0f} Angstrom, which is not {band}; leave it out")
    wcs = wcs_of(header, source.path)
    row = np.zeros((), IMAGE_TABLE_DTYPE)
    row["path"], row["band"] = source.path.encode(), band.encode()
    row["run"], row["camcol"], row["field"] = run, camcol, field
    row["tai"] = _frame_time(source)
    row["ra"], row["dec"] = frame_center(wcs)
    row["background_sigma"] = np.nan
    return row, wcs


def _frame_time(source: SourceFile) -> float:
    """Give TAI, else the day of DATE-OBS [s since MJD 0]."""
    tai = _given(source, "TAI")
    if tai is not None:
        return tai
    try:
        day = date.fromisoformat(str(source.header.get("DATE-OBS", ""))[:10])
    except ValueError:
        raise BadInput(f"{source.path}: the header has neither TAI nor DATE-OBS; leave it out") from None
    return (day - _MJD_0).days * SECONDS_PER_DAY


def read_spectra(cube: PublicCube, rates: pd.DataFrame) -> Rows:
    """Return the spectra of a public cube.

    Redshift and class are not in its headers: they are those of the catalogue of star formation rates, which lists
    galaxies, or unknown; a cube that this workflow wrote has them in its own table.

    Parameters
    ----------
    rates
        The cube's catalogue.
    """
    n = len(cube.file[cube.metadata_name("spectra")])
    table = np.zeros(n, SPECTRUM_TABLE_DTYPE)
    for name in ("ra", "dec", "z", "tai", "fiber_arcsec", "sn_median"):
        table[name] = np.nan
    bad: dict[str, str] = {}
    good = np.zeros(n, bool)
    for row, source in enumerate(progress(cube.sources("spectra"), n, "spectra's headers")):
        try:
            if isinstance(source, BadInput):
                raise source
            table[row] = _spectrum(source)
            good[row] = True
        except BadInput as error:
            bad[source.path if isinstance(source, SourceFile) else f"row {row} of the spectra"] = str(error)
    table["sn_median"] = _signal_to_noise(cube, n)
    _add_catalogue(table, rates)
    if cube.ours and cube.has(SPECTRUM_TABLE) and len(cube.file[SPECTRUM_TABLE]) == n:
        own = cube.file[SPECTRUM_TABLE][:]
        for name in _OF_PIPELINE:
            table[name] = own[name]
    return Rows(table, np.zeros(0, WCS_DTYPE), good, bad)


def _spectrum(source: SourceFile) -> np.ndarray:
    plate, mjd, fiber = parse_spectrum_name(source.name)
    header = source.header
    for key, of_name in (("PLATEID", plate), ("MJD", mjd), ("FIBERID", fiber)):
        if header.get(key, of_name) != of_name:
            raise BadInput(
                f"{source.path}: the header says {key} {header[key]!r:.40}, the name {of_name}; leave it out"
            )
    row = np.zeros((), SPECTRUM_TABLE_DTYPE)
    row["path"] = source.path.encode()
    row["plate"], row["mjd"], row["fiber"] = plate, mjd, fiber
    row["ra"], row["dec"] = _number(source, "PLUG_RA") % 360, _number(source, "PLUG_DEC")
    if abs(row["dec"]) > 90:
        raise BadInput(f"{source.path}: PLUG_DEC in its header is not on the sky; leave it out")
    tai = _given(source, "TAI")
    row["tai"] = mjd * SECONDS_PER_DAY if tai is None else tai
    row["fiber_arcsec"] = fiber_diameter(plate)
    row["z"] = row["sn_median"] = np.nan
    return row


def _number(source: SourceFile, key: str) -> float:
    value = _given(source, key)
    if value is None:
        raise BadInput(f"{source.path}: {key} in its header is no number; leave it out")
    return value


def _given(source: SourceFile, key: str) -> float | None:
    """Return a number of a header; None where there is none."""
    value = source.header.get(key)
    try:
        number = float(value) if isinstance(value, int | float) else np.nan
    except OverflowError:
        raise BadInput(f"{source.path}: {key} in its header is beyond all bounds; leave it out") from None
    return number if np.isfinite(number) else None


def _signal_to_noise(cube: PublicCube, n: int) -> np.ndarray:
    """Give the median signal to noise of each spectrum at zoom 0; NaN where the cube does not hold them."""
    found = np.full(n, np.nan)
    names = [f"{spectra_group(0)}/{name}" for name in ("data", "errors")]
    if not all(cube.has(name) and len(cube.file[name]) == n for name in names):
        return found
    flux, sigma = (cube.file[name] for name in names)
    for start, stop in blocks_of(n, row_size(flux)):
        found[start:stop] = _median_ratio(flux[start:stop], sigma[start:stop])
    return found


def _median_ratio(flux: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    known = np.isfinite(flux) & np.isfinite(sigma) & (sigma > 0)
    ratio = np.full(flux.shape, np.nan)
    np.divide(flux, sigma, out=ratio, where=known, dtype=np.float64)
    some = known.any(axis=1)
    median = np.full(len(flux), np.nan)
    median[some] = np.nanmedian(ratio[some], axis=1)
    return median


def _add_catalogue(table: np.ndarray, rates: pd.DataFrame) -> None:
    """Fill in what the catalogue says of a spectrum; the catalogue lists galaxies."""
    keys = pd.DataFrame({name: table[name] for name in KEY})
    texts = [name for name in ("spectrotype", "subclass") if name in rates]
    numbers = [name for name in ("z", "z_warning") if name in rates]
    joined = keys.merge(rates[[*KEY, *numbers, *texts]].assign(listed=True), on=KEY, how="left")
    listed = joined["listed"].eq(True).to_numpy()
    for name, ours in (("z", "z"), ("z_warning", "zwarning")):
        if name in rates:
            table[ours][listed] = joined[name].to_numpy()[listed]
    classes = joined["spectrotype"] if "spectrotype" in rates else pd.Series("GALAXY", index=joined.index)
    table["class"][listed] = [str(value).encode() or b"GALAXY" for value in classes[listed]]
    if "subclass" in rates:
        table["subclass"][listed] = [str(value).encode() for value in joined["subclass"][listed]]


def manifest_of(cube: PublicCube, frames: Rows, spectra: Rows) -> pd.DataFrame:
    """Return the manifest of the files the cube was made of: sizes and hashes are not known."""
    parts = []
    for kind, name, rows, ids in (
        ("frame", "images", frames, ["run", "camcol", "field", "band"]),
        ("spectrum", "spectra", spectra, [*KEY, "ra", "dec"]),
    ):
        told = rows.table[rows.good]
        part = pd.DataFrame({key: _plain(told[key]) for key in ("path", *ids)})
        others = _not_told(cube.listed(name), set(part["path"]) | rows.bad.keys())
        unread = pd.DataFrame({"path": [*rows.bad, *others]}, dtype=object)
        parts.append(pd.concat([part, unread], ignore_index=True).assign(kind=kind))
    table = pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS).assign(size=0, sha256="")
    integers = dict.fromkeys(("run", "camcol", "field", "plate", "mjd", "fiber"), "Int64")
    table = table.astype({**integers, "size": "int64", "ra": "float64", "dec": "float64"})
    return table.sort_values(["kind", "path"], ignore_index=True)


def _not_told(listed: list[str], told: set[str]) -> list[str]:
    """Give the listed paths that no row has, with or without their folders."""
    names = {path.rpartition("/")[2] for path in told}
    return [path for path in listed if path.rpartition("/")[2] not in names]


def unread(cube: PublicCube, rows: Rows, kind: str) -> list[tuple[str, str]]:
    """Return path and reason of the cube's files of a kind, ``images`` or ``spectra``, that it has no row of."""
    told = {path.decode() for path in rows.table["path"][rows.good].tolist()} | rows.bad.keys()
    absent = f"{cube.path.name} has no row of it: its file could not be read when the cube was made"
    return [*rows.bad.items(), *((path, absent) for path in _not_told(cube.listed(kind), told))]


def _plain(column: np.ndarray) -> Any:
    return [value.decode() for value in column.tolist()] if column.dtype.kind == "S" else column
