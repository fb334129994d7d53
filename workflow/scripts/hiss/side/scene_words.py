"""What the study of scenes found, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from hiss.evaluation.collect import model_name
from hiss.scenes.split import AT_RANDOM, BY_VIDEO

Row = Mapping[Any, Any]

NAMES: Final = {"spectra": "audio", "photo": "images", "late": "late fusion", "early": "early fusion"}
"""What a modality of the galaxies is for scenes."""
LABEL_NAMES: Final = {"class1": "CLASS1", "class2": "CLASS2"}
SPLIT_NAMES: Final = {BY_VIDEO: "by video", AT_RANDOM: "at random"}

_FEW_VIDEOS: Final = 15

_SOURCES: Final = {
    "simulated": "The frames are a simulated stand-in in the layout of the public set: how high the numbers are says "
    "how hard the simulation is, not how a model does on the real set, and they stand beside the thesis's only to show "
    "the form. That frames of one clip are alike was put in: the leak shown is that of such clips.",
    "local": "The frames are those of the files named in the config.",
    "address": "The frames are those of the zip that the config names.",
}


def sentences(
    table: pd.DataFrame,
    leak: pd.DataFrame,
    ledger: pd.DataFrame,
    objects: Mapping[str, pd.DataFrame],
    differences: Mapping[str, pd.DataFrame],
    source: str,
) -> list[str]:
    """Return what was looked at, how well scenes are told, what fusion brings, and what a random split feigns.

    Parameters
    ----------
    table, leak
        Of `hiss.side.scenes.compare`.
    ledger
        Of `hiss.scenes.reading.ledger`.
    objects
        ``class group how`` of the frames of each target.
    differences
        Of `hiss.side.scores.differences_table`, of each target.
    source
        Where the frames come from.
    """
    said = [_leaks(leak), _looked_at(ledger, objects, source)]
    for label in dict.fromkeys(table["label"]):
        own = table[(table["label"] == label) & (table["split"] == BY_VIDEO)]
        if len(own):
            said += [_best(own.to_dict("records"), label), _fusion(differences[f"scene_{label}_{BY_VIDEO}"])]
    return [sentence for sentence in [*said, _pieces(objects), _few(table)] if sentence]


def _looked_at(ledger: pd.DataFrame, objects: Mapping[str, pd.DataFrame], source: str) -> str:
    frames = ledger.set_index("kind")["frames"]
    largest = max(objects.values(), key=len)
    lost = int(frames["rows"] - frames["used"])
    told = f"{int(frames['used']):,} of the table's {int(frames['rows']):,} frames can be used" if lost else (
        f"All {int(frames['rows']):,} frames of the table can be used"
    )  # fmt: skip
    kinds = " and ".join(
        f"{own['class'].nunique()} classes of {LABEL_NAMES[label]}"
        for label in LABEL_NAMES
        if (own := next((own for name, own in objects.items() if f"_{label}_" in name), None)) is not None
    )
    return f"{told}, of {largest['group'].nunique()} videos, with {kinds}. {_SOURCES[source]}"


def _leaks(leak: pd.DataFrame) -> str:
    """Return by how much a split of frames at random looks better than one of videos."""
    if leak.empty:
        return ""
    rows = leak.to_dict("records")
    sure = [row for row in rows if row["low"] > 0]
    most = max(rows, key=lambda row: row["leak"])
    verdict = f"does in {len(sure)} of {len(rows)} comparisons" if sure else "cannot be told to"
    if len(sure) == len(rows):
        verdict = "does in every comparison"
    return (
        "Does a split of frames at random feign accuracy, since frames next to each other are near copies? It "
        f"{verdict}: balanced accuracy at random is {_signed(leak['leak'].median())} from that by video in the median "
        f"over models, data and labels, and most, {_signed(most['leak'])} "
        f"({_signed(most['low'])} to {_signed(most['high'])}), for "
        f"{NAMES[most['modality']]} of {LABEL_NAMES[most['label']]} with {_model(most)}, where it is "
        f"{most[AT_RANDOM]:.2f} at random and {most[BY_VIDEO]:.2f} by video."
    )


def _best(rows: Sequence[Row], label: str) -> str:
    best = max(rows, key=lambda row: row["balanced_accuracy"])
    chance = 1 / best["classes"]
    above = "" if best["balanced_accuracy_low"] > chance else f", which cannot be told from chance ({chance:.2f})"
    return (
        f"Split by video, {LABEL_NAMES[label]} ({best['classes']} classes) is told best by {NAMES[best['modality']]} "
        f"with {_model(best)}: balanced accuracy {_with(best, 'balanced_accuracy')}, accuracy "
        f"{_with(best, 'accuracy')}{above}; the highest of {len(rows)} on the test frames, and so a little lucky."
    )


def _fusion(differences: pd.DataFrame) -> str:
    """Return what joining images and audio does with each model, against the better of both alone."""
    parts = []
    for model in dict.fromkeys(differences["model"]):
        own = differences[(differences["model"] == model) & differences["against"].isin(["photo", "spectra"])]
        told = []
        for joined in ("early", "late"):
            rows: list[dict[Any, Any]] = own[own["modality"] == joined].to_dict("records")
            if len(rows) == 2:
                row = max(rows, key=lambda row: row["other"])
                told.append(
                    f"{NAMES[joined]} {_verdict(row)} {NAMES[row['against']]} alone ({_signed(row['delta'])}, "
                    f"{_signed(row['low'])} to {_signed(row['high'])})"
                )
        if told:
            parts.append(f"with {_model({'model': model})} {' and '.join(told)}")
    return f"Images and audio together, in balanced accuracy: {'; '.join(parts)}." if parts else ""


def _verdict(row: Row) -> str:
    return "beats" if row["low"] > 0 else "is beaten by" if row["high"] < 0 else "cannot be told from"


def _pieces(objects: Mapping[str, pd.DataFrame]) -> str:
    cut = {
        name: sorted(set(own.loc[own["how"] == "pieces", "class"])) for name, own in objects.items() if BY_VIDEO in name
    }
    names = sorted({str(one) for found in cut.values() for one in found})
    if not names:
        return ""
    return (
        f"Of {', '.join(names)} there are fewer than three videos of a scene: each of those is cut into three pieces "
        "of time with a gap between them, so that their frames do not touch, but are of one place; that still leaks."
    )


def _few(table: pd.DataFrame) -> str:
    by_video = table[table["split"] == BY_VIDEO]
    if by_video.empty or by_video["videos"].max() >= _FEW_VIDEOS:
        return ""
    alone = (
        " Some class has one test video alone: of how videos of one class differ the intervals then say nothing."
        if by_video["least_videos"].min() < 2
        else ""
    )
    return (
        f"By video the test frames are of {int(by_video['videos'].max())} videos: so few that the intervals are wide, "
        f"and too narrow all the same.{alone}"
    )


MEANING: Final = (
    "The thesis's numbers are accuracies, as far as is known of frames split at random; those of its networks are told "
    "once, and stand here beside both labels. They belong beside the rows at random of the public set. The set's "
    "authors (Bird, Faria, Premebida, Ekart & Vogiatzis 2020) report 0.894 for images, 0.937 for audio and 0.968 for "
    "both, of eight scenes.",
    "Models, fusions and choice of settings are the study's own: a frame's picture stands in place of the cutout, its "
    "104 coefficients in place of the spectrum; late fusion is the mean of the probabilities of both. Splits are the "
    "same for both labels. Intervals of 95 % are of the bootstrap over videos: frames of one are not independent. "
    "The leak is balanced accuracy at random less that by video, on different test frames.",
)
"""What the numbers mean, a paragraph an entry."""


def _model(row: Row) -> str:
    return "the decision tree" if row["model"] == "decision_tree" else model_name(row["model"])


def _with(row: Row, name: str) -> str:
    return f"{row[name]:.2f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
