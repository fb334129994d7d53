"""links.h5: for every spectrum, the windows of all frames that hold its whole cutout."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from hiss.bands import BAND_INDEX, BANDS
from hiss.cube.hdf5 import set_attributes, set_root
from hiss.cube.layout import (
    COVERAGE,
    IMAGE_TABLE,
    REFERENCE_DTYPE,
    SPARSE,
    SPECTRUM_TABLE,
    ZOOMS,
    images_group,
    spectra_group,
)
from hiss.cube.linking import BATCH, Links, link_cutouts, redirected, reference_table
from hiss.files import atomic
from hiss.progress import say
from hiss.provenance import provenance

_ROWS: Final = 256  # rows a chunk; a batch is several whole ones


def build_links(sparse: Path | str, output: Path | str, radius_arcmin: float, code: Iterable[Path] = ()) -> None:
    """Write ``links.h5``: the references of every spectrum at every zoom, and its coverage by band.

    Parameters
    ----------
    radius_arcmin
        Search radius for frames; at least the half diagonal of a frame, 8.36, for none to be missed.
    code
        Files of the code that runs, for the provenance record.
    """
    with h5py.File(sparse, "r") as file:
        images, spectra = file[IMAGE_TABLE][:], file[SPECTRUM_TABLE][:]
        wcs, index = file[f"{images_group(0)}/wcs"][:], file[f"{images_group(0)}/db_index"][:]
    band = np.array([BAND_INDEX[value.decode()] for value in images["band"]], dtype=np.int64)
    links = link_cutouts(index, wcs, band, images["tai"], spectra["ra"], spectra["dec"], radius_arcmin)
    record = provenance({"sparse": sparse}, {"link_radius_arcmin": radius_arcmin}, code)
    with atomic(output) as temporary, h5py.File(temporary, "w") as file:
        for zoom in ZOOMS:
            _write_zoom(file, links, wcs, zoom)
        coverage = file.create_dataset(COVERAGE, data=links.coverage)
        set_attributes(
            coverage, {"bands": list(BANDS), "long_name": "0: no frame, 1: cutout not whole, 2: whole cutout"}
        )
        set_root(file, f"/{SPARSE}", record)
        set_attributes(file[SPARSE], {"NX_class": "NXentry"})
    whole = int((links.coverage == 2).all(axis=1).sum())
    say(f"links: {len(links.frame)} cutouts; {whole} of {len(spectra)} spectra have a whole one in all bands")


def _write_zoom(file: h5py.File, links: Links, wcs: np.ndarray, zoom: int) -> None:
    shape = (len(links.coverage), links.width)
    for name in ("data", "errors", "metadata"):
        tables = _reference_tables(links, wcs, f"/{images_group(zoom)}/{name}", zoom, windows=name != "metadata")
        write_references(file, f"{spectra_group(zoom)}/image_cutouts_{name}", shape, tables)


def _reference_tables(links: Links, wcs: np.ndarray, ds_path: str, zoom: int, windows: bool) -> Iterator[np.ndarray]:
    width = links.width
    for first in range(0, len(links.coverage), BATCH):
        table = reference_table(links.part(first, first + BATCH), wcs, width, ds_path, zoom)
        yield redirected(table, ds_path, windows)


def write_references(file: h5py.File, name: str, shape: tuple[int, ...], tables: Iterable[np.ndarray]) -> h5py.Dataset:
    """Write a table of references, compressed: most of it is the same few paths.

    Parameters
    ----------
    tables
        Its rows in batches, which need not lie in memory together.
    """
    packing = {"chunks": (min(shape[0], _ROWS), *shape[1:]), "compression": "gzip", "shuffle": True}
    dataset = file.create_dataset(name, shape, REFERENCE_DTYPE, **(packing if all(shape) else {}))
    first = 0
    for table in tables:
        dataset[first : first + len(table)] = table
        first += len(table)
    set_attributes(dataset, {"long_name": "x: first axis of the image (rows), y: second (columns), max excluded"})
    return dataset
