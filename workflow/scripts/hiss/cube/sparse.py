"""The semi-sparse cube: every readable frame and spectrum, written by all ranks at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py

from hiss.cube.comm import Comm, open_to_write, ranks_of
from hiss.cube.frames_store import Context, ImageStore, WholeFrames
from hiss.cube.holes import Holes
from hiss.cube.options import Options
from hiss.cube.order import in_frame_order, in_spectrum_order
from hiss.cube.rejects import reject_table
from hiss.cube.shared import shared_temporary
from hiss.cube.sparse_frames import fill_frames
from hiss.cube.sparse_spectra import SpectraWriter
from hiss.cube.sparse_tables import finish_sparse
from hiss.errors import HissError
from hiss.files import read_table, write_table
from hiss.progress import say
from hiss.provenance import provenance
from hiss.sdss.catalogue import read_sfr_catalogue
from hiss.sdss.manifest import files_of


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
        Files of the code that runs, for the provenance record; rank 0 alone looks at them.

    Raises
    ------
    HissError
        The manifest lacks frames and spectra, or the catalogue's tables do not fit together.
    """
    frames, spectra = comm.bcast(_listed(inputs.manifest) if comm.rank == 0 else ([], []))
    with shared_temporary(output, comm) as temporary:
        file = open_to_write(temporary, comm)
        writer = SpectraWriter(comm, file, len(spectra), options)
        # The others read spectra meanwhile. Tables that do not fit stop the build here, not hours later.
        catalogue = read_sfr_catalogue(inputs.gal_info, inputs.gal_totsfr) if comm.rank == 0 else None
        record = _record(inputs, options, code) if comm.rank == 0 else {}
        bad_spectra = _collect(comm, writer.fill(inputs.root, spectra))
        spectrum_holes = Holes(len(spectra), bad_spectra)
        context = Context(comm, options, file, temporary, len(frames), partial(writer.table, spectrum_holes), catalogue)
        store = _store(context)
        bad_frames = _collect(comm, fill_frames(comm, file, inputs.root, frames, store))
        frame_holes = Holes(len(frames), bad_frames)
        store.gather(frame_holes)
        writer.checksums.gather(comm)
        file.close()  # collective: a failing rank must not wait here for the others, so no `with`
        if catalogue is not None:
            with h5py.File(temporary, "r+") as file:
                store.finish(file, frame_holes)
                writer.finish(file, spectrum_holes)
                finish_sparse(file, store.picture, frame_holes, catalogue, record)
            unread = reject_table([*_rejects("frame", frames, bad_frames), *_rejects("spectrum", spectra, bad_spectra)])
            write_table(rejects, unread)
            say(
                f"sparse cube: {frame_holes.left} frames and {spectrum_holes.left} spectra {ranks_of(comm)}; "
                f"{len(unread)} files set aside"
            )


def _rejects(kind: str, paths: list[str], bad: dict[int, str]) -> list[tuple[str, str, str, str]]:
    return [("sparse", kind, paths[row], reason) for row, reason in sorted(bad.items())]


def _store(context: Context) -> ImageStore:
    """Return the image store of the mode that was chosen."""
    if context.options.mode == "targets":
        from hiss.cube.windows import TargetWindows  # it stands on SciPy's trees, which take a while to load

        return TargetWindows(context)
    return WholeFrames(context)


def _collect(comm: Comm, bad: dict[int, str]) -> dict[int, str]:
    """Bring the rejects of all ranks to every rank."""
    return {row: reason for part in comm.allgather(bad) for row, reason in part.items()}


def _record(inputs: SparseInputs, options: Options, code: Iterable[Path]) -> dict[str, Any]:
    files = {"manifest": inputs.manifest, "gal_info": inputs.gal_info, "gal_totsfr": inputs.gal_totsfr}
    return provenance(files, options.as_dict(), code)


def _listed(manifest: Path) -> tuple[list[str], list[str]]:
    """Give the paths of frames and spectra, each in the order of the cube's rows."""
    table = read_table(manifest)
    frames = list(in_frame_order(files_of(table, "frame"))["path"])
    spectra = list(in_spectrum_order(files_of(table, "spectrum"))["path"])
    if not frames and not spectra:
        raise HissError(f"{manifest}: lists neither frames nor spectra; check the folder of raw files")
    return frames, spectra
