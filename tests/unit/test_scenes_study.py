"""The study of scenes from the table of frames to the report: what goes into the models, what comes out, the leak."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from hiss.config.scenes import VIDEO_PATTERN
from hiss.errors import HissError
from hiss.models.features import open_part
from hiss.models.frames import load_frames, prepare_frames
from hiss.plots.scenes import draw_scenes
from hiss.plots.style import modality_colour
from hiss.report.page import FigureOnPage
from hiss.report.scenes import ScenesTables, scenes_section
from hiss.sample.classes import class_names
from hiss.scenes.places import FolderPlace
from hiss.scenes.reading import ledger, read_scenes
from hiss.scenes.simulate import simulate_scenes
from hiss.scenes.split import AT_RANDOM, BY_VIDEO, SPLITS, Shares, of_target, split_frames
from hiss.scenes.store import read_frame_table, write_frames
from hiss.side.scene_words import MEANING, sentences
from hiss.side.scenes import LEAK_COLUMNS, TABLE_COLUMNS, Judged, compare, judged, scores_of

MADE = TemporaryDirectory(prefix="hiss_scenes_")  # gone with the tests
SHARES = Shares(train=0.6, validation=0.2, test=0.2, folds=5, gap=3, min_class=10, seed=1)


@cache
def arrays(seed: int = 1) -> Path:
    """Frames of a stand-in, read."""
    folder = Path(MADE.name) / str(seed)
    simulate_scenes(folder, 6, 8, seed)
    frames, rejects = read_scenes(FolderPlace(folder / "dataset.csv"), 16, VIDEO_PATTERN)
    assert rejects.empty
    write_frames(folder / "arrays.h5", frames, {})
    return folder / "arrays.h5"


def split_of(label: str, split: str, seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    sides = split_frames(read_frame_table(arrays(seed)), split, SHARES)
    return of_target(sides, label)[:2]


def predictions(label: str, split: str, seed: int = 1) -> Judged:
    """What a tree says of the test frames, by each kind of data."""
    sides, _ = split_of(label, split, seed)
    test, parts = sides[sides["split"] == "test"], []
    for modality in ("photo", "spectra", "early"):
        train = sides[sides["split"] == "train"]
        known, asked = (load_frames(arrays(seed), part["row"], modality)[0].features for part in (train, test))
        tree = DecisionTreeClassifier(max_depth=8, random_state=0).fit(known, train["truth"])
        rows = test[["row", "target_id", "truth"]].assign(model="decision_tree", modality=modality, zoom=0)
        parts.append(rows.assign(prediction=tree.predict(asked)))
    return judged(f"scene_{label}_{split}", pd.concat(parts, ignore_index=True), sides)


@cache
def compared() -> tuple[pd.DataFrame, pd.DataFrame]:
    return compare([predictions(label, split) for label in ("class1", "class2") for split in SPLITS], 300, 1)


# ---- what models see ----


@pytest.mark.parametrize(("modality", "width"), [("photo", 768), ("spectra", 104), ("early", 872)])
def test_features_are_those_of_the_frames_and_no_test_frame_is_among_them(tmp_path, modality, width):
    sides, objects = split_of("class2", BY_VIDEO)
    names = class_names(objects)
    prepare_frames(arrays(), sides, names, modality, tmp_path / "f.h5", {"made": "here"})
    with h5py.File(tmp_path / "f.h5") as file:
        assert file.attrs["n_bands"] == 3
        assert json.loads(file.attrs["classes"]) == list(names)
        assert set(file["row"][:]).isdisjoint(sides.loc[sides["split"] == "test", "row"])
    for side in ("train", "validation"):
        part = open_part(tmp_path / "f.h5", side)
        assert part.data.features.shape[1] == width
        assert part.data.classes == tuple(names)
        assert part.data.n_bands == 3
        same, target_id = load_frames(arrays(), part.table["row"], modality, part.table["truth"], names)
        assert np.array_equal(same.features, part.data.features)
        assert np.array_equal(target_id, part.table["target_id"])
        assert same.content == part.data.content == modality
        truth = sides.set_index("row").loc[part.table["row"], "truth"]
        assert np.array_equal(truth, part.data.target)


def test_a_side_without_a_frame_is_told():
    with pytest.raises(HissError, match="no frame is asked for"):
        load_frames(arrays(), [], "photo")


# ---- the leak, and how it is measured ----


def test_frames_at_random_feign_what_videos_do_not_keep():
    _, leak = compared()
    pictures = leak[leak["modality"] != "spectra"]
    assert (pictures["low"] > 0).all()
    assert leak.loc[leak["label"] == "class2", "low"].gt(0).all()
    table, _ = compared()
    by_video = table[(table["split"] == BY_VIDEO) & (table["label"] == "class2") & (table["modality"] != "early")]
    assert by_video["balanced_accuracy"].gt(1.5 / 8).all(), "something of a scene is in every clip of it"


def test_there_is_no_leak_where_clips_have_nothing_of_their_own(monkeypatch):
    """The effect comes out of what clips keep, not out of the measure."""
    for name in ("_PLACE", "_LIGHT", "_CAST", "_CONTRAST", "_MICROPHONE"):
        monkeypatch.setattr(f"hiss.scenes.simulate.{name}", 0.0)
    found = [predictions("class2", split, seed=2) for split in SPLITS]
    leak = compare(found, 300, 1)[1].set_index("modality")
    assert leak.loc["spectra", "low"] < 0
    assert abs(leak.loc["spectra", "leak"]) < 0.1


def rows_of(truth, prediction, group):
    values = {"model": "decision_tree", "modality": "photo", "row": range(len(truth)), "truth": truth}
    return pd.DataFrame({**values, "prediction": prediction, "group": group}).astype({"truth": float})


def test_scores_by_hand():
    rows = rows_of([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0], [0, 0, 1, 1, 2, 2])
    table, _ = compare([Judged("class1", BY_VIDEO, rows, 2)], 200, 1)
    assert table["accuracy"].iloc[0] == pytest.approx(4 / 6)
    assert table["balanced_accuracy"].iloc[0] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert table["videos"].iloc[0] == 3
    assert list(table.columns) == TABLE_COLUMNS


def test_a_resample_without_a_class_is_scored_by_the_others():
    found = scores_of(np.array([0.0, 1.0]), np.array([0.0, 0.0]), np.array([[2, 0], [1, 1]]), np.array([0, 1]), 2)
    assert list(found["balanced_accuracy"]) == [1.0, 0.5]


def test_intervals_follow_the_videos_and_not_the_frames():
    rng = np.random.default_rng(1)
    widths = []
    for frames in (1, 50):
        right = np.repeat(rng.random(30) < 0.6, frames)
        rows = rows_of(np.zeros(len(right)), np.where(right, 0.0, 1.0), np.repeat(np.arange(30), frames))
        row = compare([Judged("class1", BY_VIDEO, rows, 2)], 500, 1)[0].iloc[0]
        widths.append(row["accuracy_high"] - row["accuracy_low"])
    assert widths[1] == pytest.approx(widths[0], rel=0.3)


def test_one_split_alone_has_no_leak():
    table, leak = compare([predictions("class1", AT_RANDOM)], 100, 1)
    assert len(table) == 3
    assert leak.empty
    assert list(leak.columns) == LEAK_COLUMNS


def test_the_thesis_stands_beside_what_it_tells():
    table = compared()[0].set_index(["label", "split", "modality"])["thesis"]
    assert table["class1", AT_RANDOM, "spectra"] == 0.81
    assert table["class2", AT_RANDOM, "early"] == 0.92
    assert np.isnan(table["class2", AT_RANDOM, "photo"])


# ---- words, section, figures ----


def accounts(n: int) -> pd.DataFrame:
    return ledger(n, pd.DataFrame(columns=["line", "path", "kind", "reason"]), n)


def said(source: str = "simulated") -> list[str]:
    objects = {
        f"scene_{label}_{split}": split_of(label, split)[1] for label in ("class1", "class2") for split in SPLITS
    }
    return sentences(*compared(), accounts(384), objects, fusions(), source)


def fusions(delta: float = -0.1, half: float = 0.3) -> dict[str, pd.DataFrame]:
    """How early fusion stands against each of both, with each label."""
    rows = [
        {"model": "decision_tree", "modality": "early", "against": against, "other": other, "delta": delta,
         "low": delta - half, "high": delta + half}
        for against, other in (("photo", 0.3), ("spectra", 0.4))
    ]  # fmt: skip
    return {f"scene_{label}_{BY_VIDEO}": pd.DataFrame(rows) for label in ("class1", "class2")}


def test_the_sentences_tell_the_leak_the_best_and_what_the_numbers_are_of():
    text = " ".join(said())
    _, leak = compared()
    most = leak.sort_values("leak").iloc[-1]
    assert f"{most['leak']:+.2f}" in text
    assert "All 384 frames" in text
    assert "of 48 videos" in text
    assert "a simulated stand-in" in text
    assert "stand-in" not in " ".join(said("local"))
    assert "Split by video, CLASS2 (8 classes) is told best by" in text


@pytest.mark.parametrize(
    ("delta", "half", "verdict"), [(0.2, 0.1, "beats"), (-0.2, 0.1, "is beaten by"), (0.1, 0.2, "cannot be told from")]
)
def test_fusion_is_told_against_the_better_of_both_alone(delta, half, verdict):
    objects = {"scene_class1_by_video": split_of("class1", BY_VIDEO)[1]}
    told = sentences(*compared(), accounts(384), objects, fusions(delta, half), "local")
    (sentence,) = {one for one in told if one.startswith("Images and audio together")}
    assert f"{delta:+.2f}".replace("-", "−") in sentence
    assert f"{verdict} audio alone (" in sentence


def test_no_leak_is_not_claimed():
    table, leak = compared()
    nothing = leak.assign(leak=0.0, low=-0.1, high=0.1)
    objects = {"scene_class1_by_video": split_of("class1", BY_VIDEO)[1]}
    assert "It cannot be told to" in sentences(table, nothing, accounts(384), objects, fusions(), "local")[0]


def test_scenes_whose_videos_had_to_be_cut_are_named():
    table, leak = compared()
    objects = split_of("class2", BY_VIDEO)[1]
    cut = objects.assign(how=np.where(objects["class"] == "BEACH", "pieces", "videos"))
    told = sentences(table, leak, accounts(384), {"scene_class2_by_video": cut}, fusions(), "local")
    assert any(sentence.startswith("Of BEACH there are fewer than three videos") for sentence in told)


def test_the_section_has_its_tables_and_figures():
    table, leak = compared()
    names = [f"fig_scenes_{name}" for name in ("classes", "mfcc", "examples", "leak")]
    figures = {name: FigureOnPage(name, "", "", "", "") for name in names}
    answers = {"sentences": said(), "meaning": list(MEANING)}
    section = scenes_section(ScenesTables(answers, table, leak, accounts(384)), figures)
    assert [len(one.rows) for one in section.tables] == [6, 6, 2]
    assert len(section.figures) == 4
    assert all(len(row) == len(one.columns) for one in section.tables for row in one.rows)
    alone = scenes_section(ScenesTables(answers, table, leak.iloc[:0], accounts(384)), {})
    assert len(alone.tables) == 2


def test_the_figures_are_drawn_with_their_numbers(tmp_path):
    table, leak = compared()
    draw_scenes(tmp_path, arrays(), table, leak)
    for name in ("classes", "mfcc", "examples", "leak"):
        assert all((tmp_path / f"fig_scenes_{name}.{suffix}").stat().st_size > 1000 for suffix in ("svg", "png"))
    counts = pd.read_csv(tmp_path / "fig_scenes_classes.csv")
    assert counts.groupby("label")["frames"].sum().to_dict() == {"class1": 384, "class2": 384}
    assert len(pd.read_csv(tmp_path / "fig_scenes_mfcc.csv")) == 104 * (2 + 8)
    shown = pd.read_csv(tmp_path / "fig_scenes_examples.csv")
    assert shown.groupby("class2")["video"].nunique().eq(3).all()
    assert modality_colour("photo") in (tmp_path / "fig_scenes_leak.svg").read_text().upper()


def test_one_split_alone_has_a_figure_that_says_so(tmp_path):
    table, leak = compared()
    draw_scenes(tmp_path, arrays(), table[table["split"] == BY_VIDEO], leak.iloc[:0])
    assert (tmp_path / "fig_scenes_leak.svg").is_file()
