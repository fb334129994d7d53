"""A cube in the public HiSS-Cube's format: what is in it, checked before it is believed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import h5py
import numpy as np

from hiss.bands import BANDS, FLUX_UNIT, PIXEL_SCALE
from hiss.cube.layout import (
    REFERENCE_DTYPE,
    ZOOMS,
    cutout_size,
    ml_image_data,
    ml_image_group,
    ml_spectrum_data,
    ml_spectrum_group,
    spectrum_size,
)
from hiss.cube.rebin import bin_centers
from hiss.cube.shard_sources import SHARDS
from hiss.errors import BadInput, HissError

CGS: Final = 1e17
"""Flux in erg s-1 cm-2 Angstrom-1, the public cube's unit, to ours."""

_PUBLIC_APERTURE: Final = np.pi * 2.0**2 / 0.4**2
"""Fibre over pixel area as the public cube computes it: pi d^2 with d = 2 arcsec, a pixel of 0.4 arcsec."""

_LARGEST_TEXT: Final = 2**16  # bytes of a header or path; more is no cube's
_MANTISSA: Final = 2.0**-9  # relative error of wavelengths whose mantissa was cut to 10 bits, twice
_ROWS: Final = 512  # headers, or references of targets, in memory at once
_REMEDY: Final = "name a file of the public HiSS-Cube with its dense cube (DATASET layout) in cube.existing"


@dataclass(frozen=True)
class SourceFile:
    """A row of the sparse cube's headers: the file it was made of.

    Attributes
    ----------
    row
        Row of the sparse cube.
    path
        As the cube has it; empty where the row is.
    header
        Primary header.
    """

    row: int
    path: str
    header: dict[str, Any]

    @property
    def name(self) -> str:
        """Return the bare name of the file."""
        return PurePosixPath(self.path).name


class PublicCube:
    """An open cube of the public format.

    Attributes
    ----------
    path
        The file.
    n_targets
        Rows of its dense cube.
    ours
        Whether this workflow wrote it: its units are named, its bands in order and its sigmas true.
    """

    def __init__(self, file: h5py.File, path: Path) -> None:
        if SHARDS in file:
            raise HissError(
                f"{path}: is a cube in shards, whose arrays lie in many files; make one file of it with "
                "`snakemake export_single`, and name that in cube.existing"
            )
        self.file = file
        self.path = path
        images = self.array(ml_image_data(0), 4)
        self.n_targets = len(images)
        units = _text(images.attrs.get("units", ""))
        if units not in ("", FLUX_UNIT):
            raise HissError(f"{path}: its fluxes are in {units[:80]!r}, which is not known; {_REMEDY}")
        self.ours = units == FLUX_UNIT
        for zoom in ZOOMS if self.ours else (0,):
            self._check_shapes(zoom)
        self._check_wavelengths()

    def array(self, name: str, ndim: int) -> h5py.Dataset:
        """Return a dataset of numbers; `HissError` where it is missing or of another rank."""
        item = self.file.get(name)
        if not isinstance(item, h5py.Dataset) or item.ndim != ndim or item.dtype.kind != "f":
            raise HissError(f"{self.path}: has no {name} of {ndim} axes of numbers; {_REMEDY}")
        return item

    def _check_shapes(self, zoom: int) -> None:
        side = cutout_size(zoom)
        images, spectra = (self.n_targets, len(BANDS), side, side), (self.n_targets, spectrum_size(zoom))
        shapes: dict[str, tuple[int, ...]] = {ml_image_data(zoom): images, ml_spectrum_data(zoom): spectra}
        shapes[f"{ml_spectrum_group(zoom)}/errors"] = spectra
        if self.ours:  # those of the public system are not read
            shapes[f"{ml_image_group(zoom)}/errors"] = images
        for name, shape in shapes.items():
            found = self.array(name, len(shape)).shape
            if found != shape:
                raise HissError(f"{self.path}: {name} has the shape {found} where {shape} is due; {_REMEDY}")

    def _check_wavelengths(self) -> None:
        name = f"{ml_spectrum_group(0)}/wl"
        found = self.array(name, 1)
        expected = bin_centers(0)
        if found.shape != expected.shape or not np.allclose(found[:], expected, rtol=_MANTISSA, atol=0):
            raise HissError(f"{self.path}: {name} is not the HiSS-Cube's 3839.7 to 8914.6 Angstrom; {_REMEDY}")

    def image_factor(self, fiber_arcsec: float | None) -> float:
        """Return what an image's flux is multiplied by to be ours, in the aperture of a fibre (or of one pixel)."""
        if self.ours:
            own = self.settings.get("image_fiber_arcsec", fiber_arcsec)
            known = own is None or (isinstance(own, float) and own > 0)
            return _aperture(fiber_arcsec) / _aperture(own if known else fiber_arcsec)
        return CGS * _aperture(fiber_arcsec) / _PUBLIC_APERTURE

    @property
    def settings(self) -> dict[str, Any]:
        """Return how a file that this workflow wrote was made, as its provenance says; of others nothing."""
        try:
            found = json.loads(self.file.attrs["provenance"])["settings"]
        except (ValueError, KeyError, TypeError):
            return {}
        return found if self.ours and isinstance(found, dict) else {}

    @property
    def spectrum_factor(self) -> float:
        """Return what a spectrum's flux is multiplied by to be ours."""
        return 1.0 if self.ours else CGS

    def has(self, name: str) -> bool:
        """Return whether there is a dataset of that name."""
        return isinstance(self.file.get(name), h5py.Dataset)

    def metadata_name(self, kind: str) -> str:
        """Return the name of the headers in row order of the sparse cube, ``images`` or ``spectra``.

        Raises
        ------
        HissError
            The file has none, or its texts are of no bounded length.
        """
        for name in (f"semi_sparse_cube/0/{kind}/metadata", f"fits_{kind}_metadata"):
            if self.has(name):
                self._check_texts(name)
                return name
        raise HissError(f"{self.path}: has no headers of its {kind}, so its rows cannot be told apart; {_REMEDY}")

    def _check_texts(self, name: str) -> None:
        dtype = self.file[name].dtype
        for field in ("path", "header"):
            part = dtype[field] if field in (dtype.names or ()) else np.dtype("V1")
            if part.kind != "S" or part.itemsize > _LARGEST_TEXT or self.file[name].ndim != 1:
                raise HissError(f"{self.path}: {name} is no table of path and header of bounded length; {_REMEDY}")

    def sources(self, kind: str) -> Iterator[SourceFile | BadInput]:
        """Yield the files behind the rows of the sparse cube, or the sentence of one that cannot be told.

        Parameters
        ----------
        kind
            ``images`` or ``spectra``.
        """
        table = self.file[self.metadata_name(kind)]
        for first in range(0, len(table), _ROWS):
            rows = table[first : first + _ROWS]
            for row, (path, header) in enumerate(zip(rows["path"].tolist(), rows["header"].tolist()), first):
                yield self._source(row, path, header)

    def _source(self, row: int, path: bytes, header: bytes) -> SourceFile | BadInput:
        name = _text(path)
        try:
            cards = json.loads(header)
        except (ValueError, RecursionError):
            return BadInput(f"{name or f'row {row}'}: its header in {self.path.name} is not JSON; leave it out")
        if not name or not isinstance(cards, dict):
            return BadInput(f"{name or f'row {row}'}: {self.path.name} holds no header of it; leave it out")
        return SourceFile(row, name, cards)

    def listed(self, kind: str) -> list[str]:
        """Return the paths of all files the cube was made of, those that could not be read among them."""
        name = f"fits_{kind}_metadata"
        if not self.has(name):
            name = self.metadata_name(kind)
        self._check_texts(name)
        return [text for text in map(_text, self.file[name].fields("path")[:].tolist()) if text]

    def references(self, name: str) -> h5py.Dataset:
        """Return a dense table of references; `HissError` where it is missing or of another type."""
        item = self.file.get(name)
        if (
            not isinstance(item, h5py.Dataset)
            or item.dtype.names != REFERENCE_DTYPE.names
            or len(item) != self.n_targets
            or item.dtype["ds_path"].kind != "S"
            or any(item.dtype[field].kind not in "iu" for field in item.dtype.names[1:])
        ):
            raise HissError(f"{self.path}: has no references {name}, a row a target; {_REMEDY}")
        return item

    def image_references(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Yield rows of targets with their cutouts' and headers' references, (n, 5, width) each."""
        group = ml_image_group(0)
        windows, headers = (self.references(f"{group}/{name}") for name in ("image_cutout_refs", "image_metadata_refs"))
        if windows.shape != headers.shape or windows.shape[1:2] != (len(BANDS),):
            raise HissError(f"{self.path}: the references of its cutouts and headers do not match; {_REMEDY}")
        for first in range(0, self.n_targets, _ROWS):
            rows = slice(first, min(first + _ROWS, self.n_targets))
            yield rows, windows[rows].astype(REFERENCE_DTYPE), headers[rows].astype(REFERENCE_DTYPE)

    def spectrum_references(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield each target and the references to its spectra's headers."""
        table = self.references(f"{ml_spectrum_group(0)}/spec_metadata_refs")
        for first in range(0, self.n_targets, _ROWS):
            for target, row in enumerate(table[first : first + _ROWS].astype(REFERENCE_DTYPE), first):
                yield target, row[row["ds_path"] != b""]


@contextmanager
def open_public(path: Path | str) -> Iterator[PublicCube]:
    """Open a cube of the public format for reading.

    Raises
    ------
    HissError
        It is missing, damaged, or not such a cube.
    """
    path = Path(path)
    if not path.is_file():
        raise HissError(f"{path}: is not there; {_REMEDY}")
    try:
        with h5py.File(path, "r") as file:
            yield PublicCube(file, path)
    except (OSError, RuntimeError) as error:
        if "write" in str(error) or getattr(error, "errno", None) is not None:  # of a file that is made from it
            raise
        raise HissError(f"{path}: cannot be read throughout ({error}); copy it again, or {_REMEDY}") from error


def _aperture(fiber_arcsec: float | None) -> float:
    """Give the area of a fibre over that of a pixel; 1 without a fibre."""
    return 1.0 if fiber_arcsec is None else float(np.pi * (fiber_arcsec / 2) ** 2 / PIXEL_SCALE**2)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else str(value).strip()
