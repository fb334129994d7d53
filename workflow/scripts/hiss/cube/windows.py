"""Mode ``targets``: of all pixels, only the native windows around targets are calibrated and stored."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import h5py
import numpy as np
import pandas as pd

from hiss.bands import CUTOUT_SIZE
from hiss.cube.frames_store import Context
from hiss.cube.hdf5 import describe_flux, set_attributes, to_table
from hiss.cube.holes import Holes
from hiss.cube.intact import Checksums
from hiss.cube.layout import WINDOW_DTYPE, WINDOW_TABLE, WINDOWS
from hiss.cube.linking import place_cutouts, window_start
from hiss.cube.neighbours import Neighbours
from hiss.cube.photometry import Calibration
from hiss.cube.precision import round_mantissa
from hiss.cube.shared import Rows, create_shared
from hiss.cube.targets import find_targets
from hiss.cube.wcs import frame_center
from hiss.progress import progress
from hiss.sdss.catalogue import join_sfr
from hiss.sdss.frame import Frame, read_frame

BATCH: Final = 64
"""Windows a write."""

_SHAPE: Final = (2, CUTOUT_SIZE, CUTOUT_SIZE)  # of a window in the spool: flux and sigma

_ARRAYS: Final = (f"{WINDOWS}/data", f"{WINDOWS}/errors")


@dataclass(frozen=True)
class Labels:
    """The label spectra of a cube's targets.

    Attributes
    ----------
    spectrum
        (n_targets,) int64 rows of the spectra, increasing.
    ra, dec
        (n_targets,) positions [deg].
    """

    spectrum: np.ndarray
    ra: np.ndarray
    dec: np.ndarray

    @classmethod
    def none(cls) -> "Labels":
        """Return those of no target."""
        return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


def find_labels(spectra: np.ndarray, catalogue: pd.DataFrame, radius_arcsec: float) -> Labels:
    """Return the label spectra of the targets that the dense cube will have, or would if they were covered.

    Parameters
    ----------
    spectra
        Rows of ``spectrum_table``.
    catalogue
        The SFR catalogue.
    """
    targets = find_targets(join_sfr(to_table(spectra), catalogue), radius_arcsec)
    rows = np.sort(targets.label)
    return Labels(rows, spectra["ra"][rows], spectra["dec"][rows])


class Finder:
    """Finds the whole native windows around positions in one frame after another."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._near = Neighbours(labels.ra, labels.dec)

    def windows(self, wcs: np.ndarray) -> np.ndarray:
        """Return the windows in a frame, records of dtype ``WINDOW_DTYPE`` without the frame's row.

        Parameters
        ----------
        wcs
            One WCS record at zoom 0.
        """
        ra, dec = frame_center(wcs)
        _, near = self._near.within(np.array([ra]), np.array([dec]), _reach(wcs))
        column, row, _, whole = place_cutouts(wcs, self._labels.ra[near], self._labels.dec[near])
        found = np.zeros(int(whole.sum()), WINDOW_DTYPE)
        found["spectrum"] = self._labels.spectrum[near[whole]]
        found["x_min"] = window_start(row[whole], 0, wcs["NAXIS2"])
        found["y_min"] = window_start(column[whole], 0, wcs["NAXIS1"])
        return found


def _reach(wcs: np.ndarray) -> float:
    """Give half the diagonal of a frame [deg], and a little more."""
    width, height = (np.hypot(wcs[f"CD1_{axis}"], wcs[f"CD2_{axis}"]) * wcs[f"NAXIS{axis}"] for axis in (1, 2))
    return float(np.hypot(width, height)) / 2 * 1.01


class Spool:
    """Windows on their way from frames to their rows: a file without a name, so that nobody can leave it behind."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (open as long as the build)
        self._bytes = int(np.prod(_SHAPE)) * 4

    def add(self, windows: np.ndarray) -> None:
        """Append windows, (n, 2, 64, 64) float32."""
        rest = memoryview(windows.tobytes())
        while rest:
            rest = rest[self._file.write(rest) :]

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Return windows by number, (n, 2, 64, 64) float32."""
        windows = np.empty((len(numbers), *_SHAPE), np.float32)
        for window, number in zip(windows, numbers.tolist(), strict=True):
            read = os.preadv(self._file.fileno(), [window.data], number * self._bytes)
            if read != self._bytes:
                raise OSError(f"a temporary file beside the output gave {read} of {self._bytes} bytes")
        return windows

    def close(self) -> None:
        """Give the space back."""
        self._file.close()


class TargetWindows:
    """Stores the native windows around targets, those of a target next to each other.

    How many there are is known when every frame was read: until then each rank keeps its own aside.
    """

    picture = WINDOWS
    collective = False

    def __init__(self, context: Context) -> None:
        self._context = context
        spectra, labels = context.spectra(), Labels.none()
        if spectra is not None and context.catalogue is not None:
            labels = find_labels(spectra, context.catalogue, context.options.match_radius_arcsec)
        self._finder = Finder(context.comm.bcast(labels))
        self._spool = Spool(context.output.parent)
        self._found = [np.zeros(0, WINDOW_DTYPE)]
        self._held = np.zeros((0, *_SHAPE), np.float32), np.zeros(0, WINDOW_DTYPE)
        self._table = np.zeros(0, WINDOW_DTYPE)
        self._checksums = Checksums(_ARRAYS)

    def create(self) -> None:
        """Make nothing: there is no knowing how many windows there will be."""

    def read(self, path: Path) -> Frame:
        """Read a frame; of a plain file the pixels are read when windows are cut out of them."""
        return read_frame(path, whole=False)

    def calibrate(self, frame: Frame, wcs: np.ndarray) -> float:
        """Calibrate the windows around targets."""
        options = self._context.options
        calibration, found = Calibration(frame, options.image_fiber_arcsec), self._finder.windows(wcs)
        windows = np.empty((len(found), *_SHAPE), np.float32)
        for window, row, column in zip(windows, found["x_min"].tolist(), found["y_min"].tolist(), strict=True):
            calibration.block(slice(row, row + CUTOUT_SIZE), slice(column, column + CUTOUT_SIZE), *window)
        self._held = round_mantissa(windows, options.mantissa_bits), found
        return calibration.background

    def write(self, row: int | None) -> None:
        """Keep the windows aside."""
        windows, found = self._held
        if row is not None and len(found):
            found["frame"] = row
            self._spool.add(windows)
            self._found.append(found)

    def gather(self, holes: Holes) -> None:
        """Give every window its row, by spectrum and frame, and write it there."""
        comm, found = self._context.comm, np.concatenate(self._found)
        found["frame"] = holes.new_rows()[found["frame"]]
        parts = comm.gather(found)
        rows: list[np.ndarray] = []
        if parts is not None:
            self._table, rows = _in_order(parts)
        rows = comm.bcast(rows)
        self._write(rows[comm.rank], [len(part) for part in rows])
        self._spool.close()
        self._checksums.gather(comm)

    def _write(self, rows: np.ndarray, counts: Sequence[int]) -> None:
        """Write this rank's windows to their rows; as many writes as the rank with most windows needs."""
        context, packing = self._context, self._context.options.compression
        shape = (sum(counts), *_SHAPE[1:])
        chunk = (1, *_SHAPE[1:]) if packing and sum(counts) else None
        datasets = [
            Rows(
                create_shared(context.file, name, shape, "<f4", chunk, packing if chunk else None), packing is not None
            )
            for name in _ARRAYS
        ]
        order = np.argsort(rows)
        starts = range(0, max(counts) if packing else len(rows), BATCH)
        show = context.comm.rank == 0 and len(starts) > 0
        for start in progress(starts, len(starts), "batches of windows", show):
            numbers = order[start : start + BATCH]
            windows = self._spool.read(numbers)
            blocks = [np.ascontiguousarray(windows[:, part]) for part in range(len(_ARRAYS))]
            self._checksums.add(rows[numbers], blocks)
            for dataset, block in zip(datasets, blocks, strict=True):
                dataset.write(rows[numbers], block)

    def finish(self, file: h5py.File, holes: Holes) -> None:
        """Describe the windows; write their table and checksums."""
        table = file.create_dataset(WINDOW_TABLE, data=self._table)
        meaning = "rows of spectrum_table and image_table; x: first row, y: first column in the frame at zoom 0"
        set_attributes(table, {"long_name": meaning})
        data, errors = (file[name] for name in _ARRAYS)
        describe_flux(data, errors, "image")
        data.attrs["error_ds_ref"] = errors.ref
        set_attributes(file[WINDOWS], {"NX_class": "NXdata", "signal": "data"})
        self._checksums.write(file)


def _in_order(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return all ranks' windows sorted by spectrum and frame, and the rows of each rank's windows among them."""
    table = np.concatenate(parts)
    order = np.lexsort((table["frame"], table["spectrum"]))
    rows = np.empty(len(table), np.int64)
    rows[order] = np.arange(len(table))
    return table[order], np.split(rows, np.cumsum([len(part) for part in parts])[:-1])
