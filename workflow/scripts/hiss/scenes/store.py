"""The arrays of the study of scenes as a file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hiss.files import atomic
from hiss.scenes.frames import Frames
from hiss.scenes.layout import LABELS

Floats = NDArray[np.float32]


def write_frames(path: Path | str, frames: Frames, record: Mapping[str, Any]) -> None:
    """Write frames as ``images`` (n, 3, side, side) uint8, ``mfcc`` (n, 104) float32 and ``path video frame``.

    The labels are codes ``class1`` and ``class2`` (n,) with the names of the classes, in alphabetical order, in
    their attribute ``classes`` (JSON).
    """
    text = h5py.string_dtype()
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        file["images"], file["mfcc"] = frames.images, frames.mfcc
        file["images"].attrs["units"] = "0 to 255, in the order red, green, blue"
        for name in ("path", "video"):
            file.create_dataset(name, data=frames.table[name].to_list(), dtype=text)
        file["frame"] = frames.table["frame"].to_numpy(dtype=np.int64)
        for name in LABELS:
            names, codes = np.unique(frames.table[name].to_numpy(dtype=str), return_inverse=True)
            file[name] = codes.astype(np.int64)
            file[name].attrs["classes"] = json.dumps(names.tolist())
        file.attrs["provenance"] = json.dumps(record, sort_keys=True, default=str)


def read_frame_table(path: Path | str) -> pd.DataFrame:
    """Return `hiss.scenes.frames.Frames.table` of a file of `write_frames`."""
    with h5py.File(path, "r") as file:
        table = pd.DataFrame({name: file[name].asstr()[:] for name in ("path", "video")} | {"frame": file["frame"][:]})
        for name in LABELS:
            names = np.asarray(json.loads(file[name].attrs["classes"]), dtype=object)
            table[name] = names[file[name][:]]
    table.insert(0, "row", np.arange(len(table)))
    return table


def read_rows(
    path: Path | str, rows: ArrayLike, images: bool = True, mfcc: bool = True
) -> tuple[Floats | None, Floats | None]:
    """Return pictures (n, 3, side, side) from 0 to 255 and sounds (n, 104) of some rows, in the order wanted.

    What is not asked for is None.
    """
    rows = np.asarray(rows, dtype=np.int64)
    increasing, back = np.unique(rows, return_inverse=True)
    with h5py.File(path, "r") as file:
        return tuple(  # type: ignore[return-value]
            file[name][increasing][back].astype(np.float32) if wanted else None
            for name, wanted in (("images", images), ("mfcc", mfcc))
        )
