"""The study of scenes in the config: its three sources, and what is refused with a sentence."""

import re

import pytest

from hiss.config.scenes import VIDEO_PATTERN
from hiss.config.settings import parse_settings
from hiss.errors import HissError
from hiss.runs import plan_side_runs
from hiss.scenes.videos import moment_of


def scenes(**chosen):
    return parse_settings(
        {"sky": {"source": "simulated"}, "side_studies": {"scenes": chosen}}, "test.yaml"
    ).side_studies


def test_networks_of_scenes_are_for_pictures_without_noise_of_which_up_is_up():
    side = scenes(vggnet12={"learning_rate": [1e-3]})
    (settings,) = {
        (run.settings["image_scaling"], run.settings["spectrum_scaling"], run.settings["augment"])
        for run in plan_side_runs(side, None)
        if run.target.startswith("scene") and run.model == "vggnet12"
    }
    assert settings == ("standard", "standard", False)


def test_a_run_for_each_label_split_model_and_kind_of_data():
    side = scenes(
        labels=["class2"], splits=["by_video"], vggnet12=None, lightgbm={"learning_rate": [0.1], "max_depth": [4]}
    )
    runs = [run for run in plan_side_runs(side, None) if run.target.startswith("scene")]
    assert {run.target for run in runs} == {"scene_class2_by_video"}
    assert sorted({run.model for run in runs}) == ["decision_tree", "lightgbm"]
    assert len(runs) == 2 * 3


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"source": "local"}, "name the table in local"),
        ({"source": "address"}, "name it in address"),
        ({"source": "address", "address": {"address": "ftp://x/y.zip"}}, "should match pattern"),
        ({"video_pattern": "(?P<video>["}, "is no regular expression"),
        ({"video_pattern": "(.*)"}, "has no group"),
        ({"split": {"train": 0.9}}, "must add up to 1"),
        ({"vggnet12": {"zooms": [1]}}, "frames have one zoom"),
        ({"vggnet12": {"image_scaling": "asinh"}}, "'standard' or 'linear'"),
        ({"labels": ["class1", "class1"]}, "a value stands twice"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(chosen, sentence):
    with pytest.raises(HissError, match=sentence):
        scenes(**chosen)


@pytest.mark.parametrize(
    ("path", "video", "frame"),
    [
        ("images/beach1/12.png", "images/beach1", 12),
        ("images/beach1_0012.jpg", "images/beach1", 12),
        ("beach1-12.png", "beach1", 12),
        ("images/beach1/frame12.png", "images/beach1/frame", 12),
        ("images/beach.png", None, None),
    ],
)
def test_the_default_pattern_takes_the_last_number_for_the_frame(path, video, frame):
    found = moment_of(path, re.compile(VIDEO_PATTERN))
    assert (found and found.video, found and found.frame) == (video, frame)
