"""What the catalogue's AVG means as a label."""

from typing import Final

import numpy as np
import numpy.typing as npt

NO_SFR: Final = -99.0
"""The catalogue's placeholder for an SFR that could not be derived."""


def is_label(avg: npt.ArrayLike) -> np.ndarray:
    """Return whether an AVG is a star formation rate: neither NaN nor the placeholder -99."""
    values = np.asarray(avg, dtype=np.float64)
    return np.isfinite(values) & (values != NO_SFR)
