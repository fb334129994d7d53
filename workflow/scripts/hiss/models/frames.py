"""Frames of videos as a model sees them: the picture in place of the cutout, the sound in place of the spectrum."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hiss.errors import HissError
from hiss.modality import Modality
from hiss.models.base import Data
from hiss.models.features import Block, training_order, write_features
from hiss.scenes.store import read_rows

N_COLOURS: Final = 3

_BLOCK: Final = 1024  # frames held at once


def load_frames(
    arrays: Path | str, rows: ArrayLike, modality: str, target: ArrayLike | None = None, classes: Sequence[str] = ()
) -> tuple[Data, NDArray[np.int64]]:
    """Return rows of ``<results>/scenes/arrays.h5`` as a model's data, and their target_id (n,), which are the rows.

    Parameters
    ----------
    rows
        (n,) in the order wanted.
    target
        (n,) codes of their classes; NaN where not given.
    classes
        Names of the classes.

    Raises
    ------
    HissError
        When there is no row.
    """
    rows = np.asarray(rows, dtype=np.int64)
    if not len(rows):
        raise HissError(f"{arrays}: no frame is asked for; the split has none on this side")
    known = Modality.parse(modality)
    images, mfcc = read_rows(arrays, rows, known.images, known.spectra)
    data = Data.from_arrays(images, mfcc, target)
    return replace(data, n_bands=N_COLOURS, classes=tuple(classes)), rows


def load_frame_part(
    arrays: Path | str, modality: str, zoom: int, rows: NDArray[np.int64]
) -> tuple[Data, NDArray[np.int64]]:
    """Return `load_frames` as whoever judges a target's runs asks for rows; frames are at zoom 0 alone."""
    if zoom != 0:
        raise HissError(f"frames have zoom 0 alone, and a run of zoom {zoom} is asked for; delete its folder")
    return load_frames(arrays, rows, modality)


def prepare_frames(
    arrays: Path | str,
    split: pd.DataFrame,
    classes: Sequence[str],
    modality: str,
    out: Path | str,
    record: Mapping[str, Any],
) -> None:
    """Write the features of the training and validation frames of a split; frames of the test are never read.

    Parameters
    ----------
    split
        ``row target_id truth split fold``.
    """
    table = training_order(split).assign(label_sigma=np.nan)
    write_features(
        out, table, _blocks(arrays, table, modality), modality, record,
        classes=classes, n_bands=N_COLOURS, what=str(arrays),
    )  # fmt: skip


def _blocks(arrays: Path | str, table: pd.DataFrame, modality: str) -> Iterator[Block]:
    rows = table["row"].to_numpy()
    for start in range(0, len(rows), _BLOCK):
        chosen = slice(start, min(start + _BLOCK, len(rows)))
        data, target_id = load_frames(arrays, rows[chosen], modality)
        yield Block(chosen, data, target_id)
