"""What diagnostics ask of the sample's arrays and no model sees: objects' magnitudes, the zooms' wavelengths."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.bands import BAND_INDEX, BAND_WAVELENGTH, BANDS, CUTOUT_SIZE, PIXEL_SCALE
from hiss.sample.arrays import read_blocks

APERTURE_ARCSEC: Final = 12.0
"""Diameter of the aperture."""

_LIGHT_SPEED: Final = 2.99792458e18  # Angstrom/s
_AB_ZERO: Final = 3.631e-20  # erg s-1 cm-2 Hz-1: AB magnitude 0 (Oke & Gunn 1983, ApJ 266, 713)
_FLUX: Final = 1e-17  # the unit of stored flux


def measure_magnitudes(arrays: Path | str, fiber_arcsec: float | None) -> pd.DataFrame:
    """Return ``row`` and the AB magnitudes ``u g r i z`` in the aperture; NaN where its flux is not above 0 or unknown.

    They are of the cutouts as they were exported, untreated: with neighbours in the aperture, also where the sample
    masks them in what models see.

    Parameters
    ----------
    arrays
        The sample's arrays of any zoom; a pixel counts where its centre is inside.
    fiber_arcsec
        Diameter of the aperture that a pixel's flux density is scaled to; None: not scaled.
    """
    with h5py.File(arrays, "r") as file:
        n, side = len(file["target_id"]), file["images"].shape[-1]
    pixel = CUTOUT_SIZE * PIXEL_SCALE / side
    # A pixel of a coarse zoom is the mean of native ones; without a fibre it holds the flux of one of those.
    area = PIXEL_SCALE**2 if fiber_arcsec is None else np.pi * (fiber_arcsec / 2) ** 2
    found = np.full((n, len(BANDS)), np.nan)
    inside = aperture_mask(side)
    for band in BANDS:
        place = BAND_INDEX[band]
        for start, block in read_blocks(arrays, "images", place):
            flux = block[:, inside].sum(axis=1, dtype=np.float64) * pixel**2 / area
            found[start : start + len(block), place] = ab_magnitude(flux, float(BAND_WAVELENGTH[place]))
    return pd.DataFrame(found, columns=list(BANDS)).assign(row=np.arange(n))[["row", *BANDS]]


def wavelength_table(arrays: Iterable[Path | str]) -> pd.DataFrame:
    """Return ``zoom, sample, wavelength`` [Angstrom] of the spectra of each file ``zoom<k>.h5``."""
    parts = []
    for path in map(Path, arrays):
        with h5py.File(path, "r") as file:
            wl = file["wl"][()]
        zoom = int(path.stem.removeprefix("zoom"))
        parts.append(pd.DataFrame({"zoom": zoom, "sample": np.arange(len(wl)), "wavelength": wl}))
    return pd.concat(parts, ignore_index=True)


def aperture_mask(side: int) -> NDArray[np.bool_]:
    """Return (side, side), whether the centre of a cutout's pixel is in the aperture."""
    offset = (np.arange(side) - (side - 1) / 2) * CUTOUT_SIZE * PIXEL_SCALE / side
    inside: NDArray[np.bool_] = np.hypot(*np.meshgrid(offset, offset)) <= APERTURE_ARCSEC / 2
    return inside


def ab_magnitude(flux: NDArray[np.float64], wavelength: float) -> NDArray[np.float64]:
    """Return AB magnitudes (n,) of flux densities [1e-17 erg s-1 cm-2 Angstrom-1] at a wavelength [Angstrom]."""
    f_nu = flux * _FLUX * wavelength**2 / _LIGHT_SPEED
    magnitude = np.full(len(flux), np.nan)
    known = f_nu > 0
    magnitude[known] = -2.5 * np.log10(f_nu[known] / _AB_ZERO)
    return magnitude
