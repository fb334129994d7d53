"""The frames of a simulated strip: what the camera saw, in the files SDSS would have made of it."""

import bz2
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from hiss.bands import BAND_INDEX, FRAME_SHAPE
from hiss.files import atomic
from hiss.sky.camera import PIXEL, Detector, detector, observed_counts
from hiss.sky.fits_bytes import Value, image_extension, primary, table_extension
from hiss.sky.profiles import Psf, Shape, axis_ratio, render
from hiss.sky.strips import ROWS_A_FIELD, Strip

_SKY_GRID: Final = (192, 256)
_STAMPS: Final = (48, 64, 96, 128, 192, 256, 320)
_BATCH_PIXELS: Final = 1_000_000
_BZ2_LEVEL: Final = 3  # of all levels the fastest on frames, 3 % larger than 9

_ASTROMETRY: Final = [
    ("RUN", "i4"), ("RERUN", "S3"), ("CAMCOL", "i4"), ("FILTER", "S1"), ("NODE", "f8"), ("INCL", "f8"),
    ("NAXIS", "i4", (2,)), ("FIELD", "i4"), ("A", "f8"), ("B", "f8"), ("C", "f8"), ("D", "f8"), ("E", "f8"),
    ("F", "f8"), ("DROW0", "f8"), ("DROW1", "f8"), ("DROW2", "f8"), ("DROW3", "f8"), ("DCOL0", "f8"),
    ("DCOL1", "f8"), ("DCOL2", "f8"), ("DCOL3", "f8"), ("CSROW", "f8"), ("CSCOL", "f8"), ("CCROW", "f8"),
    ("CCCOL", "f8"), ("RICUT", "f8"), ("MJD", "f8"), ("AIRMASS", "f8"), ("MUERR", "f4"), ("NUERR", "f4"),
]  # fmt: skip


def write_frames(
    folder: Path, strip: Strip, band: str, objects: pd.DataFrame, seed: np.random.SeedSequence
) -> list[Path]:
    """Write every field of a strip in one band below ``folder`` as SDSS lays them out; return the paths.

    Fields overlap by 128 rows, and there hold the same photons, as in the survey.

    Parameters
    ----------
    objects
        ``ra dec`` [deg], ``flux_bulge_<band> flux_disk_<band>`` [nanomaggies], ``r_bulge r_disk`` [arcsec],
        ``inclination angle`` [degree]; stars have radii and angles of 0.
    """
    rng = np.random.default_rng(seed)
    ccd = detector(BAND_INDEX[band], strip.camcol, strip.run, strip.seeing, strip.sky)
    calibration = calibration_vector(ccd, rng)
    expected = strip_image(strip, band, objects, ccd.psf)
    expected /= calibration
    rows = np.arange(strip.shape[0], dtype=np.float32)[:, None]
    expected += sky_counts(ccd, np.arange(strip.shape[1], dtype=np.float32), rows)
    counts = observed_counts(expected, ccd, rng)
    paths = []
    for index in range(strip.n_fields):
        first = ROWS_A_FIELD * index
        data = counts[first : first + FRAME_SHAPE[0]]
        path = folder / frame_path(strip.run, strip.camcol, strip.first_field + index, band)
        content = _frame_bytes(data, strip, index, band, ccd, calibration)
        with atomic(path) as temporary:
            temporary.write_bytes(bz2.compress(content, _BZ2_LEVEL))
        paths.append(path)
    return paths


def frame_path(run: int, camcol: int, field: int, band: str) -> Path:
    """Return the path of a frame below the folder of raw files."""
    return Path(f"images/301/{run}/{camcol}/frame-{band}-{run:06d}-{camcol}-{field:04d}.fits.bz2")


def calibration_vector(ccd: Detector, rng: np.random.Generator) -> np.ndarray:
    """Return nanomaggies per count of each column, (2048,) float32: a slow wave of half a per cent."""
    column = np.linspace(0, 2 * np.pi, FRAME_SHAPE[1])
    amplitude, phase = 0.005 * rng.uniform(0.5, 1), rng.uniform(0, 2 * np.pi)
    return (ccd.nanomaggies * (1 + amplitude * np.sin(column + phase))).astype(np.float32)


def sky_counts(ccd: Detector, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return the sky at pixels of a strip [counts], a plane of some per cent."""
    slope = 1 + 1e-5 * (column - FRAME_SHAPE[1] / 2) + 4e-6 * row
    return (ccd.sky * slope).astype(np.float32)


def strip_image(strip: Strip, band: str, objects: pd.DataFrame, psf: Psf) -> np.ndarray:
    """Return the noiseless objects of a strip, (rows, columns) float32, nanomaggies per pixel."""
    x, y = strip.wcs(band).wcs_world2pix(objects["ra"], objects["dec"], 0)
    reach = _reach(objects)
    sizes = np.array(_STAMPS)[np.minimum(np.searchsorted(np.array(_STAMPS) / 2, reach), len(_STAMPS) - 1)]
    rows, columns = strip.shape
    half = sizes / 2 - 1  # less the rounding of a stamp's corner
    seen = (x > -half) & (x < columns + half) & (y > -half) & (y < rows + half)
    image = np.zeros((rows, columns), np.float32)
    for size in _STAMPS:
        chosen = np.flatnonzero(seen & (sizes == size))
        step = max(1, _BATCH_PIXELS // size**2)
        for start in range(0, len(chosen), step):
            _add_stamps(image, objects, band, chosen[start : start + step], x, y, psf, size)
    return image


def _reach(objects: pd.DataFrame) -> np.ndarray:
    """Half the side of a stamp [pixel] that holds all but half a per cent of an object's light."""
    disk, bulge = (objects[name].to_numpy() / PIXEL for name in ("r_disk", "r_bulge"))
    return np.maximum(22 + 3.6 * disk, 22 + 6.0 * bulge * (bulge > 0))


def _add_stamps(
    image: np.ndarray, objects: pd.DataFrame, band: str, chosen: np.ndarray,
    x: np.ndarray, y: np.ndarray, psf: Psf, size: int,
) -> None:  # fmt: skip
    some = objects.iloc[chosen]
    shape = Shape(
        some["r_bulge"].to_numpy() / PIXEL,
        some["r_disk"].to_numpy() / PIXEL,
        axis_ratio(some["inclination"].to_numpy()),
        np.radians(some["angle"].to_numpy()),
    )
    left = np.round(x[chosen]).astype(int) - size // 2
    bottom = np.round(y[chosen]).astype(int) - size // 2
    bulge, disk = (some[f"flux_{part}_{band}"].to_numpy() for part in ("bulge", "disk"))
    stamps = render(bulge, disk, shape, (x[chosen] - left, y[chosen] - bottom), psf, size)
    for stamp, x0, y0 in zip(stamps, left, bottom):
        inside_y = slice(max(y0, 0), min(y0 + size, image.shape[0]))
        inside_x = slice(max(x0, 0), min(x0 + size, image.shape[1]))
        image[inside_y, inside_x] += stamp[
            inside_y.start - y0 : inside_y.stop - y0, inside_x.start - x0 : inside_x.stop - x0
        ]


def _frame_bytes(
    counts: np.ndarray, strip: Strip, index: int, band: str, ccd: Detector, calibration: np.ndarray
) -> bytes:
    x_interp = ((np.arange(FRAME_SHAPE[1]) - 3.5) / 8).astype(np.float32)
    y_interp = ((np.arange(FRAME_SHAPE[0]) + 4.5) / 8).astype(np.float32)
    # the grid's nodes in pixels of the strip: a plane, so that interpolation gives back the sky exactly
    columns = np.arange(_SKY_GRID[1], dtype=np.float32) * 8 + 3.5
    rows = np.arange(_SKY_GRID[0], dtype=np.float32)[:, None] * 8 - 4.5 + ROWS_A_FIELD * index
    allsky = sky_counts(ccd, columns, rows)
    pixel_rows = np.arange(FRAME_SHAPE[0], dtype=np.float32)[:, None] + ROWS_A_FIELD * index
    # beyond the outermost nodes the sky is taken as there
    pixel_columns = np.clip(np.arange(FRAME_SHAPE[1], dtype=np.float32), columns[0], columns[-1])
    image = (counts - sky_counts(ccd, pixel_columns, pixel_rows)) * calibration
    sky = np.array(
        [(allsky, x_interp, y_interp)],
        dtype=[("ALLSKY", "f4", _SKY_GRID), ("XINTERP", "f4", FRAME_SHAPE[1:]), ("YINTERP", "f4", FRAME_SHAPE[:1])],
    )
    return (
        primary(shorten(image), _header(strip, index, band, ccd), ["Simulated sky, not an observation."])
        + image_extension(calibration)
        + table_extension(sky)
        + table_extension(_astrometry(strip, index, band))
    )


def shorten(image: np.ndarray) -> np.ndarray:
    """Return the image rounded to ten binary digits of mantissa, as SDSS does to compress its frames."""
    bits = np.ascontiguousarray(image, dtype=np.float32).view(np.uint32)
    return ((bits + np.uint32(1 << 12)) & np.uint32(0xFFFFE000)).view(np.float32)


def _header(strip: Strip, index: int, band: str, ccd: Detector) -> dict[str, Value]:
    wcs = strip.wcs(band)
    middle = (1024.0, 744.0 + ROWS_A_FIELD * index)
    ra, dec = wcs.wcs_pix2world(*middle, 0)
    cd = wcs.wcs.cd
    return {
        "TAI": round(strip.field_tai(index, band), 2), "RA": round(float(ra), 6), "DEC": 0.0, "SPA": 90.0,
        "DATE-OBS": strip.date, "ORIGIN": "SDSS", "TELESCOP": "2.5m", "TIMESYS": "TAI", "RUN": strip.run,
        "FRAME": strip.frame_number(index, band), "STRIPE": 82, "STRIP": "N", "FLAVOR": "science",
        "OBJECT": "82 N", "EXPTIME": "53.907456", "SYSTEM": "FK5", "CCDMODE": "DRIFT", "C_OBS": 26322,
        "COLBIN": 1, "ROWBIN": 1, "EQUINOX": 2000.0, "SOFTBIAS": 1000, "BUNIT": "nanomaggy", "FILTER": band,
        "CAMCOL": strip.camcol, "RADECSYS": "ICRS", "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN",
        "CUNIT1": "deg", "CUNIT2": "deg", "CRPIX1": 1025.0, "CRPIX2": 745.0, "CRVAL1": float(ra),
        "CRVAL2": float(dec), "CD1_1": cd[0, 0], "CD1_2": cd[0, 1], "CD2_1": cd[1, 0], "CD2_2": cd[1, 1],
        "NMGY": ccd.nanomaggies, "RERUN": "301",
    }  # fmt: skip


def _astrometry(strip: Strip, index: int, band: str) -> np.ndarray:
    row = np.zeros(1, dtype=_ASTROMETRY)
    row["RUN"], row["RERUN"], row["CAMCOL"], row["FILTER"] = strip.run, "301", strip.camcol, band
    row["NAXIS"], row["FIELD"] = FRAME_SHAPE[::-1], strip.first_field + index
    row["MJD"] = strip.field_tai(index, band) / 86400
    row["AIRMASS"], row["RICUT"] = 1.2, 100.0
    return row
