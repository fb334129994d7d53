import json

import pytest
import yaml

from hiss.config.settings import parse_settings, schema
from hiss.errors import HissError
from hiss.runs import plan_runs

STUDY = {"sky": {"source": "archive"}}


def refused(config: dict) -> str:
    with pytest.raises(HissError) as caught:
        parse_settings(config, "config/mine.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        ({"catalogue": "dr8", "region": {"fields": "fields.csv"}}, "names no object's field"),
        ({"catalogue": "dr8", "field_list": False}, "needs field_list: true"),
        ({"epochs": "all", "field_list": False}, "needs field_list: true"),
        ({"z_min": 0.3, "z_max": 0.1}, "z_min must be below z_max"),
    ],
)
def test_an_archive_s_keys_that_contradict_each_other_are_refused(keys, part):
    assert part in refused({"sky": {"source": "archive", "archive": keys}})


@pytest.mark.parametrize("name", ["config.yaml", "demo.yaml", "real_field.yaml"])
def test_the_configs_that_are_shipped_are_valid(repo, name):
    parse_settings(yaml.safe_load((repo / "config" / name).read_text()), name)


def test_the_schema_an_editor_uses_is_the_model(repo):
    assert json.loads((repo / "config" / "schema.json").read_text()) == schema(), "run: make schema"


def test_the_shipped_study_is_the_whole_grid(repo):
    settings = parse_settings(yaml.safe_load((repo / "config" / "config.yaml").read_text()), "config.yaml")
    runs = plan_runs(settings.experiments)
    count = {model: sum(run.model == model for run in runs) for model in ("decision_tree", "lightgbm", "vggnet12")}
    assert count == {"decision_tree": 72, "lightgbm": 384, "vggnet12": 60}
    assert settings.sky.source == "archive"
    assert settings.sky.archive.region.name == "stripe82"


def test_an_unknown_key_is_named_with_what_is_allowed_and_where():
    message = refused(STUDY | {"experiments": {"lightgbm": {"lerning_rate": [0.1]}}})
    assert "config/mine.yaml" in message
    assert "experiments.lightgbm.lerning_rate" in message
    assert "did you mean 'learning_rate'" in message
    assert "max_depth" in message


@pytest.mark.parametrize(
    ("config", "key", "allowed"),
    [
        ({"sky": {"source": "web"}}, "sky.source", "'simulated', 'local', 'archive' or 'existing'"),
        (STUDY | {"experiments": {"zooms": [4]}}, "experiments.zooms.0", "less than or equal to 3"),
        (STUDY | {"experiments": {"seed": "one"}}, "experiments.seed", "valid integer"),
        (STUDY | {"experiments": {"zooms": [1, 1]}}, "experiments", "twice"),
        (
            STUDY | {"experiments": {"lightgbm": {"max_depth": [3, 3]}}},
            "experiments.lightgbm.max_depth",
            "twice",
        ),
        (STUDY | {"sample": {"split": {"train": 0.9}}}, "sample.split", "add up to 1"),
        (STUDY | {"results": "/scratch"}, "results", "below the working directory"),
        (STUDY | {"results": "../elsewhere"}, "results", "below the working directory"),
        ({"sky": {"source": "local"}}, "sky", "sky.local.path"),
        (STUDY | {"experiments": {"modalities": []}}, "experiments.modalities", "at least 1"),
        (STUDY | {"experiments": {"vggnet12": {"zooms": []}}}, "experiments.vggnet12.zooms", "at least 1"),
        (
            STUDY | {"experiments": {"decision_tree": None, "lightgbm": None, "vggnet12": None}},
            "experiments",
            "every model is switched off",
        ),
        ({}, "sky", "missing"),
        (STUDY | {"report": {"bootstrap": 3}}, "report.bootstrap", "greater than or equal to 100"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(config, key, allowed):
    message = refused(config)
    assert f"'{key}'" in message
    assert allowed in message


def test_a_number_in_yaml_may_be_written_with_an_exponent_alone():
    config = yaml.safe_load("{sky: {source: archive}, experiments: {vggnet12: {learning_rate: [1e-5]}}}")
    assert parse_settings(config, "x").experiments.vggnet12.learning_rate == [1e-5]


def test_an_existing_cube_needs_no_sky_and_only_it_does_without():
    cube = {"cube": {"source": "existing", "existing": "cube.h5"}}
    for sky in ({}, STUDY):
        assert parse_settings(cube | sky, "config/mine.yaml").sky.source == "existing"
    assert "'sky' is missing" in refused({"sky": {"source": "existing"}})
    assert "go together" in refused(STUDY | {"cube": {"source": "existing"}})
    assert "go together" in refused(STUDY | {"cube": {"existing": "cube.h5"}})
