"""Spectra of the simulated sky in the files of the SDSS and BOSS pipelines."""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from hiss.files import atomic
from hiss.sdss.objid import unpack_objid
from hiss.sky.fits_bytes import Value, primary, table_extension
from hiss.sky.observe import ObservedSpectrum, observe

_COADD: Final = [
    ("flux", "f4"), ("loglam", "f4"), ("ivar", "f4"), ("and_mask", "i4"), ("or_mask", "i4"),
    ("wdisp", "f4"), ("sky", "f4"), ("model", "f4"),
]  # fmt: skip
_COMMON: Final = [
    ("Z", "f4"), ("Z_ERR", "f4"), ("RCHI2", "f4"), ("DOF", "i4"), ("VDISP", "f4"), ("VDISP_ERR", "f4"),
    ("WAVEMIN", "f4"), ("WAVEMAX", "f4"), ("ZWARNING", "i4"), ("SN_MEDIAN_ALL", "f4"), ("SN_MEDIAN", "f4", (5,)),
]  # fmt: skip
_SPECOBJ: Final = [
    ("SURVEY", "S6"), ("INSTRUMENT", "S4"), ("PROGRAMNAME", "S23"), ("LAMBDA_EFF", "f4"), ("SPECPRIMARY", "u1"),
    ("SPECBOSS", "u1"), ("SPECOBJID", "S22"), ("FLUXOBJID", "S19"), ("BESTOBJID", "S19"), ("TARGETOBJID", "S22"),
    ("PLATEID", "S19"), ("RUN2D", "S3"), ("SOURCETYPE", "S19"), ("TARGETTYPE", "S8"), ("PLATE", "i4"),
    ("MJD", "i4"), ("FIBERID", "i4"), ("OBJID", "i4", (5,)), ("PLUG_RA", "f8"), ("PLUG_DEC", "f8"),
    ("CLASS", "S6"), ("SUBCLASS", "S21"), *_COMMON,
]  # fmt: skip
_SPALL: Final = [
    ("PROGRAMNAME", "S27"), ("CHUNK", "S14"), ("LAMBDA_EFF", "f4"), ("SPECPRIMARY", "u1"),
    ("SPECBOSS", "u1"), ("PLATE", "i4"), ("MJD", "i4"), ("FIBERID", "i4"), ("RUN2D", "S7"), ("OBJTYPE", "S16"),
    ("PLUG_RA", "f8"), ("PLUG_DEC", "f8"), ("CLASS", "S6"), ("SUBCLASS", "S21"), *_COMMON,
    ("SPECOBJID", "i8"), ("OBJID", "S19"), ("RUN", "i2"), ("RERUN", "S3"), ("CAMCOL", "u1"), ("FIELD", "i2"),
    ("ID", "i2"), ("RA", "f8"), ("DEC", "f8"),
]  # fmt: skip
_LINE: Final = [
    ("PLATE", "i4"), ("MJD", "i4"), ("FIBERID", "i4"), ("LINENAME", "S13"), ("LINEWAVE", "f8"), ("LINEZ", "f4"),
    ("LINEZ_ERR", "f4"), ("LINESIGMA", "f4"), ("LINESIGMA_ERR", "f4"), ("LINEAREA", "f4"), ("LINEAREA_ERR", "f4"),
    ("LINEEW", "f4"), ("LINEEW_ERR", "f4"), ("LINECONTLEVEL", "f4"), ("LINECONTLEVEL_ERR", "f4"),
    ("LINENPIXLEFT", "i4"), ("LINENPIXRIGHT", "i4"), ("LINEDOF", "f4"), ("LINECHI2", "f4"),
]  # fmt: skip
_LINE_LIST: Final = {
    "Ly_alpha": 1215.67, "N_V 1240": 1240.81, "C_IV 1549": 1549.48, "He_II 1640": 1640.42, "C_III] 1908": 1908.73,
    "Mg_II 2799": 2800.32, "[O_II] 3725": 3727.09, "[O_II] 3727": 3729.88, "[Ne_III] 3868": 3869.86,
    "H_epsilon": 3890.15, "[Ne_III] 3970": 3971.12, "H_delta": 4102.89, "H_gamma": 4341.68, "[O_III] 4363": 4364.44,
    "He_II 4685": 4686.99, "H_beta": 4862.68, "[O_III] 4959": 4960.29, "[O_III] 5007": 5008.24,
    "He_II 5411": 5413.02, "[O_I] 5577": 5578.89, "[O_I] 6300": 6302.05, "[S_III] 6312": 6313.81,
    "[O_I] 6363": 6365.54, "[N_II] 6548": 6549.86, "H_alpha": 6564.61, "[N_II] 6583": 6585.27,
    "[S_II] 6716": 6718.29, "[S_II] 6730": 6732.68, "[Ar_III] 7135": 7137.76,
}  # fmt: skip
_SECONDS_A_DAY: Final = 86400.0


def spectrum_path(plate: int, mjd: int, fiber: int) -> Path:
    """Return the path of a spectrum below the folder of raw files."""
    return Path(f"spectra/{plate:04d}/spec-{plate:04d}-{mjd}-{fiber:04d}.fits")


def write_spectra(
    folder: Path, spectra: pd.DataFrame, placed: pd.DataFrame, seed: np.random.SeedSequence
) -> list[float]:
    """Observe and write the spectra of `hiss.sky.layout.list_spectra`; return the median S/N of each."""
    medians = []
    for row, observed in zip(spectra.to_dict("records"), observe(spectra, placed, seed)):
        measured = observed.ivar > 0
        medians.append(float(np.median(observed.flux[measured] * np.sqrt(observed.ivar[measured]))))
        content = _file_bytes(row, placed.iloc[int(row["object"])].to_dict(), observed, medians[-1])
        with atomic(folder / spectrum_path(row["plate"], row["mjd"], row["fiber"])) as temporary:
            temporary.write_bytes(content)
    return medians


def _file_bytes(spectrum: dict, target: dict, observed: ObservedSpectrum, sn_median: float) -> bytes:
    of_object = _boss_row if spectrum["boss"] else _sdss_row
    name = "SPALL" if spectrum["boss"] else "SPECOBJ"
    return (
        primary(None, _header(spectrum, target, observed), ["Simulated sky, not an observation."])
        + table_extension(_coadd(observed), "COADD")
        + table_extension(of_object(spectrum, target, observed, sn_median), name)
        + table_extension(_lines(spectrum, target, observed), "SPZLINE")
    )


def _header(spectrum: dict, target: dict, observed: ObservedSpectrum) -> dict[str, Value]:
    # files of the BOSS era have no TAI
    time: dict[str, Value] = {"TAI": spectrum["mjd"] * _SECONDS_A_DAY + 21600.0, "TIMESYS": "tai"}
    return (time if not spectrum["boss"] else {}) | {
        "MJD": spectrum["mjd"], "MJDLIST": str(spectrum["mjd"]), "TELESCOP": "SDSS 2.5-M", "EXPTIME": 2700.0,
        "FLAVOR": "science", "QUALITY": "excellent", "EQUINOX": 2000.0, "RADECSYS": "FK5",
        "PLATEID": spectrum["plate"], "VACUUM": True, "NWORDER": 2, "WFITTYPE": "LOG-LINEAR",
        "COEFF0": round(float(observed.loglam[0]), 4), "COEFF1": 1e-4, "DC-FLAG": 1,
        "BUNIT": "1E-17 erg/cm^2/s/Ang", "PLUG_RA": target["ra"], "PLUG_DEC": target["dec"],
        "FIBERID": spectrum["fiber"],
    }  # fmt: skip


def _coadd(observed: ObservedSpectrum) -> np.ndarray:
    rows = np.zeros(len(observed.loglam), dtype=_COADD)
    for name in ("flux", "loglam", "ivar", "sky", "model"):
        rows[name] = getattr(observed, name)
    rows["and_mask"] = rows["or_mask"] = observed.mask
    rows["wdisp"] = 0.96
    return rows


def _fill_common(row: np.ndarray, spectrum: dict, target: dict, observed: ObservedSpectrum, sn: float) -> None:
    galaxy = target["kind"] == "galaxy"
    for name, value in {
        "PLATE": spectrum["plate"], "MJD": spectrum["mjd"], "FIBERID": spectrum["fiber"],
        "PLUG_RA": target["ra"], "PLUG_DEC": target["dec"], "Z": spectrum["z"], "Z_ERR": spectrum["z_err"],
        "ZWARNING": spectrum["zwarning"], "RCHI2": 1.0, "DOF": len(observed.loglam),
        "VDISP": target["sigma_v"] if galaxy else 0.0, "WAVEMIN": 10 ** observed.loglam[0],
        "WAVEMAX": 10 ** observed.loglam[-1], "SN_MEDIAN_ALL": sn, "SN_MEDIAN": sn,
        "CLASS": {"galaxy": "GALAXY", "star": "STAR", "quasar": "QSO"}[target["kind"]],
        "SUBCLASS": _subclass(target), "SPECPRIMARY": not (spectrum["repeat"] or spectrum["boss"]),
        "SPECBOSS": spectrum["boss"], "LAMBDA_EFF": 5400.0,
    }.items():  # fmt: skip
        row[name] = value


def _subclass(target: dict) -> str:
    if target["kind"] == "galaxy":
        return "" if target["quiescent"] else "STARFORMING"
    if target["kind"] == "quasar":
        return "BROADLINE"
    hottest = ((7300, "A"), (6000, "F"), (5250, "G"), (0, "K"))
    return next(letter for limit, letter in hottest if target["temperature"] >= limit) + "5"


def _sdss_row(spectrum: dict, target: dict, observed: ObservedSpectrum, sn: float) -> np.ndarray:
    row = np.zeros(1, dtype=_SPECOBJ)
    _fill_common(row, spectrum, target, observed, sn)
    objid = str(spectrum["objid"])
    for name, value in {
        "SURVEY": "sdss", "INSTRUMENT": "SDSS", "PROGRAMNAME": "legacy", "RUN2D": "26",
        "TARGETTYPE": "SCIENCE", "BESTOBJID": objid,
        "FLUXOBJID": objid, "TARGETOBJID": objid, "SPECOBJID": _specobjid(spectrum),
        "SOURCETYPE": {"galaxy": "GALAXY", "star": "STAR", "quasar": "QSO"}[target["kind"]],
        "OBJID": _photo_parts(spectrum["objid"]),
    }.items():  # fmt: skip
        row[name] = value
    return row


def _boss_row(spectrum: dict, target: dict, observed: ObservedSpectrum, sn: float) -> np.ndarray:
    row = np.zeros(1, dtype=_SPALL)
    _fill_common(row, spectrum, target, observed, sn)
    run, rerun, camcol, field, number = _photo_parts(spectrum["objid"])
    for name, value in {
        "PROGRAMNAME": "boss", "CHUNK": "boss11", "RUN2D": "v5_10_0", "OBJTYPE": "GALAXY",
        "SPECOBJID": int(_specobjid(spectrum)), "OBJID": str(spectrum["objid"]), "RUN": run, "RERUN": str(rerun),
        "CAMCOL": camcol, "FIELD": field, "ID": number, "RA": target["ra"], "DEC": target["dec"],
    }.items():  # fmt: skip
        row[name] = value
    return row


def _specobjid(spectrum: dict) -> str:
    """Plate, fibre and MJD in the bits of SDSS's specObjID."""
    return str((spectrum["plate"] << 50) | (spectrum["fiber"] << 38) | ((spectrum["mjd"] - 50000) << 24))


def _photo_parts(objid: int) -> tuple[int, int, int, int, int]:
    parts = unpack_objid(objid)
    return int(parts.run), int(parts.rerun), int(parts.camcol), int(parts.field), int(parts.object)


def _lines(spectrum: dict, target: dict, observed: ObservedSpectrum) -> np.ndarray:
    rows = np.zeros(len(_LINE_LIST), dtype=_LINE)
    rows["PLATE"], rows["MJD"], rows["FIBERID"] = spectrum["plate"], spectrum["mjd"], spectrum["fiber"]
    rows["LINENAME"], rows["LINEWAVE"] = list(_LINE_LIST), list(_LINE_LIST.values())
    rows["LINEZ"], rows["LINESIGMA"], rows["LINEAREA_ERR"] = spectrum["z"], 100.0, -1.0
    first, last = 10 ** observed.loglam[[0, -1]]
    for row, (name, wl) in zip(rows, _LINE_LIST.items()):
        if name in observed.lines and first < wl * (1 + spectrum["z"]) < last:
            row["LINEAREA"], row["LINEAREA_ERR"] = observed.lines[name]
    return rows
