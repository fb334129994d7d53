"""The spectra of a sparse cube: read, rebinned and written in batches by all ranks."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import h5py
import numpy as np
from numpy.lib.recfunctions import repack_fields

from hiss.cube.comm import Comm, Work
from hiss.cube.holes import Holes
from hiss.cube.intact import Checksums
from hiss.cube.layout import (
    METADATA_DTYPE,
    SPECTRUM_TABLE,
    SPECTRUM_TABLE_DTYPE,
    ZOOMS,
    spectra_group,
    spectrum_size,
)
from hiss.cube.options import Options
from hiss.cube.precision import round_mantissa
from hiss.cube.rebin import rebin_spectra
from hiss.cube.records import metadata_row, spectrum_row
from hiss.cube.shared import TABLE_ROWS, Rows, create_shared
from hiss.errors import BadInput
from hiss.progress import progress
from hiss.sdss.spectrum import read_spectrum

BATCH: Final = 32
"""Spectra a chunk and a write."""

ARRAYS: Final = tuple(f"{spectra_group(zoom)}/{name}" for zoom in ZOOMS for name in ("data", "errors"))
"""Datasets of flux and sigma."""

_METADATA: Final = f"{spectra_group(0)}/metadata"


class SpectraWriter:
    """Writes spectra at every zoom and their rows of the tables; made on every rank.

    Parameters
    ----------
    file
        Open for writing by all ranks.
    n
        Spectra that are listed, readable or not.
    """

    def __init__(self, comm: Comm, file: h5py.File, n: int, options: Options) -> None:
        self._comm, self._n, self._options = comm, n, options
        self._collective = options.compression is not None
        self._arrays = []
        for name in ARRAYS:
            size = spectrum_size(int(name.split("/")[1]))
            dataset = create_shared(file, name, (n, size), "<f4", (BATCH, size), options.compression)
            self._arrays.append(Rows(dataset, self._collective))
        self._metadata, self._table = (
            Rows(create_shared(file, name, (n,), dtype, (TABLE_ROWS,)), collective=False)
            for name, dtype in ((_METADATA, METADATA_DTYPE["spectra"]), (SPECTRUM_TABLE, SPECTRUM_TABLE_DTYPE))
        )
        self._rows: list[tuple[int, np.ndarray]] = []
        self.checksums = Checksums(ARRAYS)

    def fill(self, root: Path, paths: list[str]) -> dict[int, str]:
        """Read, rebin and write the batches this rank draws; return the rows that could not be read, and why."""
        bad: dict[int, str] = {}
        work = Work(self._comm, -(-self._n // BATCH), self._collective)
        what = "batches of spectra"
        for batch in progress(work, work.n, what, show=self._comm.rank == 0 and work.n > 0, place=work.done):
            if batch is None:
                self._write(None, [None] * len(self._arrays))
                continue
            rows = range(batch * BATCH, min((batch + 1) * BATCH, self._n))
            samples, about, headers = _read_batch(root, paths, rows, bad)
            self._metadata.write(rows.start, headers)
            self._table.write(rows.start, about)
            self._rows.append((rows.start, about))
            zooms = rebin_spectra(samples, self._options.missing, self._options.transmission)
            blocks = [round_mantissa(part, self._options.mantissa_bits) for pair in zooms for part in pair]
            self.checksums.add(rows.start, blocks)
            self._write(rows.start, blocks)
        return bad

    def _write(self, first: int | None, blocks: Sequence[np.ndarray | None]) -> None:
        for dataset, block in zip(self._arrays, blocks, strict=True):
            dataset.write(first, block)

    def table(self, holes: Holes) -> np.ndarray | None:
        """Return the table with its holes closed, without ``path``, on rank 0 and None elsewhere; collective."""
        fields = [name for name in SPECTRUM_TABLE_DTYPE.names or () if name != "path"]
        parts = self._comm.gather([(first, repack_fields(about[fields])) for first, about in self._rows])
        if parts is None:
            return None
        table = np.zeros(self._n, repack_fields(SPECTRUM_TABLE_DTYPE[fields]))
        for first, about in chain(*parts):
            table[first : first + len(about)] = about
        return holes.close(table)

    def finish(self, file: h5py.File, holes: Holes) -> None:
        """Close the holes of spectra set aside and write the checksums, rank 0 alone."""
        holes.close_in(file[name] for name in (*ARRAYS, _METADATA, SPECTRUM_TABLE))
        self.checksums.write(file, holes)


def _read_batch(
    root: Path, paths: list[str], rows: range, bad: dict[int, str]
) -> tuple[list[tuple[np.ndarray, np.ndarray, np.ndarray]], np.ndarray, np.ndarray]:
    """Read a batch of spectra; a row that cannot be read is noted in ``bad`` and is cut off later."""
    samples = []
    about = np.zeros(len(rows), SPECTRUM_TABLE_DTYPE)
    headers = np.zeros(len(rows), METADATA_DTYPE["spectra"])
    nothing = np.zeros(1)
    for place, row in enumerate(rows):
        try:
            spectrum = read_spectrum(root / paths[row])
            about[place] = spectrum_row(spectrum, paths[row])
            headers[place] = metadata_row("spectra", paths[row], spectrum.header)
        except BadInput as error:
            bad[row] = str(error)
            samples.append((nothing, nothing, nothing))
            continue
        samples.append((spectrum.loglam, spectrum.flux, spectrum.ivar))
    return samples, about, headers
