"""The dense part of a cube as a reader sees it: targets, and each target's own epochs."""

from functools import cached_property
from typing import Any

import numpy as np
from astropy import units as u

from hiss.bands import BAND_INDEX, BANDS
from hiss.cube.layout import (
    IMAGE_TABLE,
    TARGET_SPECTRA,
    TARGETS,
    WINDOWS,
    check_band_order,
    images_group,
    ml_image_data,
    ml_image_group,
    ml_spectrum_data,
    ml_spectrum_group,
    spectra_group,
)
from hiss.cube.measured import Epochs, Images, Spectra
from hiss.cube.selections import Row, Rows
from hiss.cube.sources import SpectrumRows, check_zoom, quantity, read_spectra, time_of
from hiss.cube.zoom import zoom_images
from hiss.errors import HissError

_PIXELS = (f"/{images_group(0)}/data", f"/{WINDOWS}/data")
_SPECTRUM_ID = ("plate", "mjd", "fiber")


class Target(Row):
    """One object: its row of the table, its stacked cutout and spectrum, and what they were stacked of."""

    _table = TARGETS

    def cutout(self, zoom: int = 0) -> Images:
        """Return flux and sigma of its stacked cutout, (5, side, side) each."""
        many = Targets(self._store, np.array([self.row])).cutouts(zoom)
        return Images(many.flux[0], many.sigma[0], many.target_id, zoom)

    def spectrum(self, zoom: int = 0) -> Spectra:
        """Return wavelength, flux and sigma of its stacked spectrum, (samples,) each."""
        many = Targets(self._store, np.array([self.row])).spectra(zoom)
        return Spectra(many.wavelength, many.flux[0], many.sigma[0], many.row, zoom)

    @cached_property
    def observations(self) -> SpectrumRows:
        """All its single spectra, also those that are not in the stack."""
        links = self._store.columns(TARGET_SPECTRA, ("target_id", "spectrum"))
        return SpectrumRows(self._store, links["spectrum"][links["target_id"] == self.row])

    def epochs(self, band: str, zoom: int = 0, left_out: bool = False) -> Epochs:
        """Return its cutout in one band, each time that it was observed.

        Parameters
        ----------
        left_out
            True adds the whole cutouts that the stack does not hold: of neighbouring fields that share their
            pixels, and of frames turned against the others.

        Raises
        ------
        HissError
            The file does not hold the images; ``hiss_cube.h5`` and ``hiss_cube_single.h5`` do.
        """
        check_zoom(zoom)
        if band not in BAND_INDEX:
            raise HissError(f"band {band!r} is not one of SDSS's; ask for one of {', '.join(BANDS)}")
        windows, frames = self._stacked(band)
        stacked = np.ones(len(windows), bool)
        if left_out:
            every, every_frame = self._linked(band)
            stacked = np.isin(every, windows)
            windows, frames = every, every_frame
        times = self._store.rows(IMAGE_TABLE, frames)
        order = np.argsort(times["tai"], kind="stable")
        flux, sigma = self._pixels(windows[order], zoom)
        return Epochs(
            flux=flux,
            sigma=sigma,
            time=time_of(times["tai"][order]),
            path=np.array([path.decode() for path in times["path"][order]], dtype=object),
            frame=frames[order],
            stacked=stacked[order],
            band=band,
            zoom=zoom,
        )

    def _stacked(self, band: str) -> tuple[np.ndarray, np.ndarray]:
        """Give the references of a band's stacked windows, and the rows of their frames."""
        group = ml_image_group(0)
        windows, headers = (
            self._store.part(f"{group}/{name}", (self.row, BAND_INDEX[band]))
            for name in ("image_cutout_refs", "image_metadata_refs")
        )
        used = windows["ds_path"] != b""
        return windows[used], headers["ds_slice_idx"][used]

    def _linked(self, band: str) -> tuple[np.ndarray, np.ndarray]:
        """Give the references of all whole windows around the label spectrum, and the rows of their frames."""
        wanted = {name: self.info[name] for name in _SPECTRUM_ID}
        label = self.observations.select(**wanted).rows[0]
        group = spectra_group(0)
        windows, headers = (
            self._store.part(f"{group}/image_cutouts_{name}", (label,)) for name in ("data", "metadata")
        )
        used = windows["ds_path"] != b""
        windows, frames = windows[used], headers["ds_slice_idx"][used]
        mine = self._store.rows(IMAGE_TABLE, frames)["band"] == band.encode()
        return windows[mine], frames[mine]

    def _pixels(self, windows: np.ndarray, zoom: int) -> tuple[u.Quantity, u.Quantity]:
        """Read native windows, flux and sigma, and average them to a zoom as the dense cube does."""
        if not len(windows):
            raise HissError(f"{self._store.path}: target {self.row} has no epoch in this band; ask for another")
        pixels: list[list[u.Quantity]] = [[], []]
        for window in windows:
            path, where = self._place(window)
            for found, name in zip(pixels, (path, path.removesuffix("data") + "errors")):
                found.append(quantity(self._store, name.lstrip("/"), self._store.part(name, where)))
        missing = self._store.record(TARGETS).get("settings", {}).get("missing", "any")
        unit = pixels[0][0].unit
        native, errors = (np.stack([one.to_value(unit) for one in part]) for part in pixels)
        flux, sigma = zoom_images(native, errors, missing)[zoom]
        return flux << unit, sigma << unit

    def _place(self, window: np.void) -> tuple[str, tuple[int, slice, slice]]:
        """Give the dataset and the window that a reference names, which must be there."""
        path = window["ds_path"].decode(errors="replace")
        slice_, *edges = (int(window[name]) for name in ("ds_slice_idx", "x_min", "x_max", "y_min", "y_max"))
        shape = self._store.item(path).shape if path in _PIXELS else (0, 0, 0)
        inside = 0 <= edges[0] < edges[1] <= shape[1] and 0 <= edges[2] < edges[3] <= shape[2]
        if not (inside and 0 <= slice_ < shape[0]):
            raise HissError(
                f"{self._store.path}: a reference of target {self.row} leads out of the cube, to {path}; "
                "build the dense cube again"
            )
        return path, (slice_, slice(*edges[:2]), slice(*edges[2:]))

    def __repr__(self) -> str:
        return f"<target {self.row} at {self.info['ra']:.5f} {self.info['dec']:+.5f}>"


class Targets(Rows[Target]):
    """Targets: objects with a whole stacked cutout in all five bands and a stacked spectrum."""

    _table = TARGETS
    _keys = ("target_id", "ra", "dec", "z", "objid", *_SPECTRUM_ID)
    _what = "targets"

    def select(self, **wanted: Any) -> "Targets":
        """Return those whose columns have these values, or one of several.

        ``plate``, ``mjd`` and ``fiber`` may be those of any of a target's spectra.
        """
        ids = {name: wanted.pop(name) for name in _SPECTRUM_ID if name in wanted}
        chosen: Targets = super().select(**wanted) if wanted else self
        if not ids:
            return chosen
        spectra = _TargetSpectra(self._store).select(**ids)
        return chosen[np.isin(chosen.rows, spectra.column("target_id"))]

    def cutouts(self, zoom: int = 0) -> Images:
        """Return flux and sigma of their stacked cutouts, (n, 5, side, side) each, in their order."""
        check_zoom(zoom)
        data, errors = ml_image_data(zoom), f"{ml_image_group(zoom)}/errors"
        check_band_order(self._store.item(data))
        flux, sigma = (quantity(self._store, name, self._store.rows(name, self.rows)) for name in (data, errors))
        return Images(flux, sigma, self.rows, zoom)

    def spectra(self, zoom: int = 0) -> Spectra:
        """Return wavelength, flux and sigma of their stacked spectra, in their order."""
        check_zoom(zoom)
        group = ml_spectrum_group(zoom)
        return read_spectra(self._store, group, ml_spectrum_data(zoom).rpartition("/")[2], self.rows, zoom)

    def _one(self, row: int) -> Target:
        return Target(self._store, row)


class _TargetSpectra(Rows[Any]):
    _table = TARGET_SPECTRA
    _keys = ("target_id", *_SPECTRUM_ID)
    _what = "spectra of targets"
