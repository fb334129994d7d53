"""The dense cube: one stacked, target-centred cutout and one stacked spectrum a target, ready to learn from."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from hiss.bands import BANDS
from hiss.cube.comm import Comm, Work, open_to_write, ranks_of
from hiss.cube.dense_plan import Fits, plan_dense
from hiss.cube.dense_stack import ARRAYS, Stacker
from hiss.cube.dense_tables import finish_dense
from hiss.cube.intact import Checksums
from hiss.cube.layout import cutout_size, spectrum_size
from hiss.cube.options import Options
from hiss.cube.shared import Compression, Rows, create_shared, shared_temporary
from hiss.files import write_table
from hiss.progress import progress, say
from hiss.provenance import provenance

BATCH: Final = 64
"""Targets a write."""

_CHUNK: Final = 2**20  # bytes a chunk has at most, where the arrays are compressed

_CACHE: Final = 2**24  # bytes of unpacked chunks of a table of references: neighbouring targets share them


def build_dense(
    comm: Comm,
    sparse: Path | str,
    links: Path | str,
    options: Options,
    output: Path | str,
    rejects: Path | str,
    code: Iterable[Path] = (),
) -> None:
    """Build ``dense.h5`` and the table of spectra that are not in it; called by every rank.

    Parameters
    ----------
    options
        What the user chose about the values.
    code
        Files of the code that runs, for the provenance record.

    Raises
    ------
    HissError
        The links are of another sparse cube, or lack cutouts.
    """
    plan = plan_dense(sparse, links, options.match_radius_arcsec, options.mix_fibers)
    with shared_temporary(output, comm) as temporary:
        shared = open_to_write(temporary, comm)
        checksums = Checksums(ARRAYS)
        with h5py.File(sparse, "r") as source, h5py.File(links, "r", rdcc_nbytes=_CACHE) as linked:
            found = _fill(shared, comm, len(plan.targets), Stacker(source, linked, plan, options), options, checksums)
        shared.close()  # collective: a failing rank must not wait here for the others, so no `with`
        checksums.gather(comm)
        parts = comm.gather(found)
        if comm.rank == 0:
            fits = _joined({first: fits for part in parts or [] for first, fits in part.items()})
            record = provenance({"sparse": sparse, "links": links}, options.as_dict(), code)
            with h5py.File(temporary, "r+") as file, h5py.File(links, "r", rdcc_nbytes=_CACHE) as linked:
                checksums.write(file)
                finish_dense(file, linked, plan, fits, record)
            write_table(rejects, plan.rejects)
            say(
                f"dense cube: {len(plan.targets)} targets {ranks_of(comm)}; "
                f"{len(plan.rejects)} of {len(plan.spectra)} spectra set aside"
            )


def create_arrays(file: h5py.File, n: int, compression: Compression) -> list[Rows]:
    """Make the arrays of ``n`` targets, `ARRAYS`: contiguous, or in small chunks where they are compressed."""
    arrays = []
    for name in ARRAYS:
        zoom = int(name.split("/")[1])
        image = (len(BANDS), cutout_size(zoom), cutout_size(zoom))
        shape = image if "ml_image" in name else (spectrum_size(zoom),)
        rows = BATCH
        while rows * np.prod(shape) * 4 > _CHUNK:
            rows //= 2
        chunks = None if compression is None else (rows, *shape)
        dataset = create_shared(file, name, (n, *shape), "<f4", chunks, compression)
        arrays.append(Rows(dataset, collective=compression is not None))
    return arrays


def _fill(
    file: h5py.File, comm: Comm, n: int, stacker: Stacker, options: Options, checksums: Checksums
) -> dict[int, Fits]:
    """Stack and write the batches of targets that this rank draws; give the fits of each by its first target."""
    arrays = create_arrays(file, n, options.compression)
    work = Work(comm, -(-n // BATCH), in_step=options.compression is not None)
    fits: dict[int, Fits] = {}
    show = comm.rank == 0 and work.n > 0
    for batch in progress(work, work.n, "batches of targets", show=show, place=work.done):
        if batch is None:
            for array in arrays:
                array.write(None, None)
            continue
        first = batch * BATCH
        blocks, fits[first] = stacker(first, min(first + BATCH, n))
        checksums.add(first, blocks)
        for array, block in zip(arrays, blocks, strict=True):
            array.write(first, block)
    return fits


def _joined(fits: dict[int, Fits]) -> Fits:
    """Put the fits of batches one after the other."""
    empty = Fits(np.zeros((0, len(BANDS)), np.int64), np.zeros(0), np.zeros(0), np.zeros(0, bool), np.zeros(0, bool))
    parts = [empty, *(fits[first] for first in sorted(fits))]
    names = [field.name for field in dataclasses.fields(Fits)]
    return Fits(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
