"""Fewer bits in the mantissa: values that a filter compresses better, at a known loss."""

from typing import Final

import numpy as np

_MANTISSA_BITS: Final = 23  # of a float32


def round_mantissa(array: np.ndarray, bits: int | None) -> np.ndarray:
    """Return values rounded to so many bits of mantissa, ties to even.

    Parameters
    ----------
    array
        Any shape, float32. NaN and infinities are kept, and so are the few largest numbers that would round to
        infinity.
    bits
        1 to 22; None gives the array itself back.

    Returns
    -------
    A new array of the same shape, float32. The fractional error of a normal number is below 2^-(bits + 1).

    Raises
    ------
    ValueError
        The array is not float32, or there are not so many bits to keep.
    """
    if bits is None:
        return array
    if array.dtype != np.float32 or not 1 <= bits < _MANTISSA_BITS:
        raise ValueError(f"{bits} bits of {array.dtype} cannot be kept: 1 to {_MANTISSA_BITS - 1} of float32 can")
    dropped = _MANTISSA_BITS - bits
    pattern = np.ascontiguousarray(array).view(np.uint32)
    # A carry out of the mantissa raises the exponent by one, which is the next power of two: still the right number.
    rounded = pattern >> np.uint32(dropped)
    rounded &= np.uint32(1)
    rounded += pattern
    rounded += np.uint32((1 << (dropped - 1)) - 1)
    rounded &= np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
    values = rounded.view(np.float32)
    lost = ~(np.isfinite(array) & np.isfinite(values))  # of a NaN of many bits the carry makes a number
    if lost.any():
        values[lost] = array[lost]
    return values
