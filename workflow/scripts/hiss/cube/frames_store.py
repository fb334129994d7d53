"""What a sparse cube keeps of a frame's pixels: the interface of an image store, and the store of whole frames."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, Protocol

import h5py
import numpy as np
import pandas as pd

from hiss.bands import FRAME_SHAPE
from hiss.cube.comm import Comm
from hiss.cube.holes import Holes
from hiss.cube.intact import Checksums
from hiss.cube.layout import ZOOMS, images_group
from hiss.cube.options import Options
from hiss.cube.photometry import Calibration
from hiss.cube.precision import round_mantissa
from hiss.cube.shared import Rows, create_shared, demand_room
from hiss.cube.zoom import zoom_images
from hiss.sdss.frame import Frame, nothing_measured, read_frame

_CACHED_ROWS: Final = 32  # whole blocks of every zoom
_COMPRESSED_ROWS: Final = 128  # rows of an image a chunk where it is compressed: a window costs no whole frame


@dataclass(frozen=True)
class Context:
    """What a store may need to know beside the frames; the same on every rank but where it says otherwise.

    Attributes
    ----------
    comm, options
        The ranks, and what the user chose about the values.
    file
        Open for writing by all ranks: creating and closing in it are collective.
    output
        Path of the file while it is written; a store's own temporary files go beside it.
    n_frames
        Frames that are listed, readable or not; rows count them in canonical order.
    spectra
        Called by every rank: the finished spectrum table without ``path``, its rows those of the finished
        cube; a table on rank 0, None on the others.
    catalogue
        The SFR catalogue on rank 0, None on the others.
    """

    comm: Comm
    options: Options
    file: h5py.File
    output: Path
    n_frames: int
    spectra: Callable[[], np.ndarray | None]
    catalogue: pd.DataFrame | None


class ImageStore(Protocol):
    """Keeps what a mode of the cube keeps of the frames' pixels; made on every rank, once all spectra are written.

    The build calls, on every rank: `create` once; then for each frame the rank draws `read`, `calibrate` and
    `write`; `gather` once, when every rank is through; and on rank 0 alone, in the file opened again by one
    process, `finish`. The frame's rows of the tables are the build's own affair, not the store's.
    """

    picture: str
    """Group that a viewer opens first."""

    collective: bool
    """Whether every rank must call `write` equally often: the build then calls it with None where it has no frame."""

    def create(self) -> None:
        """Make what can be made before the first frame is read; collective."""

    def read(self, path: Path) -> Frame:
        """Read as much of a frame as is kept; `BadInput` sets it aside."""

    def calibrate(self, frame: Frame, wcs: np.ndarray) -> float:
        """Make what is kept of a frame and hold it; return sigma of its background; `BadInput` sets it aside."""

    def write(self, row: int | None) -> None:
        """Keep what `calibrate` holds as this row of the images; a frame set aside never gets here."""

    def gather(self, holes: Holes) -> None:
        """Bring together what the ranks kept, given the rows set aside on any of them; collective, the last write."""

    def finish(self, file: h5py.File, holes: Holes) -> None:
        """Close the holes of frames set aside, describe the datasets, write their checksums; rank 0 alone."""


def _shape(name: str) -> tuple[int, int]:
    """Give the shape of a frame in a dataset of this name."""
    zoom = int(name.split("/")[1])
    return FRAME_SHAPE[0] >> zoom, FRAME_SHAPE[1] >> zoom


class WholeFrames:
    """Stores every pixel of every frame at every zoom."""

    picture = images_group(0)

    def __init__(self, context: Context) -> None:
        self._context = context
        self.collective = context.options.compression is not None
        self._datasets: list[Rows] = []
        self._names = [f"{images_group(zoom)}/{name}" for zoom in ZOOMS for name in ("data", "errors")]
        self._held = [np.empty(_shape(name), np.float32) for name in self._names]  # one frame's after another's
        self._checksums = Checksums(self._names)

    def create(self) -> None:
        """Make the arrays of flux and sigma."""
        context, packing = self._context, self._context.options.compression
        if packing is None and context.comm.rank == 0:
            demand_room(context.output, context.n_frames * sum(held.nbytes for held in self._held))
        for name in self._names:
            rows, columns = _shape(name)
            chunk = (1, min(rows, _COMPRESSED_ROWS) if packing else rows, columns)
            dataset = create_shared(context.file, name, (context.n_frames, rows, columns), "<f4", chunk, packing)
            self._datasets.append(Rows(dataset, self.collective))

    def read(self, path: Path) -> Frame:
        """Read a frame; the pixels of a plain file are read as they are calibrated."""
        return read_frame(path, whole=False)

    def calibrate(self, frame: Frame, wcs: np.ndarray) -> float:
        """Make every zoom of a few rows after the other: from pixel to block they stay in the processor's cache."""
        options = self._context.options
        calibration = Calibration(frame, options.image_fiber_arcsec)
        flux, sigma, *coarse = self._held
        for first in range(0, len(flux), _CACHED_ROWS):
            rows = slice(first, first + _CACHED_ROWS)
            calibration.block(rows, slice(None), flux[rows], sigma[rows])
            zooms = zoom_images(flux[rows], sigma[rows], options.missing)
            for held, part in zip(coarse, chain(*zooms[1:]), strict=True):
                start = first // (flux.shape[1] // held.shape[1])
                held[start : start + len(part)] = part
        if np.isnan(flux).all():
            raise nothing_measured(frame.path)
        for held in self._held if options.mantissa_bits else ():
            held[:] = round_mantissa(held, options.mantissa_bits)
        return calibration.background

    def write(self, row: int | None) -> None:
        """Write the frame at every zoom."""
        blocks = [held[None] for held in self._held]
        if row is not None:
            self._checksums.add(row, blocks)
        for dataset, block in zip(self._datasets, blocks, strict=True):
            dataset.write(row, block)

    def gather(self, holes: Holes) -> None:
        """Bring the checksums to rank 0."""
        self._checksums.gather(self._context.comm)

    def finish(self, file: h5py.File, holes: Holes) -> None:
        """Close the holes and write the checksums."""
        holes.close_in(file[name] for name in self._names)
        self._checksums.write(file, holes)
