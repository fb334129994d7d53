"""The studies beside the main one in the config, and the runs they ask for."""

import pytest

from hiss.config.settings import Settings, parse_settings
from hiss.errors import HissError
from hiss.runs import plan_runs, plan_side_runs

SKY = {"sky": {"source": "simulated"}}


def settings_of(**config) -> Settings:
    return parse_settings(SKY | config, "test.yaml")


def side_of(**side) -> Settings:
    return settings_of(side_studies=side)


def test_the_full_study_learns_three_targets_and_the_scenes():
    side = settings_of().side_studies
    assert list(side.learning()) == [
        "class", "quiescent", "redshift",
        "scene_class1_by_video", "scene_class1_at_random", "scene_class2_by_video", "scene_class2_at_random",
    ]  # fmt: skip


def test_a_target_is_a_line_over_those_of_the_full_study_and_null_takes_one_away():
    side = side_of(targets={"near": {"label": "redshift", "zooms": [3]}, "class": None}, scenes=None).side_studies
    assert set(side.learning()) == {"near", "quiescent", "redshift"}
    assert side.learning()["near"].zooms == [3]
    assert not side_of(targets=None, scenes=None).side_studies.learning()


def test_runs_beside_the_study_have_folders_of_their_own():
    settings = settings_of()
    runs = plan_side_runs(settings.side_studies, settings.experiments)
    assert len({run.folder for run in (*runs, *plan_runs(settings.experiments))}) == len(runs) + 520
    assert {run.sample for run in runs} == {run.target for run in runs} == set(settings.side_studies.learning())
    of_class = [run for run in runs if run.target == "class"]
    assert len(of_class) == 3 * 3 * 4
    assert all(run.settings["class_weights"] for run in runs)
    assert {run.zoom for run in runs if run.target.startswith("scene")} == {0}


def test_settings_of_a_grid_are_runs_each_and_models_may_have_zooms_of_their_own():
    target = {
        "label": "class", "zooms": [1, 3], "class_weights": False, "lightgbm": None,
        "decision_tree": {"max_depth": [2, 4]}, "vggnet12": {"zooms": [3], "learning_rate": [1e-3]},
    }  # fmt: skip
    settings = side_of(targets={"class": target, "quiescent": None, "redshift": None}, scenes=None)
    runs = plan_side_runs(settings.side_studies, settings.experiments)
    assert len([run for run in runs if run.model == "decision_tree"]) == 2 * 3 * 2
    assert [run.zoom for run in runs if run.model == "vggnet12"] == [3] * 3
    assert not any(run.settings["class_weights"] for run in runs)


def test_lightgbm_beside_the_study_leaves_the_files_that_its_grid_leaves():
    everywhere = settings_of(experiments={"lightgbm": {"cross_validate": "all"}})
    selected = settings_of(experiments={"lightgbm": {"cross_validate": "selected"}})
    for settings, folds in ((everywhere, True), (selected, False)):
        runs = plan_side_runs(settings.side_studies, settings.experiments)
        assert {run.settings["cross_validate"] for run in runs if run.model == "lightgbm"} == {folds}


def test_where_nothing_is_trained_nothing_is_trained_beside_it_unless_named():
    side = settings_of(experiments=None).side_studies
    assert not side.learning()
    assert side.cases is None
    assert side.structure is not None
    named = settings_of(experiments=None, side_studies={"targets": {"class": None, "quiescent": None}}).side_studies
    assert list(named.learning()) == ["redshift"]


@pytest.mark.parametrize(
    ("side", "sentence"),
    [
        ({"targets": {"flag0": {"label": "class"}}}, "the study itself uses that name"),
        ({"targets": {"sfr": {"label": "class"}}}, "the study itself uses that name"),
        ({"targets": {"class": {"label": "colour"}}}, "'class', 'quiescent' or 'redshift'"),
        ({"targets": {"class": {"label": "class", "zooms": [3], "vggnet12": {"zooms": [0]}}}}, "vggnet12.zooms"),
        (
            {"targets": {"class": {"label": "class", "decision_tree": None, "lightgbm": None, "vggnet12": None}}},
            "every model is switched off",
        ),
        (
            {"targets": {"class": {"label": "class", "vggnet12": {"weights": "https://example.org/w.safetensors"}}}},
            "name the address in experiments.vggnet12",
        ),
        ({"targets": {"No-Name": {"label": "class"}}}, "should match pattern"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(side, sentence):
    with pytest.raises(HissError, match=sentence):
        side_of(**side)
