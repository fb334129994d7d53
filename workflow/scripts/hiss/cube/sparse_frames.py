"""The frames of a sparse cube: read and calibrated by all ranks, their pixels kept by an image store."""

from pathlib import Path
from typing import Final

import h5py
import numpy as np

from hiss.cube.comm import Comm, Work
from hiss.cube.frames_store import ImageStore
from hiss.cube.layout import IMAGE_TABLE, IMAGE_TABLE_DTYPE, METADATA_DTYPE, WCS_DTYPE, images_group
from hiss.cube.records import image_row, metadata_row
from hiss.cube.shared import TABLE_ROWS, Rows, create_shared
from hiss.cube.wcs import wcs_of
from hiss.errors import BadInput
from hiss.progress import progress

TABLES: Final = {
    f"{images_group(0)}/metadata": METADATA_DTYPE["images"],
    f"{images_group(0)}/wcs": WCS_DTYPE,
    IMAGE_TABLE: IMAGE_TABLE_DTYPE,
}
"""What is kept of every frame beside its pixels."""


def fill_frames(comm: Comm, file: h5py.File, root: Path, paths: list[str], store: ImageStore) -> dict[int, str]:
    """Read, calibrate and write the frames this rank draws; return the rows that could not be read, and why."""
    tables = [
        Rows(create_shared(file, name, (len(paths),), dtype, (TABLE_ROWS,)), collective=False)
        for name, dtype in TABLES.items()
    ]
    store.create()
    bad: dict[int, str] = {}
    work = Work(comm, len(paths), store.collective)
    for row in progress(work, work.n, "frames", show=comm.rank == 0 and work.n > 0, place=work.done):
        records = None if row is None else _take(root, paths[row], row, store, bad)
        if records is not None:
            for table, record in zip(tables, records, strict=True):
                table.write(row, record[None])
            store.write(row)
        elif store.collective:
            store.write(None)
    return bad


def _take(root: Path, path: str, row: int, store: ImageStore, bad: dict[int, str]) -> tuple[np.ndarray, ...] | None:
    """Read and calibrate a frame, held by the store; give its records, or None where it is set aside."""
    try:
        frame = store.read(root / path)
        wcs = wcs_of(frame.header, frame.path)
        background = store.calibrate(frame, wcs)
        return metadata_row("images", path, frame.header), wcs, image_row(frame, path, wcs, background)
    except BadInput as error:
        bad[row] = str(error)
        return None
