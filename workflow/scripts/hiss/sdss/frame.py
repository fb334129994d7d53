"""Frames of the SDSS imaging camera: one field in one band, calibrated and sky-subtracted."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hiss.bands import BAND_INDEX, FRAME_SHAPE
from hiss.errors import BadInput
from hiss.sdss.fits import Header, converted, first_hdus, holds_table, open_fits, plain_header, read_image, read_rows

_NAME = re.compile(r"frame-([ugriz])-(\d{6})-([1-6])-(\d{4})\.fits(?:\.gz|\.bz2)?")
_SKY_SHAPE = (192, 256)
_SKY_COLUMNS = ("ALLSKY", "XINTERP", "YINTERP")


@dataclass(frozen=True)
class Frame:
    """One field of a run in one band.

    Attributes
    ----------
    path, run, camcol, field, band
        Where it lies and which it is, by the file's name: FRAME in the header is not the field.
    image
        (1489, 2048) float32, nanomaggies per pixel, sky subtracted; big-endian where it is a view of the file.
    calibration
        (2048,) float32, nanomaggies per count.
    sky
        (192, 256) float32, counts.
    x_interp, y_interp
        (2048,) and (1489,) float32, positions of the columns and rows in ``sky``.
    header
        Primary header without commentary.
    tai
        Seconds since MJD 0; NaN where absent.
    """

    path: Path
    run: int
    camcol: int
    field: int
    band: str
    image: np.ndarray
    calibration: np.ndarray
    sky: np.ndarray
    x_interp: np.ndarray
    y_interp: np.ndarray
    header: Header
    tai: float


def parse_frame_name(path: Path | str) -> tuple[int, int, int, str]:
    """Return run, camcol, field and band of a frame's file name; `BadInput` when it is not one."""
    match = _NAME.fullmatch(Path(path).name)
    if match is None:
        raise BadInput(f"{path}: not the name of a frame, frame-<band>-<run>-<camcol>-<field>.fits[.bz2|.gz]")
    band, run, camcol, field = match.groups()
    return int(run), int(camcol), int(field), band


def read_frame(path: Path | str, whole: bool = True) -> Frame:
    """Read one frame, plain or compressed by gzip or bzip2.

    Parameters
    ----------
    whole
        False for windows alone: the image of a plain file is then a view of the file, big-endian, of which only
        what is looked at is read. A compressed one is decompressed all the same.

    Raises
    ------
    BadInput
        The file is missing, empty, truncated or corrupt; an HDU is missing or of another shape; the header
        is of another frame than the name; the image is NaN throughout, the calibration not positive or the sky
        not finite.

    Notes
    -----
    Layout: SDSS data model, ``frame``.
    """
    path = Path(path)
    run, camcol, field, band = parse_frame_name(path)
    with open_fits(path, memmap=path.suffix == ".fits") as file:
        hdus = first_hdus(file, 3, path)
        header = plain_header(hdus[0], path)
        _check_identity(header, path, run, camcol, band)
        image = _read_array(hdus, 0, FRAME_SHAPE, "image", path)
        calibration = _read_array(hdus, 1, (FRAME_SHAPE[1],), "calibration", path).astype(np.float32)
        sky, x_interp, y_interp = _read_sky(hdus, path)
    image = image.astype(np.float32) if whole else image
    if not any(np.isfinite(image[row]).any() for row in range(len(image))):
        raise nothing_measured(path)
    if not (np.isfinite(calibration).all() and (calibration > 0).all()):
        raise BadInput(f"{path}: the calibration vector is not positive throughout; fetch it again")
    return Frame(
        path=path,
        run=run,
        camcol=camcol,
        field=field,
        band=band,
        image=image,
        calibration=calibration,
        sky=sky,
        x_interp=x_interp,
        y_interp=y_interp,
        header=header,
        tai=_tai(header),
    )


def nothing_measured(path: Path) -> BadInput:
    """Return the sentence for a frame that is NaN throughout."""
    return BadInput(f"{path}: every pixel of the image is NaN; fetch it again")


def _check_identity(header: Header, path: Path, run: int, camcol: int, band: str) -> None:
    found = str(header.get("FILTER", "")).strip()
    if found not in BAND_INDEX:
        raise BadInput(f"{path}: the header names no SDSS band in FILTER ({found!r}); fetch it again")
    for key, of_name in (("FILTER", band), ("RUN", run), ("CAMCOL", camcol)):
        if header.get(key, of_name) != of_name:
            raise BadInput(
                f"{path}: the header says {key} {header[key]}, the name {of_name}; "
                "give the file its own name or fetch it again"
            )


def _hdu(hdus: list[Any], index: int, what: str, path: Path) -> Any:
    if len(hdus) <= index:
        raise BadInput(f"{path}: has no {what} HDU ({index}); fetch it again")
    return hdus[index]


def _read_array(hdus: list[Any], index: int, shape: tuple[int, ...], what: str, path: Path) -> np.ndarray:
    hdu = _hdu(hdus, index, what, path)
    if holds_table(hdu):
        raise BadInput(f"{path}: has no {what} HDU ({index} holds a table); fetch it again")
    array = read_image(hdu, path)
    _check_shape(array, shape, what, path)
    return array


def _check_shape(array: np.ndarray, shape: tuple[int, ...], what: str, path: Path) -> None:
    if array.shape != shape:
        raise BadInput(f"{path}: the {what} has shape {array.shape} where {shape} is due; fetch it again")


def _read_sky(hdus: list[Any], path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read HDU 2; its TDIM is trusted only as far as the number of values, rows of 256 as in the data model."""
    hdu = _hdu(hdus, 2, "sky", path)
    if not holds_table(hdu):
        raise BadInput(f"{path}: has no sky HDU (2 holds no table); fetch it again")
    rows = read_rows(hdu, path, _SKY_COLUMNS)
    names = rows.dtype.names or ()
    missing = [name for name in _SKY_COLUMNS if name not in names]
    if missing or len(rows) == 0:
        raise BadInput(f"{path}: the sky HDU lacks {', '.join(missing) or 'its row'}; fetch it again")
    allsky = converted(rows["ALLSKY"][0], np.float32, path).ravel()
    _check_shape(allsky, (_SKY_SHAPE[0] * _SKY_SHAPE[1],), "sky", path)
    x_interp, y_interp = (converted(rows[name][0], np.float32, path).ravel() for name in ("XINTERP", "YINTERP"))
    _check_shape(x_interp, (FRAME_SHAPE[1],), "XINTERP", path)
    _check_shape(y_interp, (FRAME_SHAPE[0],), "YINTERP", path)
    for name, values in (("ALLSKY", allsky), ("XINTERP", x_interp), ("YINTERP", y_interp)):
        if not np.isfinite(values).all():
            raise BadInput(f"{path}: the sky is not finite in {name}; fetch it again")
    return allsky.reshape(_SKY_SHAPE), x_interp, y_interp


def _tai(header: Header) -> float:
    tai = header.get("TAI", float("nan"))
    return float(tai) if isinstance(tai, int | float) else float("nan")
