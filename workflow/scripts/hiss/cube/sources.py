"""The semi-sparse part of a cube as a reader sees it: single spectra, and frames."""

import json
from typing import Any, Final

import numpy as np
from astropy import units as u
from astropy.time import Time
from astropy.wcs import WCS

from hiss.bands import FLUX_UNIT
from hiss.cube.cones import degrees_of
from hiss.cube.index import IMAGE_ORDER, SPECTRUM_ORDER
from hiss.cube.layout import (
    FLUX_FACTOR,
    IMAGE_TABLE,
    SIGMA_FACTOR,
    SPECTRUM_TABLE,
    ZOOMS,
    images_group,
    spectra_group,
)
from hiss.cube.measured import Spectra
from hiss.cube.selections import Row, Rows
from hiss.cube.store import Store
from hiss.cube.wcs import sky_to_pixel
from hiss.errors import HissError
from hiss.sdss.spectrum import SECONDS_PER_DAY

_HALF_DIAGONAL: Final = 8.4 / 60  # of a frame [deg]
_FACTORS: Final = {"data": FLUX_FACTOR, "errors": SIGMA_FACTOR}


def check_zoom(zoom: int) -> None:
    """Raise `HissError` unless it is one of the cube's zooms."""
    if not isinstance(zoom, int | np.integer) or zoom not in ZOOMS:
        raise HissError(f"zoom {zoom!r} is not one of a HiSS-Cube's; ask for one of {', '.join(map(str, ZOOMS))}")


def quantity(store: Store, name: str, values: np.ndarray) -> u.Quantity:
    """Return values with the unit of the dataset that they were read from, without a copy.

    Arrays that lie in an adopted cube are brought to our unit by the factors that their group gives; a sigma that is
    not positive is not known there, and NaN here.

    Raises
    ------
    HissError
        The dataset does not say its unit.
    """
    group, _, leaf = name.rpartition("/")
    factors = store.item(group).attrs
    if FLUX_FACTOR in factors and leaf in _FACTORS:
        values, unit = values * np.float32(factors[_FACTORS[leaf]]), FLUX_UNIT
        if leaf == "errors":
            values[~(values > 0)] = np.nan
    else:
        unit = store.item(name).attrs.get("units")
    try:
        return u.Quantity(values, u.Unit(unit), copy=False, dtype=values.dtype)
    except (TypeError, ValueError):
        raise HissError(f"{store.path}: the unit of /{name}, {unit!r}, is not known; build this cube again") from None


def read_spectra(store: Store, group: str, data: str, rows: np.ndarray, zoom: int) -> Spectra:
    """Return rows of a group of spectra with their sigma and wavelengths."""
    axis = f"{group}/wl"
    flux, sigma = (quantity(store, name, store.rows(name, rows)) for name in (f"{group}/{data}", f"{group}/errors"))
    flux[np.isnan(sigma)] = np.nan  # an adopted cube has a flux in masked samples too
    return Spectra(quantity(store, axis, store.part(axis, ()).astype(np.float64)), flux, sigma, rows, zoom)


def header_of(store: Store, metadata: str, row: int) -> dict[str, Any]:
    """Return the primary header that a cube keeps of a file."""
    record = store.rows(metadata, np.array([row]))[0]
    try:
        header = json.loads(record["header"])
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise HissError(f"{store.path}: the header in row {row} of /{metadata} is damaged; build this cube again")
    return header


def time_of(seconds: Any) -> Time:
    """Return times from seconds since MJD 0, TAI."""
    return Time(np.asarray(seconds) / SECONDS_PER_DAY, format="mjd", scale="tai")


class Spectrum(Row):
    """One spectrum as its spectrograph took it."""

    _table = SPECTRUM_TABLE

    @property
    def header(self) -> dict[str, Any]:
        """Its file's primary header."""
        return header_of(self._store, f"{spectra_group(0)}/metadata", self.row)

    @property
    def time(self) -> Time:
        """When it was taken, TAI."""
        return time_of(self.info["tai"])

    def read(self, zoom: int = 0) -> Spectra:
        """Return wavelength, flux and sigma, (samples,) each."""
        many = SpectrumRows(self._store, np.array([self.row])).read(zoom)
        return Spectra(many.wavelength, many.flux[0], many.sigma[0], many.row, zoom)

    def __repr__(self) -> str:
        return f"<spectrum {self.info['plate']}-{self.info['mjd']}-{self.info['fiber']}>"


class SpectrumRows(Rows[Spectrum]):
    """Single spectra."""

    _table = SPECTRUM_TABLE
    _keys = ("plate", "mjd", "fiber", "ra", "dec", "z", "objid")
    _what = "spectra"
    _index = (f"{spectra_group(0)}/db_index", SPECTRUM_ORDER)

    def read(self, zoom: int = 0) -> Spectra:
        """Return wavelength, flux and sigma of all of them, in their order."""
        check_zoom(zoom)
        return read_spectra(self._store, spectra_group(zoom), "data", self.rows, zoom)

    def _one(self, row: int) -> Spectrum:
        return Spectrum(self._store, row)


class Frame(Row):
    """One frame at one zoom.

    Attributes
    ----------
    zoom
        0 to 3.
    """

    _table = IMAGE_TABLE

    def __init__(self, store: Store, row: int, zoom: int = 0) -> None:
        check_zoom(zoom)
        super().__init__(store, row)
        self.zoom = zoom

    @property
    def header(self) -> dict[str, Any]:
        """Its file's primary header; its WCS is that of the native pixels."""
        return header_of(self._store, f"{images_group(0)}/metadata", self.row)

    @property
    def time(self) -> Time:
        """When it was taken, TAI."""
        return time_of(self.info["tai"])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        record = self._wcs_record
        return int(record["NAXIS2"]), int(record["NAXIS1"])

    @property
    def wcs(self) -> WCS:
        """Its WCS at this zoom."""
        record = self._wcs_record
        wcs = WCS(naxis=2)
        wcs.wcs.crpix = [record["CRPIX1"], record["CRPIX2"]]
        wcs.wcs.crval = [record["CRVAL1"], record["CRVAL2"]]
        wcs.wcs.cd = [[record["CD1_1"], record["CD1_2"]], [record["CD2_1"], record["CD2_2"]]]
        wcs.wcs.ctype = [record["CTYPE1"].decode(), record["CTYPE2"].decode()]
        wcs.array_shape = self.shape
        wcs.wcs.set()
        return wcs

    def read(self, rows: slice = slice(None), columns: slice = slice(None)) -> tuple[u.Quantity, u.Quantity]:
        """Return flux and sigma of the frame, or of a window of it; only that is read.

        Raises
        ------
        HissError
            The cube holds windows around targets, no whole frames.
        """
        group = images_group(self.zoom)
        if not self._store.has(f"{group}/data") and self._store.has(f"{images_group(0)}/image_table"):
            raise HissError(
                f"{self._store.path}: holds no whole frames (cube.mode: targets); ask a target for its epochs, "
                "or build the cube with cube.mode: full"
            )
        flux, sigma = (
            quantity(self._store, name, self._store.part(name, (self.row, rows, columns)))
            for name in (f"{group}/data", f"{group}/errors")
        )
        return flux, sigma

    @property
    def _wcs_record(self) -> Any:
        return self._store.rows(f"{images_group(self.zoom)}/wcs", np.array([self.row]))[0]

    def __repr__(self) -> str:
        info = self.info
        return f"<frame {info['band']} of run {info['run']}, camcol {info['camcol']}, field {info['field']}>"


class Frames(Rows[Frame]):
    """Frames."""

    _table = IMAGE_TABLE
    _keys = ("run", "camcol", "field", "band", "ra", "dec")
    _what = "frames"
    _index = (f"{images_group(0)}/db_index", IMAGE_ORDER)

    def covering(self, position: Any) -> "Frames":
        """Return those that show a position: a `SkyCoord`, or (ra, dec) [deg]."""
        ra, dec = degrees_of(position)
        near: Frames = self.cone((ra, dec), _HALF_DIAGONAL)
        wcs = self._store.rows(f"{images_group(0)}/wcs", near.rows)
        column, row = sky_to_pixel(wcs, np.asarray(ra), np.asarray(dec))
        inside = (np.abs(column - (wcs["NAXIS1"] - 1) / 2) <= wcs["NAXIS1"] / 2) & (
            np.abs(row - (wcs["NAXIS2"] - 1) / 2) <= wcs["NAXIS2"] / 2
        )
        return near[inside]

    def _one(self, row: int) -> Frame:
        return Frame(self._store, row)
