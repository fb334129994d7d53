"""No video on two sides, or a gap where one has to be cut; and frames at random, which leak."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiss.errors import HissError
from hiss.sample.classes import class_names
from hiss.sample.split import SIDES
from hiss.scenes.split import AT_RANDOM, BY_VIDEO, Shares, of_target, split_frames, target_parts

SHARES = Shares(train=0.6, validation=0.2, test=0.2, folds=5, gap=3, min_class=10, seed=1)


def frames(videos: dict[str, list[int]]) -> pd.DataFrame:
    """Frames of videos so long, by their scene."""
    rows = [
        (f"{scene}{number}", frame, "INDOORS" if scene < "m" else "OUTDOORS", scene.upper())
        for scene, lengths in videos.items()
        for number, length in enumerate(lengths)
        for frame in range(length)
    ]
    table = pd.DataFrame(rows, columns=["video", "frame", "class1", "class2"])
    return table.assign(row=np.arange(len(table)))


lengths = st.lists(st.integers(1, 40), min_size=1, max_size=7)
scenes = st.dictionaries(st.sampled_from(["beach", "city", "river", "zoo"]), lengths, min_size=1)


@settings(deadline=None)
@given(scenes, st.integers(0, 5), st.integers(0, 100))
def test_a_video_is_on_one_side_or_cut_with_a_gap(videos, gap, seed):
    table = frames(videos)
    sides = split_frames(table, BY_VIDEO, SHARES._replace(gap=gap, seed=seed))
    assert list(sides["row"]) == list(table["row"])
    on_a_side = sides[sides["split"].isin(SIDES)].merge(table[["row", "video", "frame"]], on="row")
    for _, own in on_a_side.groupby("video"):
        if set(own["how"]) == {"videos"}:
            assert own["split"].nunique() == 1
            continue
        ordered = own.sort_values("frame")
        changes = (ordered["split"] != ordered["split"].shift()).to_numpy()
        assert list(ordered["split"][changes]) == list(SIDES)
        steps = ordered["frame"].diff().to_numpy()[changes][1:]
        assert (steps == gap + 1).all()
    for scene, own in on_a_side.groupby("class2"):
        assert set(own["split"]) == set(SIDES)
        assert (set(own["how"]) == {"videos"}) == (len(videos[scene.lower()]) >= 3)


@settings(deadline=None)
@given(scenes, st.sampled_from([BY_VIDEO, AT_RANDOM]), st.integers(0, 100))
def test_folds_are_of_the_training_frames_and_leave_each_class_something_to_learn(videos, split, seed):
    sides = split_frames(frames(videos), split, SHARES._replace(seed=seed))
    train = sides["split"] == "train"
    assert (sides.loc[~train, "fold"] == -1).all()
    assert set(sides.loc[train, "fold"]) == set(range(sides["fold"].max() + 1))
    for _, own in sides[train].groupby("class2"):
        if own["group"].nunique() > 1 and split == BY_VIDEO and set(own["how"]) == {"videos"}:
            assert (own.groupby("group")["fold"].nunique() == 1).all()
        assert own["fold"].nunique() > 1 or len(own) == 1


@settings(deadline=None)
@given(scenes, st.sampled_from([BY_VIDEO, AT_RANDOM]))
def test_every_frame_is_counted(videos, split):
    table = frames(videos)
    sides = split_frames(table, split, SHARES)
    if sides.loc[sides["split"].isin(SIDES), "class2"].nunique() < 2:
        with pytest.raises(HissError, match="two are needed"):
            of_target(sides, "class2")
        return
    chosen, objects, counts = of_target(sides, "class2")
    assert counts["objects"].sum() == len(table)
    assert counts["used"].sum() == len(chosen) == len(objects)
    assert dict(zip(counts["name"], counts["objects"], strict=True)) == table["class2"].value_counts().to_dict()
    for told in counts[counts["used"] < counts["objects"]].to_dict("records"):
        assert sum(int(part.split()[0]) for part in told["why"].split("; ")) == told["objects"] - told["used"]


def test_shares_are_as_asked_where_videos_allow_it():
    table = frames({"beach": [30] * 10, "zoo": [50] * 20})
    for split in (BY_VIDEO, AT_RANDOM):
        found = split_frames(table, split, SHARES)["split"].value_counts(normalize=True)
        assert [found[side] for side in SIDES] == pytest.approx([0.6, 0.2, 0.2], abs=0.01)


def test_both_labels_and_no_other_share_one_split():
    sides = split_frames(frames({"beach": [20] * 4, "city": [20] * 4, "zoo": [20] * 4}), BY_VIDEO, SHARES)
    first, objects, _ = of_target(sides, "class1")
    second, _, _ = of_target(sides, "class2")
    assert list(first["split"]) == list(second["split"])
    assert class_names(objects) == ("INDOORS", "OUTDOORS")
    assert set(first["truth"]) == {0.0, 1.0}
    assert set(second["truth"]) == {0.0, 1.0, 2.0}


def test_at_random_frames_of_one_video_are_on_all_sides():
    table = frames({"beach": [40] * 4, "zoo": [40] * 4})
    sides = split_frames(table, AT_RANDOM, SHARES)
    assert (sides.groupby("group")["split"].nunique() == 3).all()


def test_the_same_seed_gives_the_same_split_and_another_one_another():
    table = frames({"beach": [10] * 8, "zoo": [12] * 8})
    for split in (BY_VIDEO, AT_RANDOM):
        pd.testing.assert_frame_equal(split_frames(table, split, SHARES), split_frames(table, split, SHARES))
        other = split_frames(table, split, SHARES._replace(seed=2))
        assert list(other["split"]) != list(split_frames(table, split, SHARES)["split"])


def test_a_rare_scene_is_left_out_and_told():
    sides = split_frames(frames({"beach": [20] * 4, "city": [20] * 4, "zoo": [3] * 3}), BY_VIDEO, SHARES)
    _, objects, counts = of_target(sides, "class2")
    assert set(objects["class"]) == {"BEACH", "CITY"}
    assert counts.set_index("name").loc["ZOO", "why"] == "9 too few frames of this scene"
    with pytest.raises(HissError, match="class1 has 1 classes"):
        of_target(sides, "class1")


def test_a_video_too_short_to_be_cut_is_left_out_and_told():
    sides = split_frames(frames({"beach": [20] * 4, "city": [20] * 4, "zoo": [7, 30]}), BY_VIDEO, SHARES)
    counts = of_target(sides, "class2")[2].set_index("name")
    assert (
        counts.loc["ZOO", "why"] == "6 between two sides of a video that had to be cut; 7 a video too short to be cut"
    )


def test_a_target_tells_its_label_and_split():
    assert target_parts("scene_class1_by_video") == ("class1", BY_VIDEO)
    assert target_parts("scene_class2_at_random") == ("class2", AT_RANDOM)
    with pytest.raises(HissError, match="no target of the scenes"):
        target_parts("scene_class3_by_video")
