"""The sample's arrays, zoom<k>.h5: read by rows or block by block."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from hiss.cube.rows import blocks_of, gather, row_size
from hiss.errors import HissError


@dataclass(frozen=True)
class Objects:
    """Rows of the sample's arrays at one zoom; a part that was not asked for is None.

    Attributes
    ----------
    images, image_sigma
        (n, 5, side, side) float32, bands u g r i z [1e-17 erg s-1 cm-2 Angstrom-1].
    spectra, spectrum_sigma
        (n, samples) float32, the same unit; NaN where nothing was measured.
    wl
        (samples,) wavelengths [Angstrom].
    row, target_id
        (n,) int64, row in the arrays and in the dense cube.
    """

    images: np.ndarray | None
    image_sigma: np.ndarray | None
    spectra: np.ndarray | None
    spectrum_sigma: np.ndarray | None
    wl: np.ndarray | None
    row: np.ndarray
    target_id: np.ndarray


def load_rows(path: Path | str, rows: npt.ArrayLike, modality: str, sigma: bool = True) -> Objects:
    """Return rows of the exported arrays, in the order asked for, reading only what they need.

    Parameters
    ----------
    rows
        (n,) row numbers.
    modality
        ``photo`` (images only), ``spectra``, ``early`` (both) or ``none``.
    sigma
        False leaves the sigmas out.

    Raises
    ------
    HissError
        An unknown modality, or a row that the arrays do not have.
    """
    if modality not in ("photo", "spectra", "early", "none"):
        raise HissError(f"modality {modality!r} is not known; name photo, spectra, early or none")
    wanted = np.asarray(rows, dtype=np.int64).reshape(-1)
    with h5py.File(path, "r") as file:
        n = len(file["target_id"])
        if len(wanted) and (wanted.min() < 0 or wanted.max() >= n):
            raise HissError(f"{path}: has {n} rows and row {wanted.max()} is asked for; make the sample again")
        photo, spectra = modality in ("photo", "early"), modality in ("spectra", "early")
        return Objects(
            images=gather(file["images"], wanted) if photo else None,
            image_sigma=gather(file["image_sigma"], wanted) if photo and sigma else None,
            spectra=gather(file["spectra"], wanted) if spectra else None,
            spectrum_sigma=gather(file["spectrum_sigma"], wanted) if spectra and sigma else None,
            wl=file["wl"][()] if spectra else None,
            row=wanted,
            target_id=file["target_id"][()][wanted],
        )


def read_blocks(path: Path | str, name: str, index: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first row, block) of one exported dataset, some 32 MB at a time.

    Parameters
    ----------
    index
        One index of the second axis (a band), read alone.
    """
    with h5py.File(path, "r") as file:
        dataset = file[name]
        row_bytes = row_size(dataset) if index is None else row_size(dataset) // dataset.shape[1]
        for start, stop in blocks_of(len(dataset), row_bytes):
            yield start, dataset[start:stop] if index is None else dataset[start:stop, index]
