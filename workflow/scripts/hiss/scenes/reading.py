"""The frames of a set: every row of its table is used, or in the rejects with the reason."""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hiss.errors import BadInput, HissError
from hiss.progress import progress
from hiss.scenes.frames import Frames
from hiss.scenes.layout import Columns, find_columns
from hiss.scenes.pictures import read_picture
from hiss.scenes.places import Place, safe_path
from hiss.scenes.videos import Moment, demand_videos, moment_of

_CHUNK: Final = 256  # pictures held at once

REASONS: Final = {
    "outside": "the path is empty or leaves the folder",
    "repeated": "the same picture stands in the table twice",
    "no_label": "a label is empty",
    "bad_sound": "a number of the sound is missing or no number",
    "no_video": "the path tells no video",
    "missing": "the picture is not there",
    "damaged": "the picture is truncated, damaged or none",
}
"""Why a row is not used, in the order in which it is looked at."""


class Rejected(NamedTuple):
    """A row of the table that is not used."""

    line: int
    """From 1, the header not counted."""
    path: str
    kind: str
    """Of `REASONS`."""
    reason: str
    """A sentence with the file's name."""


def read_scenes(place: Place, side: int, pattern: str, threads: int = 1) -> tuple[Frames, pd.DataFrame]:
    """Read the table of frames and their pictures.

    Parameters
    ----------
    side
        To which pictures are brought [pixel].
    pattern
        With a group ``video``, and a group ``frame`` where paths tell numbers.

    Returns
    -------
    frames
        Those that can be used.
    rejects
        ``line path kind reason``, one row a row of the table that is not used.

    Raises
    ------
    HissError
        For a table of another layout, a pattern that tells no videos, or a set of which nothing can be used.
    """
    raw = place.table()
    columns = find_columns(list(raw.columns), place.name)
    rejects: list[Rejected] = []
    lines, kept = _usable_rows(raw, columns, re.compile(pattern), rejects)
    if kept:
        demand_videos([path for path, _ in kept], [moment.video for _, moment in kept])
    images = np.empty((len(kept), 3, side, side), dtype=np.uint8)
    good = np.ones(len(kept), dtype=bool)
    found = _pictures(place, [path for path, _ in kept], side, threads)
    for position, picture in enumerate(progress(found, len(kept), "pictures")):
        if isinstance(picture, np.ndarray):
            images[position] = picture
        else:
            good[position] = False
            rejects.append(Rejected(lines[position] + 1, kept[position][0], *picture))
    table = pd.DataFrame(rejects, columns=list(Rejected._fields)).sort_values("line", ignore_index=True)
    if not good.any():
        said = f"; the first: {table['reason'].iloc[0]}" if len(table) else ""
        raise HissError(f"{place.name}: none of its {len(raw)} frames can be used{said}")
    chosen = np.asarray(lines, dtype=np.int64)[good]
    frames = _table(raw, columns, chosen, [entry for entry, use in zip(kept, good, strict=True) if use])
    mfcc = _numbers(raw.iloc[chosen], columns).astype(np.float32)
    return Frames(images[good], mfcc, frames), table


def ledger(n_rows: int, rejects: pd.DataFrame, n_used: int) -> pd.DataFrame:
    """Return ``kind frames reason example`` of what became of a table's rows; they add up.

    Raises
    ------
    HissError
        Where they do not.
    """
    parts = [("rows", n_rows, "rows of the table", "")]
    for kind, reason in REASONS.items():
        own = rejects[rejects["kind"] == kind]
        if len(own):
            parts.append((kind, -len(own), reason, str(own["reason"].iloc[0])))
    if n_rows - len(rejects) != n_used or n_rows + sum(part[1] for part in parts[1:]) != n_used:
        raise HissError(
            f"of {n_rows} rows {n_used} are used and {len(rejects)} are not: they do not add up; please report it"
        )
    return pd.DataFrame([*parts, ("used", n_used, "frames used", "")], columns=["kind", "frames", "reason", "example"])


def _usable_rows(
    raw: pd.DataFrame, columns: Columns, pattern: re.Pattern[str], rejects: list[Rejected]
) -> tuple[list[int], list[tuple[str, Moment]]]:
    """Return the rows whose text is as it has to be, and each one's path and moment."""
    known = np.abs(_numbers(raw, columns)) < np.finfo(np.float32).max  # NaN is in no range
    sound = [bool(row.all()) for row in known]
    lines: list[int] = []
    kept: list[tuple[str, Moment]] = []
    seen: set[str] = set()
    told = zip(raw[columns.image], raw[columns.class1], raw[columns.class2], sound, strict=True)
    for line, (given, class1, class2, heard) in enumerate(told):
        try:
            path = safe_path(given)
        except BadInput as error:
            rejects.append(Rejected(line + 1, given, "outside", str(error)))
            continue
        moment = moment_of(path, pattern)
        if path in seen:
            rejects.append(Rejected(line + 1, path, "repeated", f"{path}: stands in the table twice"))
        elif not class1.strip() or not class2.strip():
            rejects.append(Rejected(line + 1, path, "no_label", f"{path}: CLASS1 or CLASS2 is empty"))
        elif not heard:
            rejects.append(Rejected(line + 1, path, "bad_sound", f"{path}: an MFCC is missing or no number"))
        elif moment is None:
            rejects.append(
                Rejected(line + 1, path, "no_video", f"{path}: side_studies.scenes.video_pattern finds no video")
            )
        else:
            lines.append(line)
            kept.append((path, moment))
        seen.add(path)
    return lines, kept


def _numbers(raw: pd.DataFrame, columns: Columns) -> NDArray[np.float64]:
    """Return (n, 104), NaN where there is no number."""
    values = raw[columns.mfcc].apply(pd.to_numeric, errors="coerce")
    return values.to_numpy(dtype=np.float64)


def _table(
    raw: pd.DataFrame, columns: Columns, chosen: NDArray[np.int64], kept: Sequence[tuple[str, Moment]]
) -> pd.DataFrame:
    """Return `Frames.table`; where paths tell no number, frames are numbered in the table's order."""
    table = pd.DataFrame(
        {
            "row": np.arange(len(chosen)),
            "path": [path for path, _ in kept],
            "video": [moment.video for _, moment in kept],
            "frame": [-1 if moment.frame is None else moment.frame for _, moment in kept],
            "class1": [value.strip().upper() for value in raw[columns.class1].iloc[chosen]],
            "class2": [value.strip().upper() for value in raw[columns.class2].iloc[chosen]],
        }
    )
    if (table["frame"] < 0).any():
        table["frame"] = table.groupby("video").cumcount()
    return table


Picture = NDArray[np.uint8] | tuple[str, str]


def _pictures(place: Place, paths: Sequence[str], side: int, threads: int) -> Iterator[Picture]:
    """Yield each picture, or why there is none as its kind and a sentence, in order."""

    def read_one(path: str) -> Picture:
        try:
            return read_picture(place.read(path), path, side)
        except FileNotFoundError as error:
            return "missing", str(error)
        except BadInput as error:
            return "damaged", str(error)

    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(paths), _CHUNK):
            yield from pool.map(read_one, paths[start : start + _CHUNK])
