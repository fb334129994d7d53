"""What a reader of a cube gets: flux with its sigma and unit, and what they are of."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.time import Time

from hiss.bands import BANDS, PIXEL_SCALE


@dataclass(frozen=True)
class Images:
    """Stacked cutouts of targets.

    Attributes
    ----------
    flux, sigma
        (n, 5, side, side) float32 `Quantity`, without n of one target; NaN in both where nothing was measured.
    target_id
        (n,) int64.
    zoom
        0 to 3.
    bands
        Of the axis of five.
    """

    flux: u.Quantity
    sigma: u.Quantity
    target_id: np.ndarray
    zoom: int
    bands: tuple[str, ...] = BANDS

    @property
    def unit(self) -> u.UnitBase:
        """Unit of flux and sigma."""
        return self.flux.unit

    @property
    def pixel_scale(self) -> u.Quantity:
        """Side of a pixel."""
        return PIXEL_SCALE * 2**self.zoom * u.arcsec


@dataclass(frozen=True)
class Spectra:
    """Spectra on the cube's wavelengths.

    Attributes
    ----------
    wavelength
        (samples,) `Quantity`, in vacuum.
    flux, sigma
        (n, samples) float32 `Quantity`, without n of one spectrum; NaN in both where nothing was measured.
    row
        (n,) int64: target_id of a target's stacked spectrum, row of the cube's spectra of a single one.
    zoom
        0 to 3.
    """

    wavelength: u.Quantity
    flux: u.Quantity
    sigma: u.Quantity
    row: np.ndarray
    zoom: int

    @property
    def unit(self) -> u.UnitBase:
        """Unit of flux and sigma."""
        return self.flux.unit


@dataclass(frozen=True)
class Epochs:
    """One target in one band, each time it was observed.

    Attributes
    ----------
    flux, sigma
        (n, side, side) float32 `Quantity`, earliest first.
    time
        (n,) when the frame was taken, TAI.
    path
        (n,) the frame's file, below the folder of raw files.
    frame
        (n,) int64 row of the cube's frames.
    stacked
        (n,) bool: whether it is part of the target's cutout.
    band, zoom
        Of all of them.
    """

    flux: u.Quantity
    sigma: u.Quantity
    time: Time
    path: np.ndarray
    frame: np.ndarray
    stacked: np.ndarray
    band: str
    zoom: int

    def __len__(self) -> int:
        return len(self.frame)
