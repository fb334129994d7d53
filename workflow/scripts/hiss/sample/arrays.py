"""The sample's arrays, zoom<k>.h5: read by rows or block by block."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from hiss.errors import HissError

_BLOCK_BYTES = 32 * 2**20


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
        ``photo`` (images only), ``spectra`` or ``early`` (both).
    sigma
        False leaves the sigmas out.

    Raises
    ------
    HissError
        An unknown modality, or a row that the arrays do not have.
    """
    if modality not in ("photo", "spectra", "early"):
        raise HissError(f"modality {modality!r} is not known; name photo, spectra or early")
    wanted = np.asarray(rows, dtype=np.int64).reshape(-1)
    with h5py.File(path, "r") as file:
        n = len(file["target_id"])
        if len(wanted) and (wanted.min() < 0 or wanted.max() >= n):
            raise HissError(f"{path}: has {n} rows and row {wanted.max()} is asked for; make the sample again")
        photo, spectra = modality != "spectra", modality != "photo"
        return Objects(
            images=_gather(file["images"], wanted) if photo else None,
            image_sigma=_gather(file["image_sigma"], wanted) if photo and sigma else None,
            spectra=_gather(file["spectra"], wanted) if spectra else None,
            spectrum_sigma=_gather(file["spectrum_sigma"], wanted) if spectra and sigma else None,
            wl=file["wl"][()] if spectra else None,
            row=wanted,
            target_id=file["target_id"][()][wanted],
        )


def _gather(dataset: h5py.Dataset, wanted: np.ndarray) -> np.ndarray:
    """Read stretches of the file that hold wanted rows, through the gaps that cost less than a new read."""
    row_bytes = 4 * int(np.prod(dataset.shape[1:]))
    order = np.argsort(wanted, kind="stable")
    ordered = wanted[order]
    out = np.empty((len(wanted), *dataset.shape[1:]), dtype=np.float32)
    for start, stop in _stretches(ordered, row_bytes):
        first = int(ordered[start])
        block = dataset[first : int(ordered[stop - 1]) + 1]
        out[order[start:stop]] = block[ordered[start:stop] - first]
    return out


def _stretches(ordered: np.ndarray, row_bytes: int, gap_bytes: int = 2**20) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) in the sorted rows: no gap above ``gap_bytes``, no stretch above a block."""
    start = 0
    reach = max(1, _BLOCK_BYTES // max(1, row_bytes))
    breaks = np.flatnonzero(np.diff(ordered) * row_bytes > gap_bytes) + 1
    for stop in (*breaks.tolist(), len(ordered)):
        while start < stop:
            end = start + int(np.searchsorted(ordered[start:stop], ordered[start] + reach))
            yield start, end
            start = end


def read_blocks(path: Path | str, name: str, index: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first row, block) of one exported dataset, some 32 MB at a time.

    Parameters
    ----------
    index
        One index of the second axis (a band), read alone.
    """
    with h5py.File(path, "r") as file:
        dataset = file[name]
        shape = dataset.shape[1:] if index is None else dataset.shape[2:]
        for start, stop in blocks_of(len(dataset), 4 * int(np.prod(shape))):
            yield start, dataset[start:stop] if index is None else dataset[start:stop, index]


def blocks_of(n: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of blocks of some 32 MB that cover n rows."""
    step = max(1, _BLOCK_BYTES // max(1, row_bytes))
    return ((start, min(start + step, n)) for start in range(0, n, step))
