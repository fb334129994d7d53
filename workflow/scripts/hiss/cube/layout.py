"""Names, dtypes and shapes of everything in a HiSS-Cube: the one place that knows them."""

from typing import Any, Final

import numpy as np

from hiss.bands import BANDS, CUTOUT_SIZE, N_ZOOMS, SPECTRUM_SIZE
from hiss.errors import HissError

ZOOMS: Final = tuple(range(N_ZOOMS))

IMAGES_METADATA: Final = "fits_images_metadata"
SPECTRA_METADATA: Final = "fits_spectra_metadata"
STAR_FORMATION_RATES: Final = "star_formation_rates"
SPECTRA_STAR_FORMATION_RATES: Final = "fits_spectra_metadata_star_formation_rates"
SPARSE: Final = "semi_sparse_cube"
IMAGE_TABLE: Final = f"{SPARSE}/0/images/image_table"
SPECTRUM_TABLE: Final = f"{SPARSE}/0/spectra/spectrum_table"
COVERAGE: Final = f"{SPARSE}/coverage"
WINDOWS: Final = f"{SPARSE}/windows"
WINDOW_TABLE: Final = f"{WINDOWS}/table"
DENSE: Final = "dense_cube"
TARGETS: Final = f"{DENSE}/targets"
TARGET_SPECTRA: Final = f"{DENSE}/target_spectra"

FLUX_FACTOR: Final = "flux_factor"
SIGMA_FACTOR: Final = "sigma_factor"
"""Attributes of a group whose arrays lie in an existing cube: what they are multiplied by to be in our units."""

METADATA_DTYPE: Final = {
    "images": np.dtype([("path", "S256"), ("header", "S4096")]),
    "spectra": np.dtype([("path", "S256"), ("header", "S8192")]),
}

WCS_DTYPE: Final = np.dtype(
    [
        ("NAXIS1", "<i2"),
        ("NAXIS2", "<i2"),
        *((key, "<f8") for key in ("CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2", "CRVAL1", "CRVAL2")),
        ("CTYPE1", "S8"),
        ("CTYPE2", "S8"),
    ]
)
"""As in the public cube, but in float64: a float32 CRVAL1 is off by up to 0.05 arcsec."""

IMAGE_INDEX_DTYPE: Final = np.dtype([("spatial", "<i8"), ("time", "<f8"), ("wl", "<i4"), ("ds_slice_idx", "<i8")])
SPECTRUM_INDEX_DTYPE: Final = np.dtype([("spatial", "<i8"), ("time", "<f8"), ("ds_slice_idx", "<i8")])

REFERENCE_DTYPE: Final = np.dtype(
    [
        ("ds_path", "S64"),
        ("ds_slice_idx", "<i8"),
        ("x_min", "<i4"),
        ("x_max", "<i4"),
        ("y_min", "<i4"),
        ("y_max", "<i4"),
    ]
)
"""A slice of another dataset; as in the public cube x is the frame's first axis (rows), y its second."""

IMAGE_TABLE_DTYPE: Final = np.dtype(
    [
        ("path", "S256"),
        ("run", "<i8"),
        ("camcol", "<i8"),
        ("field", "<i8"),
        ("band", "S1"),
        ("tai", "<f8"),
        ("ra", "<f8"),
        ("dec", "<f8"),
        ("background_sigma", "<f8"),
    ]
)

SPECTRUM_TABLE_DTYPE: Final = np.dtype(
    [
        ("path", "S256"),
        ("plate", "<i8"),
        ("mjd", "<i8"),
        ("fiber", "<i8"),
        ("ra", "<f8"),
        ("dec", "<f8"),
        ("z", "<f8"),
        ("zwarning", "<i8"),
        ("class", "S16"),
        ("subclass", "S64"),
        ("tai", "<f8"),
        ("fiber_arcsec", "<f8"),
        ("sn_median", "<f8"),
        ("objid", "<i8"),
    ]
)

WINDOW_DTYPE: Final = np.dtype([("spectrum", "<i8"), ("frame", "<i8"), ("x_min", "<i4"), ("y_min", "<i4")])
"""A native window of mode ``targets``: rows of the two tables, and its first row and column in the frame."""


def images_group(zoom: int) -> str:
    """Return the name of the group of sparse images."""
    return f"{SPARSE}/{zoom}/images"


def spectra_group(zoom: int) -> str:
    """Return the name of the group of sparse spectra."""
    return f"{SPARSE}/{zoom}/spectra"


def ml_image_group(zoom: int) -> str:
    """Return the name of the group of dense image cutouts."""
    return f"{DENSE}/{zoom}/ml_image"


def ml_spectrum_group(zoom: int) -> str:
    """Return the name of the group of dense spectra."""
    return f"{DENSE}/{zoom}/ml_spectrum"


def ml_image_data(zoom: int) -> str:
    """Return the name of the dense image dataset."""
    return f"{ml_image_group(zoom)}/cutout_3d_cube_zoom_{zoom}"


def ml_spectrum_data(zoom: int) -> str:
    """Return the name of the dense spectrum dataset."""
    return f"{ml_spectrum_group(zoom)}/spectral_1d_cube_zoom_{zoom}"


def cutout_size(zoom: int) -> int:
    """Return the side of a cutout [pixel of that zoom]."""
    return CUTOUT_SIZE >> zoom


def spectrum_size(zoom: int) -> int:
    """Return the number of samples of a spectrum."""
    return SPECTRUM_SIZE >> zoom


def check_band_order(dataset: Any) -> None:
    """Raise `HissError` unless a dense image dataset says that its band axis is u g r i z."""
    found = [str(band) for band in dataset.attrs.get("bands", [])]
    if found != list(BANDS):
        raise HissError(
            f"{dataset.file.filename}: the band axis of {dataset.name} is {' '.join(found) or 'not named'} "
            f"where {' '.join(BANDS)} is due; build the dense cube again with this workflow"
        )
