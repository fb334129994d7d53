"""A few cards of a primary header, without reading the file behind it."""

import bz2
import gzip
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, BinaryIO, Final

from astropy.io import fits

from hiss.errors import BadInput
from hiss.sdss.fits import BLOCK, Header, corrupt_is_bad

_OPEN: Final[dict[str, Callable[..., Any]]] = {".bz2": bz2.open, ".gz": gzip.open}
_MOST_BLOCKS: Final = 200  # of a header; real ones have 3 to 12
_CARD: Final = 80


def read_cards(path: Path | str, names: Collection[str]) -> Header:
    """Return those of some cards that a file's primary header has, plain or compressed by gzip or bzip2.

    Of a compressed file only the first block of the compression is unpacked. The interpreter is free meanwhile,
    so that threads read side by side.

    Raises
    ------
    BadInput
        The file is missing or no FITS file, or its header breaks off or does not end.
    """
    path = Path(path)
    wanted = {name.ljust(8).encode(): name for name in names}
    found: Header = {}
    try:
        with _OPEN.get(path.suffix, open)(path, "rb") as stream, corrupt_is_bad(path):
            for card in _cards(stream, path):
                if (name := wanted.get(card[:8])) and name not in found:
                    value = fits.Card.fromstring(card).value
                    if isinstance(value, str | int | float | bool):
                        found[name] = value
    except FileNotFoundError:
        raise BadInput(f"{path}: the file is missing; fetch it again or make a new manifest") from None
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: the file cannot be read ({error}); fetch it again") from error
    return found


def _cards(stream: BinaryIO, path: Path) -> list[bytes]:
    cards: list[bytes] = []
    for number in range(_MOST_BLOCKS):
        block = stream.read(BLOCK)
        if number == 0 and not block.startswith(b"SIMPLE  ="):
            raise BadInput(f"{path}: this is not a FITS file; fetch it again")
        if len(block) < BLOCK:
            raise BadInput(f"{path}: the file is truncated in its header; fetch it again")
        for start in range(0, BLOCK, _CARD):
            card = block[start : start + _CARD]
            if card[:8] == b"END     ":
                return cards
            cards.append(card)
    raise BadInput(f"{path}: the header does not end; fetch it again")
