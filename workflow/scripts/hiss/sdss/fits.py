"""FITS through astropy, with a sentence for every way a file can be damaged."""

import bz2
import errno
import gzip
import io
import math
import re
import shutil
import tempfile
import warnings
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyError
from astropy.utils.exceptions import AstropyWarning

from hiss.errors import BadInput, HissError

Header = dict[str, str | int | float | bool]

BLOCK: Final = 2880
_OF_THE_MACHINE: Final = {
    getattr(errno, name) for name in ("EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EDQUOT", "ESTALE", "ETIMEDOUT")
}
_OPEN_PACKED: Final[dict[str, Callable[..., Any]]] = {".bz2": bz2.open, ".gz": gzip.open}
_KINDS: Final = (fits.PrimaryHDU, fits.ImageHDU, fits.BinTableHDU)
_COMMENTARY: Final = (b"COMMENT", b"HISTORY", b"")
_CARD: Final = 80  # bytes
_PLAIN_CARD: Final = re.compile(
    rb"[A-Z0-9_-]+ *= +(?:'(?P<text>(?:[ -&(-~]|'')*)'|(?P<flag>[TF])|(?P<whole>[+-]?\d+)|"
    rb"(?P<number>[+-]?\d+\.\d*(?:E[+-]?\d+)?))? *(?:/[ -~]*)?"
)
_RECORD_VALUE: Final = re.compile(rb": +[-+.\d]|&$")  # a record-valued card, or a long text that goes on
_COLUMN_CARD: Final = re.compile(rb"(?P<key>TTYPE|TFORM)(?P<number>[1-9]\d{0,2}) *= *'(?P<text>[^']*)'")
_COLUMN_FORM: Final = re.compile(r"(\d*)([LXBIJKAEDCMPQ])")
_NUMPY_FORM: Final = {"L": "i1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "A": "S", "E": ">f4", "D": ">f8"}
_NUMPY_BITPIX: Final = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_BYTES: Final = {"L": 1, "B": 1, "I": 2, "J": 4, "K": 8, "A": 1, "E": 4, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16}


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
    with _plain(path, memmap) as source, warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)  # what they warn of is checked here
        with _opened(source, memmap, path) as hdus:
            yield hdus


def _opened(source: BinaryIO, memmap: bool, path: Path) -> fits.HDUList:
    with corrupt_is_bad(path):
        try:
            return fits.open(source, memmap=memmap, lazy_load_hdus=True)
        except OSError as error:
            _demand_sound_machine(path, error)
            foreign = "SIMPLE" in str(error)
            what = "this is not a FITS file" if foreign else f"the file is truncated or corrupt ({error})"
            raise BadInput(f"{path}: {what}; fetch it again") from error


@contextmanager
def _plain(path: Path, on_disk: bool) -> Iterator[BinaryIO]:
    """Give the decompressed bytes of a file, in memory or, when they are to be mapped, on disk."""
    if path.suffix not in _OPEN_PACKED:
        try:
            stream = path.open("rb")
        except (OSError, MemoryError) as error:
            _demand_sound_machine(path, error)
            raise BadInput(f"{path}: the file cannot be read ({error}); check its permissions") from error
        with stream:
            yield stream
        return
    with tempfile.NamedTemporaryFile() if on_disk else io.BytesIO() as unpacked:
        try:
            with _OPEN_PACKED[path.suffix](path) as packed:
                shutil.copyfileobj(packed, unpacked, 2**20)
        except (OSError, EOFError, MemoryError, ValueError, zlib.error) as error:
            _demand_sound_machine(path, error)
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
    """Turn what damaged bytes do to a parser into `BadInput`; for calls of parsers alone.

    What is done with their values stands outside: an error there is ours, and the file would be lost for it.

    Raises
    ------
    HissError
        The machine, not the file, is at fault: to set the file aside would lose it in silence.
    """
    try:
        yield
    except (ArithmeticError, LookupError, TypeError, ValueError, MemoryError, OSError, VerifyError) as error:
        _demand_sound_machine(path, error)
        raise BadInput(f"{path}: the file is corrupt ({error}); fetch it again") from error


def _demand_sound_machine(path: Path, error: Exception) -> None:
    """Raise `HissError` where an error says nothing of the file."""
    of_the_disk = isinstance(error, OSError) and error.errno in _OF_THE_MACHINE
    if of_the_disk or isinstance(error, MemoryError):
        what = "no memory was left" if isinstance(error, MemoryError) else str(error)
        raise HissError(
            f"{path}: could not be read ({what}), through no fault of the file; see to the machine or its "
            "file system and run the same command again"
        ) from error


def first_hdus(hdus: fits.HDUList, n: int, path: Path) -> list[Any]:
    """Return the first HDUs, at most n, without a look at those behind them.

    Raises
    ------
    BadInput
        There are fewer and the file does not end where they do: astropy passes over a header that breaks off.
    """
    found: list[Any] = []
    with corrupt_is_bad(path):
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


def holds_table(hdu: Any) -> bool:
    """Return whether an HDU is a binary table."""
    return isinstance(hdu, fits.BinTableHDU)


def name_of(hdu: Any, path: Path) -> str:
    """Return an HDU's name in upper case; `BadInput` where it cannot be read."""
    with corrupt_is_bad(path):
        return str(hdu.name)


def plain_header(hdu: Any, path: Path) -> Header:
    """Return the keys and values of an HDU's header, without commentary and keys that have no value.

    Cards of plain form are read here, ten times as fast as by astropy, which reads a header that has any other.

    Raises
    ------
    BadInput
        A card cannot be read.
    """
    with corrupt_is_bad(path):
        found = _plain_cards(hdu)
        if found is None:
            cards = hdu.header.cards
            found = [(card.keyword, card.value) for card in cards if card.keyword.encode() not in _COMMENTARY]
    values = dict(reversed(found))
    return {key: value for key, value in reversed(values.items()) if isinstance(value, str | int | float | bool)}


def _plain_cards(hdu: Any) -> list[tuple[str, Any]] | None:
    """Return the cards of a header where all are of plain form."""
    found: list[tuple[str, Any]] = []
    for card in _cards(hdu):
        keyword = card[:8].rstrip()
        if keyword == b"END":
            break
        if keyword in _COMMENTARY:
            continue
        match = _PLAIN_CARD.fullmatch(card)
        if match is None or _RECORD_VALUE.search(match["text"] or b""):
            return None
        found.append((keyword.decode(), _plain_value(match)))
    return found


def _cards(hdu: Any) -> Iterator[bytes]:
    """Give the 80 bytes of each card of a header as they are in the file."""
    header = _header_bytes(hdu)
    return (header[start : start + _CARD] for start in range(0, len(header), _CARD))


def _header_bytes(hdu: Any) -> bytes:
    place = hdu.fileinfo()
    place["file"].seek(place["hdrLoc"])
    return bytes(place["file"].read(place["datLoc"] - place["hdrLoc"]))


def _plain_value(match: re.Match[bytes]) -> Any:
    """Return the value of a card of plain form; None where it has none."""
    if match["text"] is not None:
        return match["text"].replace(b"''", b"'").rstrip().decode()
    if match["flag"] is not None:
        return match["flag"] == b"T"
    if match["whole"] is not None:
        return int(match["whole"])
    return None if match["number"] is None else float(match["number"])


def _demand_whole(hdu: Any, kinds: Any, path: Path) -> None:
    """Raise `BadInput` when an HDU is not of its kind, or the file ends before it does."""
    if not isinstance(hdu, kinds):
        raise BadInput(f"{path}: the file is corrupt in HDU {hdu.name or 'PRIMARY'}; fetch it again")
    place = hdu.fileinfo()
    if place["datLoc"] + hdu.size > place["file"].size:
        raise BadInput(f"{path}: the file is truncated in HDU {hdu.name or 'PRIMARY'}; fetch it again")


def _content(hdu: Any, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Return the first bytes of an HDU's data as an array: mapped where the file is, else read."""
    place = hdu.fileinfo()
    file, start = place["file"], place["datLoc"]
    if file.memmap:
        return np.memmap(file.name, dtype, "r", start, shape)
    file.seek(start)
    return np.frombuffer(file.read(dtype.itemsize * math.prod(shape)), dtype).reshape(shape)


def read_image(hdu: Any, path: Path) -> np.ndarray:
    """Return the image of an HDU, float32, last FITS axis first.

    It is a view of the file, big-endian, where that is mapped and holds float32. Others are converted.
    """
    with corrupt_is_bad(path):
        _demand_whole(hdu, (fits.PrimaryHDU, fits.ImageHDU), path)
        if not hdu.shape:
            return np.empty(0, np.float32)
        image = _content(hdu, np.dtype(_NUMPY_BITPIX[hdu.header["BITPIX"]]), hdu.shape)
        scale, zero = hdu.header.get("BSCALE", 1), hdu.header.get("BZERO", 0)
        if (scale, zero) != (1, 0):
            image = image * np.float64(scale) + zero
        return image if image.dtype == np.dtype(">f4") else image.astype(np.float32)


def read_rows(hdu: Any, path: Path, columns: Collection[str] | None = None) -> np.ndarray:
    """Return rows of a binary table as a structured array (big-endian, unscaled), names in upper case.

    Only the columns that are asked for are looked at: astropy makes an object of each of a table's, which takes
    20 ms for the 200 of an SDSS spectrum's SPECOBJ.

    Parameters
    ----------
    columns
        Names in upper case; those the table lacks are absent from the result. None: all of them.

    Raises
    ------
    BadInput
        The HDU is no table, broken off, or its columns do not fill its rows.
    """
    with corrupt_is_bad(path):
        _demand_whole(hdu, (fits.BinTableHDU,), path)
        width, rows = (hdu.header[key] for key in ("NAXIS1", "NAXIS2"))
        fields, end = _fields(_header_bytes(hdu))
        if end != width:
            raise BadInput(f"{path}: the columns of HDU {hdu.name} do not fill its rows; fetch the file again")
        wanted = {name: field for name, field in fields.items() if columns is None or name in columns}
        dtype = np.dtype(
            {
                "names": list(wanted),
                "formats": [form for form, _ in wanted.values()],
                "offsets": [offset for _, offset in wanted.values()],
                "itemsize": width,
            }
        )
        return _content(hdu, dtype, (rows,))


def converted(cells: Any, dtype: type[np.generic], path: Path) -> np.ndarray:
    """Return a column or cells of a table as numbers of a type.

    Raises
    ------
    BadInput
        They are of a form, or have values, that do not fit it.
    """
    with corrupt_is_bad(path), np.errstate(invalid="raise"):
        return np.asarray(cells).astype(dtype)


def _fields(header: bytes) -> tuple[dict[str, tuple[Any, int]], int]:
    """Return NumPy's form and the offset of each column of a table, and the end of the last.

    Columns of bits, complex numbers and variable length are passed over.
    """
    names: dict[int, str] = {}
    forms: dict[int, str] = {}
    for match in _COLUMN_CARD.finditer(header):
        if match.start() % _CARD == 0:
            kept = names if match["key"] == b"TTYPE" else forms
            kept[int(match["number"])] = match["text"].rstrip().decode("latin-1").upper()
    fields: dict[str, tuple[Any, int]] = {}
    offset = 0
    for number in sorted(forms):
        match_form = _COLUMN_FORM.match(forms[number])
        if match_form is None:
            raise ValueError(f"TFORM{number} is {forms[number]!r}")
        count, code = int(match_form[1] or 1), match_form[2]
        if code in _NUMPY_FORM and count > 0:
            form = f"S{count}" if code == "A" else (_NUMPY_FORM[code], () if count == 1 else (count,))
            fields.setdefault(names.get(number, f"COL{number}"), (form, offset))
        offset += -(-count // 8) if code == "X" else count * _BYTES[code]
    return fields, offset


def text(value: Any) -> str:
    """Return a text cell of a table without its padding."""
    return bytes(value).split(b"\0", 1)[0].decode("latin-1").strip()
