"""Frames of videos, each with its second of sound."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frames:
    """Frames that can be used, in the table's order."""

    images: NDArray[np.uint8]
    """(n, 3, side, side)."""
    mfcc: NDArray[np.float32]
    """(n, 104)."""
    table: pd.DataFrame
    """``row path video frame class1 class2`` of each; ``row`` is its place here, ``frame`` its number in the video."""
