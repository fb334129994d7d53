"""The semi-sparse cube: every readable frame and spectrum at every zoom, written by all ranks at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from hiss.bands import FRAME_SHAPE
from hiss.cube.comm import Comm, open_to_write, ranks_of
from hiss.cube.layout import (
    IMAGE_TABLE,
    IMAGE_TABLE_DTYPE,
    METADATA_DTYPE,
    SPECTRUM_TABLE,
    SPECTRUM_TABLE_DTYPE,
    WCS_DTYPE,
    ZOOMS,
    images_group,
    spectra_group,
    spectrum_size,
)
from hiss.cube.options import Options
from hiss.cube.order import in_frame_order, in_spectrum_order
from hiss.cube.photometry import calibrate_frame
from hiss.cube.rebin import rebin_spectra
from hiss.cube.records import image_row, metadata_row, spectrum_row
from hiss.cube.rejects import reject_table
from hiss.cube.shared import create_shared, shared_temporary
from hiss.cube.sparse_tables import finish_sparse
from hiss.cube.wcs import wcs_of
from hiss.cube.zoom import zoom_images
from hiss.errors import BadInput, HissError
from hiss.files import read_table, write_table
from hiss.progress import progress, say
from hiss.provenance import provenance
from hiss.sdss.catalogue import read_sfr_catalogue
from hiss.sdss.fits import corrupt_is_bad
from hiss.sdss.frame import read_frame
from hiss.sdss.manifest import files_of
from hiss.sdss.spectrum import read_spectrum

BATCH: Final = 64
"""Spectra a chunk and a write."""

_TABLE_ROWS: Final = 256  # rows of a table a chunk


@dataclass(frozen=True)
class SparseInputs:
    """What a sparse cube is made of.

    Attributes
    ----------
    manifest
        Table of the raw files.
    root
        Folder its paths are relative to.
    gal_info, gal_totsfr
        The two tables of the MPA-JHU catalogue.
    """

    manifest: Path
    root: Path
    gal_info: Path
    gal_totsfr: Path


def build_sparse(
    comm: Comm,
    inputs: SparseInputs,
    options: Options,
    output: Path | str,
    rejects: Path | str,
    code: Iterable[Path] = (),
) -> None:
    """Build ``sparse.h5`` and the table of files that could not be read; called by every rank.

    Parameters
    ----------
    options
        What the user chose about the values.
    code
        Files of the code that runs, for the provenance record.

    Raises
    ------
    HissError
        The manifest lacks frames and spectra, or the catalogue's tables do not fit together.
    """
    manifest = read_table(inputs.manifest)
    frames = list(in_frame_order(files_of(manifest, "frame"))["path"])
    spectra = list(in_spectrum_order(files_of(manifest, "spectrum"))["path"])
    if not frames and not spectra:
        raise HissError(f"{inputs.manifest}: lists neither frames nor spectra; check the folder of raw files")
    if comm.rank == 0:
        read_sfr_catalogue(inputs.gal_info, inputs.gal_totsfr)  # tables that do not fit stop here, not hours later
    with shared_temporary(output, comm) as temporary:
        file = open_to_write(temporary, comm)
        _create_images(file, len(frames))
        _create_spectra(file, len(spectra))
        bad_frames = _fill_images(file, comm, inputs.root, frames, options.image_fiber_arcsec)
        bad_spectra = _fill_spectra(file, comm, inputs.root, spectra)
        file.close()  # collective: a failing rank must not wait here for the others, so no `with`
        bad_frames, bad_spectra = _collect(comm, bad_frames), _collect(comm, bad_spectra)
        if comm.rank == 0:
            record = provenance(
                {"manifest": inputs.manifest, "gal_info": inputs.gal_info, "gal_totsfr": inputs.gal_totsfr},
                options.as_dict(),
                code,
            )
            with h5py.File(temporary, "r+") as file:
                finish_sparse(
                    file, {"images": bad_frames, "spectra": bad_spectra}, inputs.gal_info, inputs.gal_totsfr, record
                )
            unread = [
                ("sparse", kind, paths[row], reason)
                for kind, paths, bad in (("frame", frames, bad_frames), ("spectrum", spectra, bad_spectra))
                for row, reason in sorted(bad.items())
            ]
            write_table(rejects, reject_table(unread))
            say(
                f"sparse cube: {len(frames) - len(bad_frames)} frames and {len(spectra) - len(bad_spectra)} "
                f"spectra {ranks_of(comm)}; {len(unread)} files set aside"
            )


def _collect(comm: Comm, bad: dict[int, str]) -> dict[int, str]:
    """Bring the rejects of all ranks to rank 0."""
    parts = comm.gather(bad)
    return {row: reason for part in parts or [] for row, reason in part.items()}


def _create_images(file: h5py.File, n: int) -> None:
    for zoom in ZOOMS:
        shape = tuple(length >> zoom for length in FRAME_SHAPE)
        for name in ("data", "errors"):
            create_shared(file, f"{images_group(zoom)}/{name}", (n, *shape), "<f4", chunks=(1, *shape))
    for name, dtype in (
        (f"{images_group(0)}/metadata", METADATA_DTYPE["images"]),
        (f"{images_group(0)}/wcs", WCS_DTYPE),
        (IMAGE_TABLE, IMAGE_TABLE_DTYPE),
    ):
        create_shared(file, name, (n,), dtype, chunks=(_TABLE_ROWS,))


def _create_spectra(file: h5py.File, n: int) -> None:
    for zoom in ZOOMS:
        size = spectrum_size(zoom)
        for name in ("data", "errors"):
            create_shared(file, f"{spectra_group(zoom)}/{name}", (n, size), "<f4", chunks=(BATCH, size))
    for name, dtype in (
        (f"{spectra_group(0)}/metadata", METADATA_DTYPE["spectra"]),
        (SPECTRUM_TABLE, SPECTRUM_TABLE_DTYPE),
    ):
        create_shared(file, name, (n,), dtype, chunks=(_TABLE_ROWS,))


def _fill_images(
    file: h5py.File, comm: Comm, root: Path, paths: list[str], fiber_arcsec: float | None
) -> dict[int, str]:
    """Read, calibrate and write this rank's frames, every ``size``-th; give the rows that could not be read."""
    bad: dict[int, str] = {}
    rows = range(comm.rank, len(paths), comm.size)
    zooms = [[file[f"{images_group(zoom)}/{name}"] for name in ("data", "errors")] for zoom in ZOOMS]
    metadata, wcs_table, table = (
        file[name] for name in (f"{images_group(0)}/metadata", f"{images_group(0)}/wcs", IMAGE_TABLE)
    )
    for row in progress(rows, len(rows), _share("frames", comm), show=comm.rank == 0):
        try:
            with corrupt_is_bad(root / paths[row]):
                frame = read_frame(root / paths[row])
                wcs = wcs_of(frame.header, frame.path)
                flux, sigma, background = calibrate_frame(frame, fiber_arcsec)
                about = image_row(frame, paths[row], wcs, background)
                header = metadata_row("images", paths[row], frame.header)
        except BadInput as error:
            bad[row] = str(error)
            continue
        for datasets, pair in zip(zooms, zoom_images(flux, sigma), strict=True):
            for dataset, pixels in zip(datasets, pair, strict=True):
                dataset[row] = pixels
        metadata[row], wcs_table[row], table[row] = header, wcs, about
    return bad


def _fill_spectra(file: h5py.File, comm: Comm, root: Path, paths: list[str]) -> dict[int, str]:
    """Read, rebin and write this rank's spectra, every ``size``-th batch; give the rows that could not be read."""
    bad: dict[int, str] = {}
    starts = range(comm.rank * BATCH, len(paths), comm.size * BATCH)
    zooms = [[file[f"{spectra_group(zoom)}/{name}"] for name in ("data", "errors")] for zoom in ZOOMS]
    metadata, table = file[f"{spectra_group(0)}/metadata"], file[SPECTRUM_TABLE]
    for start in progress(starts, len(starts), _share("batches of spectra", comm), show=comm.rank == 0):
        rows = slice(start, min(start + BATCH, len(paths)))
        samples, about, headers = _read_batch(root, paths, rows, bad)
        metadata[rows], table[rows] = headers, about
        for datasets, pair in zip(zooms, rebin_spectra(samples), strict=True):
            for dataset, values in zip(datasets, pair, strict=True):
                dataset[rows] = values
    return bad


def _read_batch(
    root: Path, paths: list[str], rows: slice, bad: dict[int, str]
) -> tuple[list[tuple[np.ndarray, np.ndarray, np.ndarray]], np.ndarray, np.ndarray]:
    """Read a batch of spectra; a row that cannot be read is noted in ``bad`` and is cut off later."""
    samples = []
    about = np.zeros(rows.stop - rows.start, SPECTRUM_TABLE_DTYPE)
    headers = np.zeros(rows.stop - rows.start, METADATA_DTYPE["spectra"])
    nothing = np.zeros(1)
    for place, row in enumerate(range(rows.start, rows.stop)):
        try:
            with corrupt_is_bad(root / paths[row]):
                spectrum = read_spectrum(root / paths[row])
                about[place] = spectrum_row(spectrum, paths[row])
                headers[place] = metadata_row("spectra", paths[row], spectrum.header)
        except BadInput as error:
            bad[row] = str(error)
            samples.append((nothing, nothing, nothing))
            continue
        samples.append((spectrum.loglam, spectrum.flux, spectrum.ivar))
    return samples, about, headers


def _share(what: str, comm: Comm) -> str:
    return what if comm.size == 1 else f"{what} of rank 0 (of {comm.size})"
