"""links.h5: for every spectrum, the windows of all frames that hold its whole cutout."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import h5py
import numpy as np
from xxhash import xxh3_64

from hiss.bands import BANDS, CUTOUT_SIZE, FRAME_SHAPE, PIXEL_SCALE
from hiss.cube.hdf5 import readable, set_attributes, set_root
from hiss.cube.intact import seal
from hiss.cube.layout import (
    COVERAGE,
    IMAGE_TABLE,
    REFERENCE_DTYPE,
    SPARSE,
    SPECTRUM_TABLE,
    WINDOW_TABLE,
    WINDOWS,
    ZOOMS,
    cutout_size,
    images_group,
    spectra_group,
)
from hiss.cube.linking import BATCH, WHOLE, Linker, Links, frame_windows, redirected, reference_table
from hiss.files import atomic
from hiss.progress import progress, say
from hiss.provenance import provenance

_ROWS: Final = 256  # rows a chunk; a batch is several whole ones

_LEVEL: Final = 2  # of gzip: the paths pack well at any, and 4 takes half as long again

FRAME_RADIUS_ARCMIN: Final = float(np.hypot(*FRAME_SHAPE)) / 2 * PIXEL_SCALE / 60
"""Distance from a frame's centre to its corners: a smaller search radius misses frames."""


def build_links(sparse: Path | str, output: Path | str, radius_arcmin: float, code: Iterable[Path] = ()) -> None:
    """Write ``links.h5``: the references of every spectrum, and its coverage by band.

    Spectra are linked a batch at a time and twice, for the width of the tables and for what is in them: memory
    does not grow with the cube.

    Parameters
    ----------
    radius_arcmin
        Search radius for frames; at least the half diagonal of a frame, 8.36, for none to be missed.
    code
        Files of the code that runs, for the provenance record.

    Raises
    ------
    HissError
        ``sparse.h5`` cannot be read.
    """
    with readable(sparse), h5py.File(sparse, "r") as file:
        images, spectra = file[IMAGE_TABLE][:], file[SPECTRUM_TABLE].fields(["ra", "dec"])[:]
        wcs = file[f"{images_group(0)}/wcs"][:]
        windows = file[WINDOW_TABLE][:] if WINDOW_TABLE in file else None
    if radius_arcmin < FRAME_RADIUS_ARCMIN:
        say(
            f"cube.link_radius_arcmin is {radius_arcmin:g}, the corners of a frame are {FRAME_RADIUS_ARCMIN:.2f} from "
            "its centre: frames that cover a spectrum are missed"
        )
    link = Linker(images, wcs, radius_arcmin)
    stored = _Frames(wcs) if windows is None else _Windows(windows, len(images))
    record = provenance({"sparse": sparse}, {"link_radius_arcmin": radius_arcmin}, code)
    with atomic(output) as temporary, h5py.File(temporary, "w") as file:
        coverage, width, total = np.zeros((len(spectra), len(BANDS)), np.int8), 1, 0
        for rows, links in _linked(link, stored, spectra, "batches of spectra found"):
            coverage[rows] = links.coverage
            width, total = max(width, links.width), total + len(links.frame)
        tables = {name: create_references(file, name, (len(spectra), width)) for name in stored.names}
        sums = {name: xxh3_64() for name in stored.names}
        for rows, links in _linked(link, stored, spectra, "batches of spectra written"):
            for name, table in stored.tables(links, rows.start, width):
                tables[name][rows] = table
                sums[name].update(table.tobytes())
        for zoom in ZOOMS[1:]:  # a frame has one header
            file[f"{spectra_group(zoom)}/image_cutouts_metadata"] = file[_HEADERS]
        complete = radius_arcmin >= FRAME_RADIUS_ARCMIN
        nowhere = "no frame" if complete else f"no frame whose centre is within {radius_arcmin:g} arcmin"
        write_coverage(file, coverage, f"0: {nowhere}, 1: cutout not whole, 2: whole cutout")
        set_root(file, f"/{SPARSE}", record)
        seal(file, {name: checksum.hexdigest() for name, checksum in sums.items()})
    whole = int((coverage == WHOLE).all(axis=1).sum())
    say(f"links: {total} cutouts; {whole} of {len(spectra)} spectra have a whole one in all bands")


_HEADERS: Final = f"{spectra_group(0)}/image_cutouts_metadata"


def _data(zoom: int) -> str:
    return f"{spectra_group(zoom)}/image_cutouts_data"


def _errors(zoom: int) -> str:
    return f"{spectra_group(zoom)}/image_cutouts_errors"


class _Frames:
    """References into whole frames at every zoom."""

    def __init__(self, wcs: np.ndarray) -> None:
        self._wcs = wcs
        self.names = [_HEADERS, *(name for zoom in ZOOMS for name in (_data(zoom), _errors(zoom)))]

    def kept(self, links: Links, _first: int) -> Links:
        """Return the links whose pixels are stored: all."""
        return links

    def tables(self, links: Links, first: int, width: int) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the name and the rows of each table for spectra from ``first`` on."""
        for zoom in ZOOMS:
            path, starts = f"/{images_group(zoom)}/data", frame_windows(links, self._wcs, zoom)
            table = reference_table(links, width, path, links.frame, starts, cutout_size(zoom))
            yield _data(zoom), table
            yield _errors(zoom), redirected(table, f"/{images_group(zoom)}/errors", windows=True)
        yield _HEADERS, redirected(table, f"/{images_group(0)}/metadata", windows=False)


class _Windows:
    """References to native windows, one each: those of mode ``targets``, around label spectra alone."""

    def __init__(self, windows: np.ndarray, n_frames: int) -> None:
        self._n_frames = n_frames
        self._keys = windows["spectrum"] * n_frames + windows["frame"]  # sorted, as the table is
        self.names = [_HEADERS, _data(0), _errors(0)]

    def kept(self, links: Links, first: int) -> Links:
        """Return the links whose window is stored."""
        numbers = self._numbers(links, first)
        stored = numbers < len(self._keys)
        stored[stored] = self._keys[numbers[stored]] == self._key(links, first)[stored]
        return links.only(stored)

    def tables(self, links: Links, first: int, width: int) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the name and the rows of each table for spectra from ``first`` on."""
        path = f"/{WINDOWS}/data"
        table = reference_table(links, width, path, self._numbers(links, first), (0, 0), CUTOUT_SIZE)
        yield _data(0), table
        yield _errors(0), redirected(table, f"/{WINDOWS}/errors", windows=True)
        yield _HEADERS, reference_table(links, width, f"/{images_group(0)}/metadata", links.frame, (0, 0), 0)

    def _key(self, links: Links, first: int) -> np.ndarray:
        return np.asarray((links.position + first) * self._n_frames + links.frame)

    def _numbers(self, links: Links, first: int) -> np.ndarray:
        return np.searchsorted(self._keys, self._key(links, first))


def _linked(link: Linker, stored: _Frames | _Windows, spectra: np.ndarray, what: str) -> Iterator[tuple[slice, Links]]:
    """Give the rows of each batch of spectra and their links to pixels that are stored."""
    starts = range(0, len(spectra), BATCH)
    for first in progress(starts, len(starts), what):
        rows = slice(first, min(first + BATCH, len(spectra)))
        yield rows, stored.kept(link(spectra["ra"][rows], spectra["dec"][rows]), first)


def write_coverage(file: h5py.File, coverage: np.ndarray, meaning: str) -> None:
    """Write the coverage, (n, 5) int8, with the meaning of its numbers, as what a viewer opens first."""
    dataset = file.create_dataset(COVERAGE, data=coverage)
    set_attributes(dataset, {"bands": list(BANDS), "long_name": meaning, "interpretation": "image"})
    view = file.create_group(f"{SPARSE}/view_coverage")
    view["coverage"] = h5py.SoftLink(f"/{COVERAGE}")
    set_attributes(view, {"NX_class": "NXdata", "signal": "coverage"})
    set_attributes(file[SPARSE], {"NX_class": "NXentry", "default": f"/{SPARSE}/view_coverage"})


def create_references(file: h5py.File, name: str, shape: tuple[int, ...]) -> h5py.Dataset:
    """Create a table of references, compressed: most of it is the same few paths."""
    packing = {"chunks": (min(shape[0], _ROWS), *shape[1:]), "compression": "gzip", "compression_opts": _LEVEL}
    dataset = file.create_dataset(name, shape, REFERENCE_DTYPE, **(packing | {"shuffle": True} if all(shape) else {}))
    set_attributes(dataset, {"long_name": "x: first axis of the image (rows), y: second (columns), max excluded"})
    return dataset
