"""The SDSS objID: the field and the object packed in 63 bits."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hiss.errors import HissError

_FIELDS: Final = (
    ("sky_version", 59, 4),
    ("rerun", 48, 11),
    ("run", 32, 16),
    ("camcol", 29, 3),
    ("first_field", 28, 1),
    ("field", 16, 12),
    ("object", 0, 16),
)


class ObjId(NamedTuple):
    """Parts of an objID, int64, scalars or arrays of one shape."""

    sky_version: np.ndarray
    rerun: np.ndarray
    run: np.ndarray
    camcol: np.ndarray
    first_field: np.ndarray
    field: np.ndarray
    object: np.ndarray


def unpack_objid(objid: npt.ArrayLike) -> ObjId:
    """Return the parts of objIDs (int64, any shape).

    Notes
    -----
    Bits: SDSS, "photometric object identifiers" (objID).
    """
    packed = np.asarray(objid, dtype=np.int64)
    return ObjId(*((packed >> shift) & ((1 << bits) - 1) for _, shift, bits in _FIELDS))


def pack_objid(
    run: npt.ArrayLike,
    camcol: npt.ArrayLike,
    field: npt.ArrayLike,
    object: npt.ArrayLike,
    rerun: npt.ArrayLike = 301,
    sky_version: npt.ArrayLike = 2,
    first_field: npt.ArrayLike = 0,
) -> np.ndarray:
    """Return objIDs (int64) of their parts.

    Raises
    ------
    HissError
        A part does not fit its bits.
    """
    parts = ObjId(*(np.asarray(part, dtype=np.int64) for part in (
        sky_version, rerun, run, camcol, first_field, field, object
    )))  # fmt: skip
    packed: np.ndarray = np.zeros((), dtype=np.int64)
    for (name, shift, bits), part in zip(_FIELDS, parts):
        if ((part < 0) | (part >= 1 << bits)).any():
            raise HissError(f"a {name} does not fit the {bits} bits of an SDSS objID; check the ids")
        packed = packed | (part << shift)
    return packed
