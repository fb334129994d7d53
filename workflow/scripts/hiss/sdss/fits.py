"""A lean FITS reader: the headers and tables of a million small files, each in a millisecond."""

import bz2
import gzip
import io
import math
import re
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from hiss.errors import BadInput

Header = dict[str, str | int | float | bool]

BLOCK: Final = 2880
_CARD: Final = 80
_ROWS: Final = 2**15  # of a long table read at a time
_IMAGE_DTYPE: Final = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_COLUMN_DTYPE: Final = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_COLUMN_BYTES: Final = {"C": 8, "M": 16, "P": 8, "Q": 16}
_OPEN_PACKED: Final[dict[str, Callable[..., Any]]] = {".bz2": bz2.open, ".gz": gzip.open}
_FORM = re.compile(r"(\d*)([LXBIJKAEDCMPQ])")
_STRING = re.compile(r"'((?:[^']|'')*)'")
_COMMENTARY: Final = ("COMMENT", "HISTORY", "", "CONTINUE")


@dataclass(frozen=True)
class Hdu:
    """Header of one HDU and the place of its data in the stream."""

    index: int
    header: Header
    offset: int
    size: int

    @property
    def name(self) -> str:
        """EXTNAME in upper case, empty where absent."""
        return str(self.header.get("EXTNAME", "")).strip().upper()


def open_fits(path: Path | str) -> BinaryIO:
    """Open a FITS file for reading; ``.bz2`` and ``.gz`` are decompressed into memory, once.

    Raises
    ------
    BadInput
        The file is missing or empty, or its compressed stream is truncated or corrupt.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{path}: the file is missing; fetch it again or make a new manifest")
    if path.stat().st_size == 0:
        raise BadInput(f"{path}: the file is empty; fetch it again")
    try:
        if path.suffix not in _OPEN_PACKED:
            return path.open("rb", buffering=2**18)
        compressed = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: the file cannot be read ({error.strerror}); check its permissions") from error
    try:
        with _OPEN_PACKED[path.suffix](io.BytesIO(compressed)) as packed:
            stream = io.BytesIO()
            shutil.copyfileobj(packed, stream, 2**20)  # by parts: one call for all holds it twice for a moment
            stream.seek(0)
            return stream
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BadInput(f"{path}: the compressed stream is truncated or corrupt ({error}); fetch it again") from error


@contextmanager
def corrupt_is_bad(path: Path) -> Iterator[None]:
    """Turn what damaged bytes do to a parser into `BadInput`."""
    try:
        yield
    except (ArithmeticError, LookupError, TypeError, ValueError, MemoryError, OSError) as error:
        raise BadInput(f"{path}: the file is corrupt ({error}); fetch it again") from error


def read_hdus(stream: BinaryIO, path: Path, first: int) -> list[Hdu]:
    """Return the first HDUs of a FITS stream, at most ``first`` of them, without their data.

    Raises
    ------
    BadInput
        Not a FITS file, or a header that breaks off.
    """
    hdus: list[Hdu] = []
    offset = 0
    while len(hdus) < first:
        stream.seek(offset)
        header, length = _read_header(stream, path, len(hdus))
        if not length:
            if stream.seek(0, io.SEEK_END) < offset:
                raise BadInput(f"{path}: the file is truncated in HDU {len(hdus) - 1}; fetch it again")
            break
        size = _data_size(header)
        hdus.append(Hdu(len(hdus), header, offset + length, size))
        offset += length + -(-size // BLOCK) * BLOCK
    return hdus


def _read_header(stream: BinaryIO, path: Path, index: int) -> tuple[Header, int]:
    """Parse one header; give its length in bytes, 0 at the end of the file."""
    header: Header = {}
    length = 0
    while True:
        block = stream.read(BLOCK)
        if not block.strip(b"\0 ") and not length and index:
            return header, 0
        if index == 0 and length == 0 and not block.startswith(b"SIMPLE  ="):
            raise BadInput(f"{path}: this is not a FITS file; fetch it again")
        if len(block) < BLOCK or (index and length == 0 and not block.startswith(b"XTENSION")):
            raise BadInput(f"{path}: the file is truncated or corrupt in HDU {index}; fetch it again")
        length += BLOCK
        text = block.decode("latin-1")
        for start in range(0, BLOCK, _CARD):
            card = text[start : start + _CARD]
            if card.startswith("END") and not card[3:].strip():
                return header, length
            _read_card(card, header)


def _read_card(card: str, header: Header) -> None:
    key = card[:8].strip()
    if key in _COMMENTARY or card[8:10] != "= ":
        return
    value = _value(card[10:])
    if value is not None:
        header[key] = value


def _value(text: str) -> str | int | float | bool | None:
    text = text.strip()
    if text.startswith("'"):
        match = _STRING.match(text)
        return match.group(1).replace("''", "'").rstrip() if match else text[1:].rstrip()
    text = text.partition("/")[0].strip()
    if text in ("T", "F"):
        return text == "T"
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text.replace("D", "E"))
    except ValueError:
        return text or None
    return number if math.isfinite(number) else text


def _axes(header: Header) -> list[int]:
    axes = [int(header.get(f"NAXIS{axis}", -1)) for axis in range(1, int(header.get("NAXIS", 0)) + 1)]
    if any(axis < 0 for axis in axes):
        raise ValueError("an axis without a length")
    return axes


def _data_size(header: Header) -> int:
    axes = _axes(header)
    if not axes:
        return 0
    size = abs(int(header["BITPIX"])) // 8 * (math.prod(axes) + int(header.get("PCOUNT", 0)))
    if size < 0:
        raise ValueError("data of negative size")
    return size


def read_bytes(stream: BinaryIO, hdu: Hdu, path: Path) -> bytes:
    """Return the data of an HDU; `BadInput` when the file ends before them."""
    end = stream.seek(0, io.SEEK_END)
    stream.seek(hdu.offset)
    data = stream.read(hdu.size) if hdu.offset + hdu.size <= end else b""
    if len(data) < hdu.size:
        raise BadInput(f"{path}: the file is truncated or corrupt in HDU {hdu.index}; fetch it again")
    return data


def read_image(stream: BinaryIO, hdu: Hdu, path: Path) -> np.ndarray:
    """Return the image of an HDU as float32, scaled by BSCALE and BZERO, last FITS axis first."""
    bitpix = int(hdu.header.get("BITPIX", 0))
    if bitpix not in _IMAGE_DTYPE:
        raise BadInput(f"{path}: HDU {hdu.index} has BITPIX {bitpix}, which FITS does not know")
    raw = np.frombuffer(read_bytes(stream, hdu, path), dtype=_IMAGE_DTYPE[bitpix])
    scale, zero = float(hdu.header.get("BSCALE", 1.0)), float(hdu.header.get("BZERO", 0.0))
    image = raw.astype(np.float32) if (scale, zero) == (1.0, 0.0) else (raw * scale + zero).astype(np.float32)
    return image.reshape(_axes(hdu.header)[::-1])


def read_rows(stream: BinaryIO, hdu: Hdu, path: Path) -> np.ndarray:
    """Return the rows of a binary table as a structured array (big-endian, unscaled), names in upper case."""
    dtype = table_dtype(hdu, path)
    rows = int(hdu.header["NAXIS2"])
    data = read_bytes(stream, hdu, path)
    return np.frombuffer(data, dtype=dtype, count=rows)


def read_columns(stream: BinaryIO, hdu: Hdu, path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return some columns of a long binary table as `read_rows` does, without all of its rows in memory at once."""
    dtype = table_dtype(hdu, path)
    rows = int(hdu.header["NAXIS2"])
    columns = {name: np.empty(rows, dtype[name]) for name in names}
    for start in range(0, rows, _ROWS):
        count = min(_ROWS, rows - start)
        part = replace(hdu, offset=hdu.offset + start * dtype.itemsize, size=count * dtype.itemsize)
        block = np.frombuffer(read_bytes(stream, part, path), dtype=dtype)
        for name, column in columns.items():
            column[start : start + count] = block[name]
    return columns


def table_dtype(hdu: Hdu, path: Path) -> np.dtype:
    """Return the dtype of one row of a binary table; `BadInput` where header and row length disagree."""
    header = hdu.header
    fields: list[tuple[str, str, tuple[int, ...]]] = []
    for column in range(1, int(header.get("TFIELDS", 0)) + 1):
        match = _FORM.match(str(header.get(f"TFORM{column}", "")).strip())
        if match is None:
            raise BadInput(f"{path}: column {column} of HDU {hdu.index} has no format; fetch the file again")
        count, code = int(match.group(1) or 1), match.group(2)
        name = str(header.get(f"TTYPE{column}", f"COL{column}")).strip().upper()
        if any(name == field[0] for field in fields):
            name = f"{name}_{column}"
        fields.append((name, *_field(count, code)))
    dtype = np.dtype([(name, kind, shape) if shape != (1,) else (name, kind) for name, kind, shape in fields])
    if dtype.itemsize != int(header.get("NAXIS1", -1)):
        raise BadInput(f"{path}: the columns of HDU {hdu.index} do not fill its rows; fetch the file again")
    return dtype


def _field(count: int, code: str) -> tuple[str, tuple[int, ...]]:
    """Give numpy's kind and shape of a column; what is never read here is opaque bytes."""
    if code == "A":
        return f"S{count}", (1,)
    if code == "X":
        return f"V{-(-count // 8)}", (1,)
    if code in _COLUMN_BYTES:
        return f"V{count * _COLUMN_BYTES[code]}", (1,)
    return _COLUMN_DTYPE[code], (count,)


def text(value: Any) -> str:
    """Return a text cell of a table without its padding."""
    return bytes(value).split(b"\0", 1)[0].decode("latin-1").strip()
