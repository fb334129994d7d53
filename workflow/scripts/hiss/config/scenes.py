"""Where the frames of the study of scenes come from, and how they are split."""

import re
from typing import Literal

from pydantic import Field, model_validator

from hiss.config.base import Count, Section, Share
from hiss.config.experiments import VGGNet12

VIDEO_PATTERN = r"^(?P<video>.*?)[^0-9A-Za-z]*(?P<frame>\d+)\.\w+$"
"""A frame's path is its video's name, then its number: ``images/beach1/12.png``, ``beach1_12.png``."""


class SimulatedScenes(Section):
    """A stand-in in the layout of the public set."""

    seed: int = 1
    videos: Count = Field(4, description="Clips of each scene.")
    frames: int = Field(40, ge=2, description="Frames of a clip, one a second.")


class LocalScenes(Section):
    """The set's files at hand."""

    csv: str = Field(description="Path of the table of frames.")
    folder: str | None = Field(None, description="Where the paths in the table begin; null: the table's own folder.")


class FetchedScenes(Section):
    """An archive of the set's files behind an address."""

    address: str = Field(
        pattern=r"^(https?|file)://", description="Of a zip with the table of frames and their pictures."
    )
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="What the zip must hash to.")


class SceneSplit(Section):
    """The sides of the split."""

    train: Share = 0.6
    validation: Share = 0.2
    test: Share = 0.2
    folds: int = Field(5, ge=2, le=10)
    gap: int = Field(
        10, ge=0, description="Frames left out between the sides of a video that has to be cut, where a scene has few."
    )

    @model_validator(mode="after")
    def _adds_up(self) -> "SceneSplit":
        if abs(self.train + self.validation + self.test - 1) > 1e-9:
            raise ValueError("train, validation and test must add up to 1")
        return self


class SceneNetwork(VGGNet12):
    """The CNN as it is for pictures with three bands and no known noise, of which up is up."""

    image_scaling: Literal["standard", "linear"] = "standard"
    spectrum_scaling: Literal["standard", "log_norm"] = Field(
        "standard", description="Of the sound: each coefficient standardised, or as the flux of a spectrum."
    )
    augment: bool = False


def checked_pattern(pattern: str) -> str:
    """Return a pattern that tells the video of a frame.

    Raises
    ------
    ValueError
        For one that is no regular expression, or has no group ``video``.
    """
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression ({error})") from None
    if "video" not in groups:
        raise ValueError(f"{pattern!r} has no group (?P<video>...), by which frames are told apart; name it so")
    return pattern
