"""Spectra of the SDSS and BOSS spectrographs: one coadded spectrum a file."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from hiss.errors import BadInput
from hiss.sdss.fits import Header, converted, first_hdus, name_of, open_fits, plain_header, read_rows, text
from hiss.sdss.header import read_cards

_NAME = re.compile(r"spec-(\d{4,5})-(\d{5})-(\d{4})\.fits(?:\.gz|\.bz2)?")
FIRST_BOSS_PLATE: Final = 3510
"""Plates from here on were observed with the BOSS spectrographs and their 2 arcsec fibres."""

SECONDS_PER_DAY: Final = 86400.0
_LAST_OBJID: Final = 2**63 - 1
_COADD: Final = ("LOGLAM", "FLUX", "IVAR", "AND_MASK")
_SIGNAL: Final = ("SN_MEDIAN_ALL", "SN_MEDIAN")
_OBJECT: Final = ("PLUG_RA", "PLUG_DEC", "Z", "ZWARNING", "CLASS", "SUBCLASS", "BESTOBJID", "OBJID", *_SIGNAL)
_LINES: Final = ("LINENAME", "LINEAREA", "LINEAREA_ERR")
_POSITION: Final = ("PLUG_RA", "PLUG_DEC")


@dataclass(frozen=True)
class Spectrum:
    """One spectrum with what the pipeline says of its object.

    Attributes
    ----------
    path, plate, mjd, fiber
        Where it lies and which it is, by the file's name.
    ra, dec
        PLUG_RA, PLUG_DEC [deg].
    z, zwarning, class_, subclass
        Pipeline redshift and classification.
    objid
        Photometric object (BESTOBJID, for BOSS OBJID); 0 where there is none.
    tai
        Seconds since MJD 0; MJD x 86400 where the header has no TAI.
    fiber_arcsec
        Diameter of the fibre: 3 for the SDSS, 2 for the BOSS spectrographs.
    sn_median
        Median signal to noise of a pixel.
    loglam
        (n,) float64, log10 of the vacuum wavelength [Angstrom].
    flux, ivar
        (n,) float32, 1e-17 erg s-1 cm-2 Angstrom-1 and its inverse variance.
    and_mask
        (n,) int32.
    header
        Primary header without commentary.
    lines
        LINENAME to (LINEAREA, LINEAREA_ERR) [1e-17 erg s-1 cm-2]; empty where SPZLINE is absent.
    """

    path: Path
    plate: int
    mjd: int
    fiber: int
    ra: float
    dec: float
    z: float
    zwarning: int
    class_: str
    subclass: str
    objid: int
    tai: float
    fiber_arcsec: float
    sn_median: float
    loglam: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    and_mask: np.ndarray
    header: Header
    lines: dict[str, tuple[float, float]]


def parse_spectrum_name(path: Path | str) -> tuple[int, int, int]:
    """Return plate, MJD and fiber of a spectrum's file name; `BadInput` when it is not one."""
    match = _NAME.fullmatch(Path(path).name)
    if match is None:
        raise BadInput(f"{path}: not the name of a spectrum, spec-<plate>-<mjd>-<fiber>.fits[.bz2|.gz]")
    plate, mjd, fiber = (int(part) for part in match.groups())
    return plate, mjd, fiber


def fiber_diameter(plate: int) -> float:
    """Return the diameter of a plate's fibres [arcsec]."""
    return 2.0 if plate >= FIRST_BOSS_PLATE else 3.0


def read_spectrum(path: Path | str) -> Spectrum:
    """Read one spectrum, plain or compressed.

    Raises
    ------
    BadInput
        The file is missing, empty, truncated or corrupt; it lacks COADD or its object's row; it holds no
        sample; its header is of another spectrum than its name; its wavelengths do not increase; its objID is
        of more than 63 bits.

    Notes
    -----
    Layout: SDSS data model, ``spec``.
    """
    path = Path(path)
    plate, mjd, fiber = parse_spectrum_name(path)
    with open_fits(path) as file:
        return _read(first_hdus(file, 4, path), path, plate, mjd, fiber)


def read_position(path: Path | str) -> tuple[float, float]:
    """Return right ascension and declination [deg] of a spectrum, as a rule from its primary header alone.

    Raises
    ------
    BadInput
        The file is missing, empty, truncated or corrupt, or has no position.
    """
    cards = read_cards(path, _POSITION)
    if all(isinstance(cards.get(name), int | float) for name in _POSITION):
        ra, dec = (float(cards[name]) for name in _POSITION)
        _demand_on_sky(dec, Path(path))
    else:
        spectrum = read_spectrum(path)
        ra, dec = spectrum.ra, spectrum.dec
    return ra % 360, dec


def read_lines(path: Path | str) -> dict[str, tuple[float, float]]:
    """Return what the pipeline measured of each emission line, without a look at the spectrum itself.

    Returns
    -------
    dict
        LINENAME to (LINEAREA, LINEAREA_ERR) [1e-17 erg s-1 cm-2], the error negative where a line was not
        measured; empty where SPZLINE is absent.

    Raises
    ------
    BadInput
        The file is missing, empty, truncated or corrupt.
    """
    path = Path(path)
    with open_fits(path) as file:
        return _read_lines(first_hdus(file, 4, path), path)


def _read(hdus: list[Any], path: Path, plate: int, mjd: int, fiber: int) -> Spectrum:
    header = plain_header(hdus[0], path)
    _check_identity(header, path, plate, mjd, fiber)
    loglam, flux, ivar, and_mask = _read_coadd(hdus, path)
    row = _read_object(hdus, path)
    ra, dec = (_number(header, row, name, path) for name in _POSITION)
    _demand_on_sky(dec, path)
    return Spectrum(
        path=path,
        plate=plate,
        mjd=mjd,
        fiber=fiber,
        ra=ra,
        dec=dec,
        z=float(converted(_cell(row, "Z", path), np.float64, path)),
        zwarning=int(converted(_cell(row, "ZWARNING", path), np.int64, path)),
        class_=text(_cell(row, "CLASS", path)),
        subclass=text(_cell(row, "SUBCLASS", path)),
        objid=_objid(row, path),
        tai=_tai(header, mjd),
        fiber_arcsec=fiber_diameter(plate),
        sn_median=_sn_median(row, flux, ivar, path),
        loglam=loglam,
        flux=flux,
        ivar=ivar,
        and_mask=and_mask,
        header=header,
        lines=_read_lines(hdus, path),
    )


def _check_identity(header: Header, path: Path, plate: int, mjd: int, fiber: int) -> None:
    for key, of_name in (("PLATEID", plate), ("MJD", mjd), ("FIBERID", fiber)):
        if header.get(key, of_name) != of_name:
            raise BadInput(
                f"{path}: the header says {key} {header[key]}, the name {of_name}; "
                "give the file its own name or fetch it again"
            )


def _find(hdus: list[Any], names: tuple[str, ...], path: Path) -> Any:
    return next((hdu for hdu in hdus if name_of(hdu, path) in names), None)


def _read_coadd(hdus: list[Any], path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    hdu = _find(hdus, ("COADD",), path)
    if hdu is None:
        raise BadInput(f"{path}: has no COADD HDU; fetch it again")
    rows = read_rows(hdu, path, _COADD)
    missing = [name for name in _COADD if name not in (rows.dtype.names or ()) or rows[name].ndim != 1]
    if missing:
        raise BadInput(f"{path}: COADD lacks the column {', '.join(missing).lower()}; fetch it again")
    if len(rows) == 0:
        raise BadInput(f"{path}: spectrum of zero length; fetch it again")
    loglam = converted(rows["LOGLAM"], np.float64, path)
    if not (np.isfinite(loglam).all() and (np.diff(loglam) > 0).all()):
        raise BadInput(f"{path}: the wavelengths do not increase; fetch it again")
    return (
        loglam,
        converted(rows["FLUX"], np.float32, path),
        converted(rows["IVAR"], np.float32, path),
        converted(rows["AND_MASK"], np.int32, path),
    )


def _read_object(hdus: list[Any], path: Path) -> np.void:
    """Read the one row of SPECOBJ (SDSS) or SPALL (BOSS)."""
    hdu = _find(hdus, ("SPECOBJ", "SPALL"), path)
    if hdu is None:
        raise BadInput(f"{path}: has no SPECOBJ HDU (SPALL in BOSS files); fetch it again")
    rows = read_rows(hdu, path, _OBJECT)
    if len(rows) == 0:
        raise BadInput(f"{path}: {hdu.name} has no row; fetch it again")
    return rows[0]


def _read_lines(hdus: list[Any], path: Path) -> dict[str, tuple[float, float]]:
    hdu = _find(hdus, ("SPZLINE",), path)
    if hdu is None:
        return {}
    rows = read_rows(hdu, path, _LINES)
    if not set(_LINES) <= set(rows.dtype.names or ()):
        return {}
    areas = zip(rows["LINEAREA"].tolist(), rows["LINEAREA_ERR"].tolist())
    return dict(zip((text(name) for name in rows["LINENAME"]), areas))


def _cell(row: np.void, name: str, path: Path) -> np.generic:
    if name not in (row.dtype.names or ()):
        raise BadInput(f"{path}: the object's row has no column {name}; fetch it again")
    if np.ndim(row[name]):
        raise BadInput(f"{path}: {name} of the object's row is not one value; fetch it again")
    return row[name]


def _number(header: Header, row: np.void, key: str, path: Path) -> float:
    value = header[key] if key in header else _cell(row, key, path)
    number = float(value) if isinstance(value, int | float | np.number) else float("nan")
    if not np.isfinite(number):
        raise BadInput(f"{path}: {key} is no number ({value!r}); fetch it again")
    return number


def _demand_on_sky(dec: float, path: Path) -> None:
    if not -90 <= dec <= 90:
        raise BadInput(f"{path}: PLUG_DEC {dec:g} is no declination; fetch it again")


def _objid(row: np.void, path: Path) -> int:
    """Give BESTOBJID, else OBJID where it is one cell (in SDSS files OBJID is the five parts of a target)."""
    for name in ("BESTOBJID", "OBJID"):
        if name in (row.dtype.names or ()) and np.ndim(row[name]) == 0:
            value = row[name]
            cell = text(value) if isinstance(value, bytes) else str(int(converted(value, np.int64, path)))
            objid = int(cell) if cell.isdigit() else 0
            if objid > _LAST_OBJID:
                raise BadInput(f"{path}: {name} {cell} does not fit the 63 bits of an objID; fetch it again")
            return objid
    return 0


def _tai(header: Header, mjd: int) -> float:
    tai = header.get("TAI")
    return float(tai) if isinstance(tai, int | float) else mjd * SECONDS_PER_DAY


def _sn_median(row: np.void, flux: np.ndarray, ivar: np.ndarray, path: Path) -> float:
    names = row.dtype.names or ()
    for name in _SIGNAL:
        if name in names and np.ndim(row[name]) == 0:
            return float(converted(row[name], np.float64, path))
    good = (ivar > 0) & np.isfinite(flux)
    return float(np.median(flux[good] * np.sqrt(ivar[good]))) if good.any() else 0.0
