"""How the table of frames is laid out: a picture's path, 104 numbers of its sound, two labels."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hiss.errors import HissError

N_WINDOWS: Final = 8
N_COEFFICIENTS: Final = 13
N_MFCC: Final = N_WINDOWS * N_COEFFICIENTS
"""Mel-frequency cepstral coefficients of a frame: 13 of each of the 8 windows of its second."""

LABELS: Final = ("class1", "class2")
"""Indoors or outdoors, and which scene."""

IMAGE_COLUMN: Final = "IMAGE"
LABEL_COLUMNS: Final = ("CLASS1", "CLASS2")

_MFCC: Final = re.compile(r"mfcc[ _.-]*(\d+)", re.IGNORECASE)
_IMAGE: Final = re.compile(r"image|image[ _-]?(path|file|name)|path|file|filename|frame", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """The names of the columns in one table."""

    image: str
    mfcc: list[str]
    """In order of their numbers."""
    class1: str
    class2: str


def find_columns(header: Sequence[str], where: str) -> Columns:
    """Return which column is which, in whatever letters and order they stand.

    Parameters
    ----------
    where
        The table's name, for messages.

    Raises
    ------
    HissError
        For a table that lacks some, or has one twice, with what it has.
    """
    names = [str(name) for name in header]
    images = [name for name in names if name.strip().upper() == IMAGE_COLUMN]
    images = images or [name for name in names if _IMAGE.fullmatch(name.strip())]
    numbered = {name: int(found[1]) for name in names if (found := _MFCC.fullmatch(name.strip()))}
    labels = {label: [name for name in names if name.strip().lower() == label] for label in LABELS}
    wrong = [] if len(images) == 1 else [f"one column {IMAGE_COLUMN} ({len(images)} found)"]
    if len(numbered) != N_MFCC or len(set(numbered.values())) != N_MFCC:
        wrong.append(f"{N_MFCC} columns MFCC_1 ... MFCC_{N_MFCC} ({len(set(numbered.values()))} found)")
    wrong += [f"one column {label.upper()} ({len(found)} found)" for label, found in labels.items() if len(found) != 1]
    if wrong:
        told = ", ".join(names[:4]) + (f", ... {', '.join(names[-3:])}" if len(names) > 7 else "")
        raise HissError(
            f"{where}: a table of frames needs {' and '.join(wrong)}; its {len(names)} columns are {told}: rename them "
            "so (docs/scenes.md)"
        )
    return Columns(
        images[0], sorted(numbered, key=lambda name: numbered[name]), labels["class1"][0], labels["class2"][0]
    )
