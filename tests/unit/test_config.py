import json
from collections import Counter

import pytest
import yaml

from hiss.config.settings import parse_settings, schema
from hiss.config.variants import default_variants
from hiss.errors import HissError
from hiss.runs import idle_variants, plan_runs, plan_variants

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
    count = Counter(run.model for run in runs)
    grid = {"decision_tree": 72, "lightgbm": 384, "vggnet12": 60}
    assert count == grid | {"mean": 1, "magnitudes": 1, "halpha": 2}
    assert sum(grid.values()) == 516
    variants = plan_variants(settings.experiments)
    assert Counter(run.model for run in variants) == {"decision_tree": 39, "lightgbm": 42, "vggnet12": 45}
    assert {run.name for run in variants} == {f"variant={name}" for name in settings.experiments.variants}
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
        (
            STUDY | {"experiments": {"baselines": ["magic"]}},
            "experiments.baselines.0",
            "'mean', 'magnitudes' or 'halpha'",
        ),
        (STUDY | {"experiments": {"intervals": {"level": 90}}}, "experiments.intervals.level", "less than 1"),
        (STUDY | {"experiments": {"lightgbm": {"max_bin": 256}}}, "experiments.lightgbm.max_bin", "less than or equal"),
        (
            STUDY | {"experiments": {"vggnet12": {"cross_validate": "all"}}},
            "experiments.vggnet12.cross_validate",
            "'none' or 'selected'",
        ),
        (STUDY | {"experiments": {"cascade": {"cheap_zoom": 1, "fine_zoom": 2}}}, "experiments.cascade", "coarser"),
        (STUDY | {"experiments": {"zooms": [2, 3], "cascade": {}}}, "experiments", "cascade needs zoom 0"),
        (STUDY | {"sample": {"variants": {"flag0": {"flag": "any"}}}}, "sample", "flag0 is the study's own"),
        (STUDY | {"sample": {"variants": {"same": {"flag": "zero"}}}}, "sample", "same is the study's own sample"),
        (STUDY | {"sample": {"variants": {"Bad-name": {"flag": "any"}}}}, "sample.variants.Bad-name", "match"),
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


@pytest.mark.parametrize(
    ("variant", "part"),
    [
        ({}, "changes nothing; name one of attention, draws, environment, members"),
        ({"models": ["lightgbm"], "zooms": [3]}, "changes nothing"),
        ({"redshift": True, "zooms": []}, "leave the key out for all"),
        ({"redshift": True, "models": ["lightgbm", "lightgbm"]}, "twice"),
        ({"rest_frame": True, "modalities": ["photo"]}, "photo has none"),
        ({"spectra_zoom": 0, "modalities": ["spectra"]}, "name early"),
        ({"spectra_zoom": 0, "zooms": [0]}, "zoom of the images too"),
        ({"attention": True, "modalities": ["photo"]}, "attention is made of early"),
        ({"attention": True, "models": ["lightgbm"]}, "the CNN's alone"),
        ({"sample": "faint"}, "no sample 'faint' in sample.variants, which has flagged, any_flag, multi_kept"),
        ({"train_size": 0}, "greater than or equal to 1"),
        ({"settings": {"leaves": 3}}, "decision_tree: no setting 'leaves'; it has label_weights, max_depth"),
        ({"settings": {"image_scaling": "linear"}}, "decision_tree: no setting 'image_scaling'"),
        ({"settings": {"max_depth": "deep"}}, "max_depth 'deep': Input should be a valid integer"),
        ({"settings": {"max_depth": [3, 4]}}, r"max_depth [3, 4]: Input should be a valid integer"),
        ({"settings": {"weights": "https://example.org/w"}, "models": ["vggnet12"]}, "are a file or null"),
        ({"settings": {"zooms": [3]}, "models": ["vggnet12"]}, "no setting 'zooms'"),
        ({"settings": {"cross_validate": "all"}, "models": ["lightgbm"]}, "no setting 'cross_validate'"),
    ],
)
def test_a_variant_that_cannot_be_is_refused(variant, part):
    message = refused(STUDY | {"experiments": {"variants": {"mine": variant}}})
    assert "mine" in message
    assert part in message


def test_a_variant_s_setting_is_asked_of_the_models_it_is_for_and_that_are_on():
    linear = {"variants": {"linear": {"settings": {"image_scaling": "linear"}, "models": ["vggnet12"]}}}
    assert parse_settings(STUDY | {"experiments": linear}, "x").experiments.variants["linear"].settings
    alone = {"lightgbm": None, "decision_tree": None, "variants": {"w": {"settings": {"dropout": 0.1}}}}
    assert parse_settings(STUDY | {"experiments": alone}, "x").experiments.variants["w"].settings == {"dropout": 0.1}


def choice_of(**other):
    plain = {"flag": "zero", "multi_object": "reject", "detector": "threshold", "gaps": "reject", "longest": 0}
    return plain | other


def test_samples_say_what_they_keep():
    sample = parse_settings(STUDY | {"sample": {"multi_object": {"policy": "keep"}}}, "x").sample
    assert sample.choices()["flag0"] == choice_of(multi_object="keep")
    assert sample.choices()["flagged"] == choice_of(flag="nonzero", multi_object="keep")
    other = {"variants": {"single": {"multi_object": "reject"}}, "multi_object": {"policy": "keep"}}
    choices = parse_settings(STUDY | {"sample": other, "experiments": {"variants": {}}}, "x").sample.choices()
    assert choices["single"] == choice_of()


def test_samples_differ_by_neighbours_and_gaps():
    choices = parse_settings(STUDY | {"sample": {"gaps": {"longest": 7}}}, "x").sample.choices()
    masked = choice_of(multi_object="mask", detector="segmentation")
    assert choices["neighbours_masked"] == masked, "masks are segmentation's, whatever counts the objects"
    assert choices["segmented"] == choice_of(detector="segmentation")
    assert choices["flag0"] == choice_of(), "the length of a gap is nothing to a sample that rejects them all"
    assert choices["gaps_masked"] == choice_of(gaps="mask", longest=7)
    assert choices["gaps_interpolated"]["gaps"] == "interpolate"


@pytest.mark.parametrize(
    "sample",
    [
        {"variants": {"mine": {"multi_object": "reject", "detector": "threshold", "gaps": "reject"}}},
        {"multi_object": {"policy": "keep"}, "variants": {"mine": {"detector": "segmentation"}}},
        {"multi_object": {"policy": "mask"}, "variants": {"mine": {"detector": "threshold"}}},
    ],
)
def test_a_variant_that_is_the_study_s_own_sample_is_refused(sample):
    assert "mine is the study's own sample" in refused(STUDY | {"sample": sample, "experiments": {"variants": {}}})


def test_a_study_of_fewer_zooms_needs_no_word_about_the_cascade():
    assert parse_settings(STUDY | {"experiments": {"zooms": [3]}}, "x").experiments.zooms == [3]


def test_a_study_without_lightgbm_needs_no_word_about_the_cascade_and_one_that_names_it_is_told():
    assert parse_settings(STUDY | {"experiments": {"lightgbm": None}}, "x").experiments.lightgbm is None
    message = refused(STUDY | {"experiments": {"lightgbm": None, "cascade": {}}})
    assert "'experiments': cascade is made of LightGBM's runs" in message
    assert "say cascade: null" in message


@pytest.mark.parametrize(
    ("sample", "gone"),
    [
        ({"variants": {"bright": {"flag": "any"}}}, {"flagged", "any_flag", "multi_kept"}),
        ({"variants": {}}, {"flagged", "any_flag", "multi_kept"}),
        ({"multi_object": {"policy": "keep"}}, {"multi_kept"}),
    ],
)
def test_default_variants_of_samples_that_are_not_there_or_the_study_s_own_are_left_out(sample, gone):
    experiments = parse_settings(STUDY | {"sample": sample}, "x").experiments
    samples = {name: variant.sample for name, variant in default_variants().items()}
    known = {name for name in samples if samples[name] in (None, *parse_settings(STUDY, "x").sample.choices())}
    assert gone <= known
    assert {"redshift", "five_seeds"} <= set(experiments.variants)
    assert not gone & set(experiments.variants)
    assert not idle_variants(experiments), "nobody named them: nothing is said of them"


def test_named_variants_of_samples_that_are_not_there_or_the_study_s_own_are_refused():
    own = {"sample": {"multi_object": {"policy": "keep"}}, "experiments": {"variants": {"k": {"sample": "multi_kept"}}}}
    assert "experiments.variants.k: sample 'multi_kept' is the study's own" in refused(STUDY | own)
    other = {"sample": {"variants": {}}, "experiments": {"variants": {"f": {"sample": "flagged"}}}}
    assert "experiments.variants.f: no sample 'flagged' in sample.variants, which has none" in refused(STUDY | other)
