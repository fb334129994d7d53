"""A picture as small RGB arrays."""

import struct
import warnings
import zlib
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from hiss.errors import BadInput

_DAMAGE: Final = (
    OSError, EOFError, SyntaxError, ValueError, IndexError, struct.error, zlib.error,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip
"""What Pillow's readers raise for bytes that are not as their form says."""

_FORMATS: Final = ("PNG", "JPEG", "WEBP", "BMP")  # others have readers that start programs
_MOST_PIXELS: Final = 50_000_000


def read_picture(data: bytes, name: str, side: int) -> NDArray[np.uint8]:
    """Return a picture (3, side, side) uint8: all of the frame, averaged down and squeezed into a square.

    Parameters
    ----------
    data
        Bytes of a PNG, a JPEG, a WebP or a BMP.
    name
        The file's name, for messages.

    Raises
    ------
    BadInput
        For a file that is truncated, damaged or no picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=_FORMATS) as image:
                if image.width * image.height > _MOST_PIXELS:
                    raise BadInput(f"{name}: {image.width} x {image.height} pixels, which no frame has")
                image.draft("RGB", (2 * side, 2 * side))  # a JPEG is read no finer than that
                small = image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
    except UnidentifiedImageError:
        raise BadInput(f"{name}: is no picture") from None
    except _DAMAGE as error:
        raise BadInput(f"{name}: is truncated or damaged ({error})") from None
    return np.ascontiguousarray(np.moveaxis(np.asarray(small, dtype=np.uint8), 2, 0))


def write_picture(values: NDArray[np.uint8]) -> bytes:
    """Return an RGB picture (height, width, 3) as the bytes of a PNG, the same each time."""
    stream = BytesIO()
    Image.fromarray(values).save(stream, format="PNG", compress_level=6)
    return stream.getvalue()
