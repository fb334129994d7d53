"""A stand-in for the public set: clips of eight scenes, each clip with its own light, colour cast and microphone.

Nothing here knows of a split. Each scene has its colours, texture and sound; each clip departs from them once and for
all (its place, its light, its camera, its microphone), and its frames follow it by a slow drift. So neighbouring
frames are near copies, and a model may know a clip again without knowing the scene, as in the public set.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hiss.files import atomic, write_table
from hiss.scenes.layout import IMAGE_COLUMN, LABEL_COLUMNS, N_COEFFICIENTS, N_MFCC, N_WINDOWS
from hiss.scenes.pictures import write_picture

Doubles = NDArray[np.float64]

HEIGHT, WIDTH = 48, 64
"""Of a frame [pixel]."""

_PLACE, _LIGHT, _CAST, _CONTRAST = 0.12, 0.22, 0.10, 0.20
"""How far a clip departs from its scene: its own things in the picture, log of light, of each colour, of contrast."""
_MICROPHONE = 0.9
"""Offset of a clip's coefficients, where scenes differ by about 1."""
_DRIFT = 0.06
"""Step of a clip's slow walk from frame to frame, in units of the above."""
_PIXEL_NOISE, _SOUND_NOISE = 0.03, 0.6
_PULL = 0.05  # with which a walk is drawn back to where it began, each frame


@dataclass(frozen=True)
class Scene:
    """What frames of a scene have in common."""

    class1: str
    top: tuple[float, float, float]
    """Colour of the upper part of the picture (sky, ceiling), from 0 to 1."""
    bottom: tuple[float, float, float]
    horizon: float
    """Height of the line between them, from the top, as a share."""
    texture: float
    """Strength of the texture below it."""
    grain: tuple[float, float]
    """Size of the texture [pixel], down and across."""
    beat: float
    """How much the sound's level swings within a second."""


SCENES: Final[Mapping[str, Scene]] = {
    "BEACH": Scene("OUTDOORS", (0.55, 0.70, 0.88), (0.78, 0.70, 0.52), 0.45, 0.05, (1.0, 4.0), 0.9),
    "CITY": Scene("OUTDOORS", (0.60, 0.63, 0.68), (0.42, 0.41, 0.42), 0.30, 0.16, (5.0, 1.2), 0.4),
    "CLASSROOM": Scene("INDOORS", (0.80, 0.79, 0.74), (0.58, 0.48, 0.38), 0.50, 0.08, (2.0, 4.0), 0.6),
    "FOOTBALL-MATCH": Scene("OUTDOORS", (0.45, 0.47, 0.55), (0.30, 0.56, 0.26), 0.28, 0.07, (1.5, 6.0), 0.8),
    "FOREST": Scene("OUTDOORS", (0.36, 0.50, 0.30), (0.27, 0.35, 0.19), 0.55, 0.17, (4.0, 1.0), 0.3),
    "GROCERY-STORE": Scene("INDOORS", (0.84, 0.84, 0.82), (0.62, 0.52, 0.46), 0.22, 0.19, (1.0, 1.0), 0.3),
    "RESTAURANT": Scene("INDOORS", (0.46, 0.36, 0.27), (0.38, 0.26, 0.18), 0.50, 0.13, (2.5, 2.5), 0.7),
    "RIVER": Scene("OUTDOORS", (0.48, 0.58, 0.50), (0.32, 0.43, 0.48), 0.40, 0.10, (1.0, 5.0), 0.2),
}
"""The scenes of the stand-in, those of the public set's kind."""


def simulate_scenes(folder: Path | str, videos: int, frames: int, seed: int) -> pd.DataFrame:
    """Write ``dataset.csv`` and ``images/<scene><clip>/<frame>.png`` in the layout of the public set.

    Parameters
    ----------
    videos
        Clips of each scene.
    frames
        Of each clip.

    Returns
    -------
    DataFrame
        The table as written.
    """
    folder = Path(folder)
    parts = []
    voices = _voices(np.random.default_rng([seed, 0]))
    for place, (name, scene) in enumerate(SCENES.items()):
        for clip in range(1, videos + 1):
            rng = np.random.default_rng([seed, 1 + place, clip])
            pictures, sound = simulate_clip(scene, voices[name], frames, rng)
            paths = [f"images/{name.lower()}{clip}/{frame}.png" for frame in range(frames)]
            for path, picture in zip(paths, pictures, strict=True):
                with atomic(folder / path) as temporary:
                    temporary.write_bytes(write_picture(picture))
            parts.append(_rows(paths, sound, scene.class1, name))
    table = pd.concat(parts, ignore_index=True)
    write_table(folder / "dataset.csv", table)
    return table


def _rows(paths: list[str], sound: Doubles, *labels: str) -> pd.DataFrame:
    names = [f"MFCC_{number}" for number in range(1, N_MFCC + 1)]
    table = pd.DataFrame(np.round(sound, 6), columns=names)
    table.insert(0, IMAGE_COLUMN, paths)
    return table.assign(**dict(zip(LABEL_COLUMNS, labels, strict=True)))


def _voices(rng: np.random.Generator) -> dict[str, Doubles]:
    """Return the mean coefficients (13,) of each scene: how rooms sound, or the open, and what is particular to it."""
    # The first is the loudness, and high ones differ less than low ones, as the cepstrum of any sound has it.
    size = 1 / np.sqrt(1 + np.arange(N_COEFFICIENTS) / 3)
    kinds = {kind: 0.6 * rng.normal(size=N_COEFFICIENTS) for kind in ("INDOORS", "OUTDOORS")}
    return {name: size * (kinds[scene.class1] + rng.normal(size=N_COEFFICIENTS)) for name, scene in SCENES.items()}


def simulate_clip(
    scene: Scene, voice: Doubles, frames: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], Doubles]:
    """Return the pictures (frames, 48, 64, 3) uint8 of a clip, and its sound (frames, 104)."""
    return _pictures(scene, frames, rng), _sound(scene, voice, frames, rng)


def _walk(frames: int, n: int, rng: np.random.Generator) -> Doubles:
    """Return (frames, n) of a slow walk from 0 that is drawn back to it."""
    values = np.zeros((frames, n))
    for frame in range(1, frames):
        values[frame] = (1 - _PULL) * values[frame - 1] + _DRIFT * rng.normal(size=n)
    return values


def _pictures(scene: Scene, frames: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    light, contrast = rng.normal(0, _LIGHT), rng.normal(0, _CONTRAST)
    cast = rng.normal(0, _CAST, 3)
    horizon = np.clip(scene.horizon + rng.normal(0, 0.1), 0.1, 0.9) * HEIGHT
    # The place is wider than the picture: the camera turns a little, and other parts of it come into view.
    wide = WIDTH + 32
    texture = _field(rng, wide, scene.grain)
    things = _field(rng, wide, (8.0, 8.0))[:, :, None] + 0.4 * np.stack(
        [_field(rng, wide, (8.0, 8.0)) for _ in range(3)], axis=2
    )
    below = 1 / (1 + np.exp(-(np.arange(HEIGHT) - horizon) / 1.5))[:, None, None]
    base = np.asarray(scene.top) * (1 - below) + np.asarray(scene.bottom) * below
    whole = base + scene.texture * texture[:, :, None] * (0.3 + 0.7 * below) + _PLACE * things
    drift = _walk(frames, 5, rng)
    out = np.empty((frames, HEIGHT, WIDTH, 3), dtype=np.uint8)
    for frame in range(frames):
        start = int(np.clip(16 + 12 * drift[frame, 0], 0, wide - WIDTH))
        view = whole[:, start : start + WIDTH]
        gain = np.exp(light + _LIGHT * drift[frame, 1] + cast + _CAST * drift[frame, 2:5])
        seen = gain * (0.5 + np.exp(contrast) * (view - 0.5)) + rng.normal(0, _PIXEL_NOISE, view.shape)
        out[frame] = np.round(255 * np.clip(seen, 0, 1)).astype(np.uint8)
    return out


def _field(rng: np.random.Generator, width: int, grain: tuple[float, float]) -> Doubles:
    """Return a random field (height, width) of a grain [pixel], of mean 0 and width 1."""
    field = gaussian_filter(rng.normal(size=(HEIGHT, width)), grain, mode="wrap")
    return np.asarray((field - field.mean()) / field.std())


def _sound(scene: Scene, voice: Doubles, frames: int, rng: np.random.Generator) -> Doubles:
    microphone = rng.normal(0, _MICROPHONE, N_COEFFICIENTS) / np.sqrt(1 + np.arange(N_COEFFICIENTS) / 3)
    drift = 3 * _MICROPHONE * _walk(frames, N_COEFFICIENTS, rng)
    phase = rng.uniform(0, 2 * np.pi, (frames, 1))
    swing = scene.beat * np.sin(2 * np.pi * np.arange(N_WINDOWS) / N_WINDOWS + phase)
    sound = (voice + microphone + drift)[:, None, :] + rng.normal(0, _SOUND_NOISE, (frames, N_WINDOWS, N_COEFFICIENTS))
    sound[:, :, 0] += swing
    return sound.reshape(frames, N_MFCC)
