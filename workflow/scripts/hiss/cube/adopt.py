"""A cube of the public HiSS-Cube in place of our own build: the files that the floors above read, made from it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from hiss.bands import BANDS
from hiss.cube.adopt_dense import Batch, Converter
from hiss.cube.adopt_plan import Adopted, frame_bands, plan_adoption
from hiss.cube.adopt_tables import coverage_of, write_links, write_sparse_tables
from hiss.cube.comm import Alone
from hiss.cube.dense import ARRAYS, BATCH, create_arrays
from hiss.cube.dense_plan import DensePlan, Fits
from hiss.cube.dense_tables import complete_dense
from hiss.cube.epochs import Frames
from hiss.cube.intact import Checksums
from hiss.cube.layout import SPECTRA_STAR_FORMATION_RATES, ZOOMS, ml_image_group
from hiss.cube.linking import WHOLE
from hiss.cube.links import create_references
from hiss.cube.public import PublicCube, open_public
from hiss.cube.public_rates import read_rates
from hiss.cube.public_rows import Rows, manifest_of, read_frames, read_spectra, unread
from hiss.cube.rejects import reject_table
from hiss.cube.shared import Compression
from hiss.cube.targets import TargetRows, label_rows
from hiss.files import atomic, write_table
from hiss.progress import progress, say
from hiss.provenance import digest, provenance


@dataclass(frozen=True)
class AdoptedFiles:
    """Where the files of an adopted cube are written."""

    manifest: Path
    sparse: Path
    links: Path
    dense: Path
    rejects: Path


def adopt_cube(
    existing: Path | str,
    files: AdoptedFiles,
    fiber_arcsec: float | None,
    compression: Compression = None,
    code: Iterable[Path] = (),
) -> None:
    """Make the files that the floors above read from a cube of the public HiSS-Cube.

    Fluxes are brought to our units and aperture, bands to u g r i z by their references. The cutouts' sigmas, which
    the public system reads from the fluxes, are recomputed from the sparse part's, and are NaN where that does not
    hold them. Only zoom 0 is read, and the coarser zooms are made from it as in our build; of a file that this
    workflow wrote all are read as they are.

    Parameters
    ----------
    existing
        The public cube; it stays where it is, and large arrays of its sparse part are linked to.
    fiber_arcsec
        Aperture to which the flux of an image pixel is scaled; None: one pixel.
    compression
        Of the dense arrays.
    code
        Files of the code that runs, for the provenance record.

    Raises
    ------
    HissError
        The file is missing, damaged, or not a public cube with a dense part.
    """
    with open_public(existing) as cube:
        settings = {**cube.settings, "image_fiber_arcsec": fiber_arcsec, "compression": compression}
        record = provenance({"existing": existing}, settings, code)
        rates = read_rates(cube)
        frames, spectra = read_frames(cube), read_spectra(cube, rates)
        adopted = plan_adoption(cube, frames, spectra)
        coverage = coverage_of(cube, frames, len(spectra.good))
        with atomic(files.sparse) as temporary, h5py.File(temporary, "w") as file:
            write_sparse_tables(file, cube, frames, spectra, rates, fiber_arcsec, record)
        linked = {**record, "inputs": {**record["inputs"], "sparse": digest(record)}}
        with atomic(files.links) as temporary, h5py.File(temporary, "w") as file:
            write_links(file, cube, coverage, linked)
        with h5py.File(files.sparse, "r") as sparse:
            joined = sparse[SPECTRA_STAR_FORMATION_RATES][:]
        plan = _dense_plan(adopted, frames, spectra, joined, _rejects(cube, adopted, frames, spectra, coverage))
        with atomic(files.dense) as temporary, h5py.File(temporary, "w") as file:
            _write_dense(file, cube, adopted, plan, frames, fiber_arcsec, compression, linked)
        write_table(files.rejects, plan.rejects)
        write_table(files.manifest, manifest_of(cube, frames, spectra), units={"size": "byte"}, record=record)
    labelled = "" if len(rates) else "; it has no star formation rates, so none of them has a label"
    say(
        f"{existing}: {len(adopted.rows)} of {cube.n_targets} targets, {int(frames.good.sum())} frames, "
        f"{int(spectra.good.sum())} spectra{labelled}"
    )


def _rejects(cube: PublicCube, adopted: Adopted, frames: Rows, spectra: Rows, coverage: np.ndarray) -> pd.DataFrame:
    """Give every file of the cube that is not in our dense cube, with its reason."""
    rows = [("sparse", "frame", *file) for file in unread(cube, frames, "images")]
    rows += [("sparse", "spectrum", *file) for file in unread(cube, spectra, "spectra")]
    left_out = spectra.good.copy()
    left_out[adopted.spectrum] = False
    for row in np.flatnonzero(left_out).tolist():
        path = spectra.table["path"][row].decode()
        if row in adopted.refused:
            rows.append(("dense", "spectrum", path, f"{adopted.refused[row]} in {cube.path.name}"))
            continue
        absent = [band for band, state in zip(BANDS, coverage[row]) if state != WHOLE]
        reason = f"{cube.path.name} has no target of it"
        rows.append(
            ("links", "spectrum", path, reason + (f", no whole cutout in {' '.join(absent)}" if absent else ""))
        )
    return reject_table(rows)


def _dense_plan(adopted: Adopted, frames: Rows, spectra: Rows, rates: np.ndarray, rejects: pd.DataFrame) -> DensePlan:
    chosen, labels = spectra.table[adopted.spectrum], rates[adopted.spectrum]
    label = label_rows(
        adopted.target, pd.DataFrame({"sn_median": chosen["sn_median"], "avg": labels["avg"], "flag": labels["flag"]})
    )
    stacked = np.ones(len(adopted.spectrum), bool)  # the public system stacks fibres of all sizes
    targets = TargetRows(adopted.spectrum[label], adopted.target, adopted.spectrum, stacked)
    _, exposure = np.unique(frames.table[["run", "camcol", "band"]], return_inverse=True)
    known = Frames(frame_bands(frames), exposure, frames.table["background_sigma"], frames.wcs, None)
    return DensePlan(targets, spectra.table, rates, rejects, known)


def _write_dense(
    file: h5py.File,
    cube: PublicCube,
    adopted: Adopted,
    plan: DensePlan,
    frames: Rows,
    fiber_arcsec: float | None,
    compression: Compression,
    record: Mapping[str, Any],
) -> None:
    n = len(adopted.rows)
    arrays = create_arrays(file, n, compression)
    tables = [
        create_references(file, f"{ml_image_group(0)}/{name}", (n, len(BANDS), adopted.width))
        for name in ("image_cutout_refs", "image_metadata_refs")
    ]
    label = plan.spectra[plan.targets.label]
    convert = Converter(cube, adopted, plan.frames, frames.table["tai"], label["ra"], label["dec"], fiber_arcsec)
    checksums = Checksums(ARRAYS)
    n_epochs, chi2 = np.zeros((n, len(BANDS)), np.int64), np.full(n, np.nan)
    starts = range(0, n, BATCH)
    for first in progress(starts, len(starts), "batches of targets"):
        rows = slice(first, min(first + BATCH, n))
        batch = convert.batch(rows.start, rows.stop)
        blocks = _blocks(batch)
        for array, block in zip(arrays, blocks, strict=True):
            array.write(first, block)
        checksums.add(first, blocks)
        tables[0][rows], tables[1][rows] = batch.windows, batch.headers
        n_epochs[rows], chi2[rows] = batch.n_epochs, batch.chi2
    for name in ("image_cutout_refs", "image_metadata_refs"):
        for zoom in ZOOMS[1:]:
            file[f"{ml_image_group(zoom)}/{name}"] = file[f"{ml_image_group(0)}/{name}"]
    never = np.zeros(n, bool)
    fits = Fits(n_epochs, chi2, np.full(n, np.nan), never, never)
    checksums.gather(Alone())
    checksums.write(file)
    complete_dense(file, plan, fits, record)


def _blocks(batch: Batch) -> list[np.ndarray]:
    """Give the arrays of a batch in the order of `ARRAYS`."""
    return [array for images, spectra in zip(batch.images, batch.spectra) for array in (*images, *spectra)]
