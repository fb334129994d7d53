"""Which rows of a public dense cube are targets of ours: bands by their references, spectra by theirs."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from hiss.bands import BAND_INDEX, BANDS
from hiss.cube.layout import images_group, spectra_group
from hiss.cube.public import PublicCube
from hiss.cube.public_rows import Rows
from hiss.errors import HissError

HEADERS: Final = {
    kind: f"/{group(0)}/metadata".encode() for kind, group in (("images", images_group), ("spectra", spectra_group))
}
PIXELS: Final = f"/{images_group(0)}/data".encode()
"""What the references of a public dense cube lead to."""

_NO_CUTOUT: Final = "no cutout belongs to its target"
_LOST: Final = "a reference of its target leads to no readable file"
_BANDS: Final = "the cutouts of its target are not one of each band"


@dataclass(frozen=True)
class Adopted:
    """The rows of a public dense cube that become targets, in their order.

    Attributes
    ----------
    rows
        (n,) int64 rows of the public dense cube.
    places
        (n, 5) where u g r i z stand on its band axis.
    width
        Most cutouts of a target in one band.
    target, spectrum
        (m,) int64, sorted: the spectra of each target, rows of the sparse cube.
    refused
        Reasons by spectrum, row of the sparse cube.
    """

    rows: np.ndarray
    places: np.ndarray
    width: int
    target: np.ndarray
    spectrum: np.ndarray
    refused: dict[int, str]


def plan_adoption(cube: PublicCube, frames: Rows, spectra: Rows) -> Adopted:
    """Return which rows of a public dense cube are whole targets, and where their bands stand.

    The order of bands is that in which the public system found the frames, so it is taken from the frames that a
    row's references lead to.

    Raises
    ------
    HissError
        A spectrum belongs to two targets.
    """
    reasons: dict[int, str] = {}
    places = np.full((cube.n_targets, len(BANDS)), -1)
    band = frame_bands(frames)
    width = 1
    for rows, windows, headers in cube.image_references():
        width = max(width, int((headers["ds_path"] != b"").sum(axis=2).max(initial=1)))
        found, wrong = _places(windows, headers, band)
        places[rows] = found
        reasons |= {rows.start + place: reason for place, reason in wrong.items()}
    target: list[int] = []
    spectrum: list[int] = []
    refused: dict[int, str] = {}
    for row, references in cube.spectrum_references():
        slices = references["ds_slice_idx"]
        inside = (references["ds_path"] == HEADERS["spectra"]) & (slices >= 0) & (slices < len(spectra.good))
        members = np.unique(slices[inside])
        if not inside.all() or not spectra.good[members].all() or not len(members):
            reasons.setdefault(row, _LOST)
        if row in reasons:
            refused |= dict.fromkeys(members.tolist(), reasons[row])
            continue
        target += [row] * len(members)
        spectrum += members.tolist()
    return _adopted(cube, reasons, places, width, np.array(target, np.int64), np.array(spectrum, np.int64), refused)


def _adopted(
    cube: PublicCube,
    reasons: dict[int, str],
    places: np.ndarray,
    width: int,
    target: np.ndarray,
    spectrum: np.ndarray,
    refused: dict[int, str],
) -> Adopted:
    twice = len(spectrum) - len(np.unique(spectrum))
    if twice:
        raise HissError(f"{cube.path}: {twice} spectra belong to two targets; the cube is damaged, make it again")
    rows = np.array([row for row in range(cube.n_targets) if row not in reasons], np.int64)
    return Adopted(rows, places[rows], width, np.searchsorted(rows, target), spectrum, refused)


def frame_bands(frames: Rows) -> np.ndarray:
    """Return the band number of each frame, (n,) int64; -1 of a row that is no frame."""
    known = {band.encode(): number for band, number in BAND_INDEX.items()}
    return np.array([known.get(name, -1) for name in frames.table["band"].tolist()], np.int64)


def _places(windows: np.ndarray, headers: np.ndarray, band: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
    """Give where each band stands in each row, (n, 5), and what is wrong with the rows that are not whole."""
    used = headers["ds_path"] != b""
    frame = headers["ds_slice_idx"]
    leads = (headers["ds_path"] == HEADERS["images"]) & (frame >= 0) & (frame < len(band))
    number = np.full(used.shape, -1)
    number[leads] = band[frame[leads]]
    other = (windows["ds_path"] == PIXELS) & (windows["ds_slice_idx"] != frame)
    lost = (used & ((number < 0) | other)).any(axis=(1, 2))
    least = np.where(used, number, len(BANDS)).min(axis=2)
    most = np.where(used, number, -1).max(axis=2)
    whole = (least == most).all(axis=1) & (np.sort(least, axis=1) == np.arange(len(BANDS))).all(axis=1)
    empty = ~used.any(axis=(1, 2))
    wrong = {
        row: _NO_CUTOUT if empty[row] else _LOST if lost[row] else _BANDS
        for row in np.flatnonzero(empty | lost | ~whole).tolist()
    }
    return np.argsort(least, axis=1), wrong
