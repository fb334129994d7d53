"""Which video a frame is of, told by its path."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hiss.errors import HissError

_SETTING = "side_studies.scenes.video_pattern"
_MOST_DIGITS = 18  # what an int64 holds; a longer number counts no frames


class Moment(NamedTuple):
    """Where a frame is from."""

    video: str
    frame: int | None
    """Its number in the video; None where the pattern tells none."""


def moment_of(path: str, pattern: re.Pattern[str]) -> Moment | None:
    """Return the video and the frame's number that a path tells; None where the pattern does not match it."""
    found = pattern.search(path)
    if found is None or not found["video"]:
        return None
    number = found.groupdict().get("frame")
    counts = number is not None and number.isdecimal() and len(number) <= _MOST_DIGITS
    return Moment(found["video"], int(str(number)) if counts else None)


def demand_videos(paths: Sequence[str], videos: Sequence[str]) -> None:
    """Raise where a pattern tells nothing: a video a frame, or all frames of one video.

    Parameters
    ----------
    paths, videos
        (n,) of the frames.

    Raises
    ------
    HissError
        With examples.
    """
    names, counts = np.unique(np.asarray(videos, dtype=str), return_counts=True)
    shown = "; ".join(f"{path} -> {video}" for path, video in list(zip(paths, videos, strict=True))[:3])
    if len(names) == 1:
        raise HissError(
            f"all {len(paths)} frames seem to be of one video ({shown}); correct {_SETTING} (docs/scenes.md)"
        )
    if np.median(counts) < 2:
        raise HissError(
            f"the {len(paths)} frames seem to be of {len(names)} videos ({shown}), as if each were a video of its own; "
            f"correct {_SETTING} (docs/scenes.md)"
        )
