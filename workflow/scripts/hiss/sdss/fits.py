"""FITS through astropy, with a sentence for every way a file can be damaged."""

import bz2
import gzip
import io
import shutil
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyError
from astropy.utils.exceptions import AstropyWarning
from numpy.lib.recfunctions import rename_fields

from hiss.errors import BadInput

Header = dict[str, str | int | float | bool]

BLOCK: Final = 2880
_OPEN_PACKED: Final[dict[str, Callable[..., Any]]] = {".bz2": bz2.open, ".gz": gzip.open}
_KINDS: Final = (fits.PrimaryHDU, fits.ImageHDU, fits.BinTableHDU)
_COMMENTARY: Final = ("COMMENT", "HISTORY", "")


@contextmanager
def open_fits(path: Path | str, memmap: bool = False) -> Iterator[fits.HDUList]:
    """Open a FITS file; ``.bz2`` and ``.gz`` are decompressed once (astropy would decompress bzip2 twice).

    Parameters
    ----------
    memmap
        For long tables of which few columns are read: the file is mapped, a packed one from a temporary copy.

    Raises
    ------
    BadInput
        The file is missing, empty, truncated or corrupt, or no FITS file, also when that shows only inside.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{path}: the file is missing; fetch it again or make a new manifest")
    if path.stat().st_size == 0:
        raise BadInput(f"{path}: the file is empty; fetch it again")
    with _plain(path, memmap) as source, corrupt_is_bad(path), warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)  # what they warn of is checked here
        try:
            hdus = fits.open(source, memmap=memmap, lazy_load_hdus=True)
        except OSError as error:
            if "SIMPLE" in str(error):
                raise BadInput(f"{path}: this is not a FITS file; fetch it again") from error
            raise BadInput(f"{path}: the file is truncated or corrupt ({error}); fetch it again") from error
        with hdus:
            yield hdus


@contextmanager
def _plain(path: Path, on_disk: bool) -> Iterator[BinaryIO]:
    """Give the decompressed bytes of a file, in memory or, when they are to be mapped, on disk."""
    if path.suffix not in _OPEN_PACKED:
        try:
            stream = path.open("rb")
        except OSError as error:
            raise BadInput(f"{path}: the file cannot be read ({error.strerror}); check its permissions") from error
        with stream:
            yield stream
        return
    with tempfile.NamedTemporaryFile() if on_disk else io.BytesIO() as unpacked:
        try:
            with _OPEN_PACKED[path.suffix](path) as packed:
                shutil.copyfileobj(packed, unpacked, 2**20)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise BadInput(
                f"{path}: the compressed stream is truncated or corrupt ({error}); fetch it again"
            ) from error
        unpacked.seek(0)
        if isinstance(unpacked, io.BytesIO):
            yield unpacked
        else:
            with Path(unpacked.name).open("rb") as stream:  # astropy maps what is open for reading alone
                yield stream


@contextmanager
def corrupt_is_bad(path: Path) -> Iterator[None]:
    """Turn what damaged bytes do to a parser into `BadInput`."""
    try:
        yield
    except (ArithmeticError, LookupError, TypeError, ValueError, MemoryError, OSError, VerifyError) as error:
        raise BadInput(f"{path}: the file is corrupt ({error}); fetch it again") from error


def first_hdus(hdus: fits.HDUList, n: int, path: Path) -> list[Any]:
    """Return the first HDUs, at most n, without a look at those behind them.

    Raises
    ------
    BadInput
        There are fewer and the file does not end where they do: astropy passes over a header that breaks off.
    """
    found: list[Any] = []
    while len(found) < n:
        try:
            found.append(hdus[len(found)])
        except IndexError:
            if not isinstance(found[-1], _KINDS):
                raise BadInput(f"{path}: the file is corrupt in HDU {len(found) - 1}; fetch it again") from None
            place = found[-1].fileinfo()
            if place["file"].size != place["datLoc"] + place["datSpan"]:
                raise BadInput(f"{path}: the file is truncated in HDU {len(found)}; fetch it again") from None
            break
    return found


def plain_header(header: fits.Header) -> Header:
    """Return the keys and values of a header, without commentary and keys that have no value."""
    values = {card.keyword: card.value for card in reversed(header.cards) if card.keyword not in _COMMENTARY}
    return {key: value for key, value in reversed(values.items()) if isinstance(value, str | int | float | bool)}


def _demand_whole(hdu: Any, kinds: Any, path: Path) -> None:
    """Raise `BadInput` when an HDU is not of its kind, or the file ends before it does."""
    if not isinstance(hdu, kinds):
        raise BadInput(f"{path}: the file is corrupt in HDU {hdu.name or 'PRIMARY'}; fetch it again")
    place = hdu.fileinfo()
    if place["datLoc"] + hdu.size > place["file"].size:
        raise BadInput(f"{path}: the file is truncated in HDU {hdu.name or 'PRIMARY'}; fetch it again")


def read_image(hdu: Any, path: Path) -> np.ndarray:
    """Return the image of an HDU as float32, last FITS axis first."""
    _demand_whole(hdu, (fits.PrimaryHDU, fits.ImageHDU), path)
    return np.empty(0, np.float32) if hdu.data is None else hdu.data.astype(np.float32)


def read_rows(hdu: Any, path: Path) -> np.ndarray:
    """Return the rows of a binary table as a structured array (big-endian, unscaled), names in upper case."""
    _demand_whole(hdu, (fits.BinTableHDU,), path)
    rows = hdu.data.view(np.ndarray)
    return np.asarray(rename_fields(rows, {name: name.upper() for name in rows.dtype.names or ()}))


def text(value: Any) -> str:
    """Return a text cell of a table without its padding."""
    return bytes(value).split(b"\0", 1)[0].decode("latin-1").strip()
