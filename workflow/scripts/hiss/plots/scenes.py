"""The frames of scenes: how many of each class, how they sound, what they look like, and what a random split feigns."""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiss.evaluation.collect import model_name
from hiss.plots.style import (
    BLACK,
    BLUE,
    FULL_WIDTH,
    GREY,
    ORANGE,
    VERMILION,
    modality_colour,
    modality_marker,
    panels,
    plt,
    save_figure,
    sentence_figure,
)
from hiss.scenes.layout import LABELS, N_COEFFICIENTS, N_MFCC, N_WINDOWS
from hiss.scenes.split import AT_RANDOM, BY_VIDEO
from hiss.scenes.store import read_frame_table, read_rows
from hiss.side.scene_words import LABEL_NAMES, NAMES

_KIND_COLOUR: Final = (BLUE, ORANGE, VERMILION, GREY)
_SHOWN: Final = 4  # pictures of a scene: two neighbours, and one of each of two other videos
_MOST_SCENES: Final = 12


def draw_scenes(folder: Path | str, arrays: Path | str, table: pd.DataFrame, leak: pd.DataFrame) -> None:
    """Draw ``fig_scenes_classes``, ``_mfcc``, ``_examples`` and ``_leak``.

    Parameters
    ----------
    arrays
        ``<results>/scenes/arrays.h5``.
    table, leak
        Of `hiss.side.scenes.compare`.
    """
    frames = read_frame_table(arrays)
    _, mfcc = read_rows(arrays, frames["row"], images=False)
    assert mfcc is not None
    save_figure(*_named(folder, "classes", classes(frames)))
    save_figure(*_named(folder, "mfcc", coefficients(frames, mfcc)))
    chosen = choose_frames(frames)
    images, _ = read_rows(arrays, chosen["row"], mfcc=False)
    assert images is not None
    save_figure(*_named(folder, "examples", examples(chosen, images)))
    save_figure(*_named(folder, "leak", leaks(table, leak)))


def _named(
    folder: Path | str, name: str, drawn: tuple[Figure, pd.DataFrame]
) -> tuple[Figure, Path | str, str, pd.DataFrame]:
    return drawn[0], folder, f"fig_scenes_{name}", drawn[1]


def classes(frames: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw how many frames each class of both labels has, and of how many videos they are.

    Parameters
    ----------
    frames
        ``video class1 class2``.
    """
    parts = []
    for label in LABELS:
        groups = frames.groupby(label)
        own = pd.DataFrame({"frames": groups.size(), "videos": groups["video"].nunique()}).reset_index(names="class")
        parts.append(own.assign(label=label))
    data = pd.concat(parts, ignore_index=True)[["label", "class", "frames", "videos"]]
    rows = [int((data["label"] == label).sum()) for label in LABELS]
    figure, axes = plt.subplots(
        2, 1, figsize=(FULL_WIDTH, 0.9 + 0.27 * sum(rows)), sharex=True, height_ratios=[n + 0.5 for n in rows]
    )
    kinds = {name: place for place, name in enumerate(sorted(set(frames["class1"])))}
    kind_of = frames.groupby("class2")["class1"].agg(lambda names: names.mode().iloc[0])
    for axis, label in zip(axes, LABELS, strict=True):
        own = data[data["label"] == label].sort_values("frames", ignore_index=True)
        of = own["class"] if label == "class1" else own["class"].map(kind_of)
        colours = [_KIND_COLOUR[kinds[name] % len(_KIND_COLOUR)] for name in of]
        axis.barh(own["class"].str.lower(), own["frames"], color=colours, height=0.7)
        for place, row in own.iterrows():
            axis.annotate(
                f" {row['frames']:,} of {row['videos']} video{'s' if row['videos'] != 1 else ''}",
                (row["frames"], place), va="center", fontsize=7,
            )  # fmt: skip
        axis.set_title(LABEL_NAMES[label], loc="left")
        axis.grid(visible=False, axis="y")
    axes[-1].set_xlim(0, 1.22 * data["frames"].max())
    axes[-1].set_xlabel("frames")
    return figure, data


def coefficients(frames: pd.DataFrame, mfcc: np.ndarray) -> tuple[Figure, pd.DataFrame]:
    """Draw the 104 coefficients: mean and spread by CLASS1, and how each scene's mean departs from that of all.

    Parameters
    ----------
    mfcc
        (n, 104).
    """
    values = mfcc.astype(np.float64)
    x = np.arange(1, N_MFCC + 1)
    figure, (above, below) = panels(2, 1, height=2.6, sharex=True)
    rows = []
    for place, name in enumerate(sorted(set(frames["class1"]))):
        own = values[(frames["class1"] == name).to_numpy()]
        mean, spread = own.mean(axis=0), own.std(axis=0)
        colour = _KIND_COLOUR[place % len(_KIND_COLOUR)]
        above.plot(x, mean, color=colour, linewidth=1.0, label=f"{name.lower()} ({len(own):,})")
        above.fill_between(x, mean - spread, mean + spread, color=colour, alpha=0.18, linewidth=0)
        rows.append(_coefficient_rows("class1", name, mean, spread))
    scenes = sorted(set(frames["class2"]))
    width = np.maximum(values.std(axis=0), 1e-12)
    map_ = np.empty((len(scenes), N_MFCC))
    for place, name in enumerate(scenes):
        own = values[(frames["class2"] == name).to_numpy()]
        map_[place] = (own.mean(axis=0) - values.mean(axis=0)) / width
        rows.append(_coefficient_rows("class2", name, own.mean(axis=0), own.std(axis=0)))
    above.set_ylabel("coefficient")
    above.legend(loc="upper right", ncols=2)
    limit = max(float(np.abs(map_).max()), 1e-6)
    drawn = below.pcolormesh(
        np.arange(N_MFCC + 1) + 0.5, np.arange(len(scenes) + 1), map_, cmap="PuOr", vmin=-limit, vmax=limit,
        rasterized=True,
    )  # fmt: skip
    below.set_yticks(np.arange(len(scenes)) + 0.5, [name.lower() for name in scenes])
    below.invert_yaxis()
    below.grid(visible=False)
    for axis in (above, below):
        for window in range(1, N_WINDOWS):
            axis.axvline(window * N_COEFFICIENTS + 0.5, color=GREY, linewidth=0.5, linestyle=":")
    below.set(xlabel="coefficient: 13 of each of 8 windows, one second", xlim=(0.5, N_MFCC + 0.5))
    figure.colorbar(drawn, ax=below, label="mean less that of all\n[standard deviations]", pad=0.01)
    return figure, pd.concat(rows, ignore_index=True)


def _coefficient_rows(label: str, name: str, mean: np.ndarray, spread: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {"label": label, "class": name, "coefficient": np.arange(1, N_MFCC + 1), "mean": mean, "spread": spread}
    )


def choose_frames(frames: pd.DataFrame) -> pd.DataFrame:
    """Return the frames to show: of each scene two neighbours of its first video, and the first of two others."""
    chosen = []
    for name in sorted(set(frames["class2"]))[:_MOST_SCENES]:
        own = frames[frames["class2"] == name].sort_values(["video", "frame"], kind="stable")
        first = own[own["video"] == own["video"].iloc[0]].head(2)
        others = own[own["video"] != own["video"].iloc[0]].drop_duplicates("video").head(_SHOWN - 2)
        chosen.append(pd.concat([first, others]))
    return pd.concat(chosen, ignore_index=True)


def examples(chosen: pd.DataFrame, images: np.ndarray) -> tuple[Figure, pd.DataFrame]:
    """Draw frames of `choose_frames`, two scenes a line, as the models see them.

    Parameters
    ----------
    images
        (n, 3, side, side) of them, from 0 to 255.
    """
    scenes = list(dict.fromkeys(chosen["class2"]))
    lines = -(-len(scenes) // 2)
    figure = plt.figure(figsize=(FULL_WIDTH, 0.35 + 1.12 * lines))
    grid = figure.add_gridspec(lines, 2 * _SHOWN + 1, width_ratios=[1] * _SHOWN + [0.25] + [1] * _SHOWN)
    for place, name in enumerate(scenes):
        line, column = divmod(place, 2)
        own = chosen.index[chosen["class2"] == name]
        videos = {video: number for number, video in enumerate(dict.fromkeys(chosen.loc[own, "video"]), 1)}
        for shown, index in enumerate(own):
            axis = figure.add_subplot(grid[line, column * (_SHOWN + 1) + shown])
            axis.imshow(np.moveaxis(images[index], 0, 2) / 255, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.set_xlabel(
                f"video {videos[chosen.loc[index, 'video']]}, {chosen.loc[index, 'frame']}", fontsize=7, labelpad=1
            )
            if shown == 0:
                axis.set_title(str(name).lower(), loc="left", fontsize=8, pad=2)
    return figure, chosen[["class1", "class2", "video", "frame", "path"]]


def leaks(table: pd.DataFrame, leak: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw balanced accuracy by video and at random, with 95 % intervals and the thesis's accuracies.

    Parameters
    ----------
    table, leak
        Of `hiss.side.scenes.compare`.
    """
    if leak.empty:
        return sentence_figure("Frames were split in one way only: there is nothing to compare."), table
    labels = list(dict.fromkeys(table["label"]))
    rows = list(dict.fromkeys(zip(table["model"], table["modality"], strict=True)))
    figure, axes = plt.subplots(
        1, len(labels), figsize=(FULL_WIDTH, 1.2 + 0.27 * len(rows)), sharey=True, squeeze=False
    )
    for axis, label in zip(axes[0], labels, strict=True):
        own = table[table["label"] == label]
        for place, (model, modality) in enumerate(rows):
            _compared(axis, own[(own["model"] == model) & (own["modality"] == modality)], place, modality)
        axis.axvline(1 / own["classes"].max(), color=GREY, linestyle=":", linewidth=1)
        axis.set_title(f"{LABEL_NAMES[label]}: {own['classes'].max()} classes", loc="left")
        axis.set(xlim=(-0.03, 1.03), xlabel="balanced accuracy")
    axes[0][0].set_yticks(range(len(rows)), [f"{model_name(model)}: {NAMES[modality]}" for model, modality in rows])
    axes[0][0].set_ylim(len(rows) - 0.5, -0.5)
    handles = [
        Line2D([], [], color=BLACK, marker="o", linestyle="none", label="by video"),
        Line2D([], [], color=BLACK, marker="o", markerfacecolor="white", linestyle="none", label="frames at random"),
        Line2D([], [], color=BLACK, marker="|", markersize=9, linestyle="none", label="thesis (accuracy)"),
        Line2D([], [], color=GREY, linestyle=":", label="chance"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure, table


def _compared(axis: Axes, own: pd.DataFrame, place: int, modality: str) -> None:
    colour, marker = modality_colour(modality), modality_marker(modality)
    for row in own.to_dict("records"):
        by_video = row["split"] == BY_VIDEO
        y = place + (0.14 if by_video else -0.14)
        axis.hlines(y, row["balanced_accuracy_low"], row["balanced_accuracy_high"], color=colour, linewidth=1.1)
        axis.plot(row["balanced_accuracy"], y, marker, color=colour, markerfacecolor=colour if by_video else "white")
        if row["split"] == AT_RANDOM and np.isfinite(row["thesis"]):
            axis.plot(row["thesis"], y, "|", color=BLACK, markersize=9)
