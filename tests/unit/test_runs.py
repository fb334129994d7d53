from hiss.config.settings import parse_settings
from hiss.modality import Modality
from hiss.runs import idle_variants, models_of, plan_runs, plan_variants, zooms_of


def experiments(**sections):
    return parse_settings({"sky": {"source": "archive"}, "experiments": sections}, "test").experiments


def test_every_run_has_a_folder_of_its_own_named_for_people():
    runs = plan_runs(experiments())
    folders = [run.folder for run in runs]
    assert len(set(folders)) == len(folders)
    assert "runs/sfr/flag0/lightgbm/early/zoom0/learning_rate=0.1+max_depth=9" in folders
    assert "runs/sfr/flag0/vggnet12/photo/zoom3/learning_rate=1e-05" in folders


def test_what_differs_from_the_default_joins_the_name():
    runs = plan_runs(experiments(seed=7, lightgbm={"learning_rate": [0.1], "max_depth": [3], "max_bin": 31}))
    assert {run.name for run in runs if run.model == "lightgbm"} == {"learning_rate=0.1+max_depth=3+max_bin=31+seed=7"}


def test_a_path_in_a_setting_cannot_leave_the_run_s_folder():
    runs = plan_runs(experiments(vggnet12={"learning_rate": [0.1], "weights": "../../w.safetensors"}))
    assert all("/" not in run.name for run in runs)


def test_a_model_can_be_switched_off_and_have_zooms_of_its_own():
    study = experiments(lightgbm=None, zooms=[1, 2, 3], vggnet12={"zooms": [3]}, baselines=[])
    assert models_of(study) == ["decision_tree", "vggnet12"]
    assert zooms_of(study, "vggnet12") == [3]
    assert zooms_of(study, "decision_tree") == [1, 2, 3]
    assert {(run.model, run.zoom) for run in plan_runs(study)} == {
        ("decision_tree", 1), ("decision_tree", 2), ("decision_tree", 3), ("vggnet12", 3),
    }  # fmt: skip


def test_a_run_carries_all_its_hyperparameters():
    run = next(run for run in plan_runs(experiments()) if run.model == "lightgbm").as_dict()
    assert run["settings"].keys() >= {
        "learning_rate",
        "max_depth",
        "num_leaves",
        "early_stopping_rounds",
        "rounds",
    }


def test_no_experiments_no_runs():
    assert plan_runs(None) == []
    assert models_of(None) == []
    assert plan_variants(None) == []


def test_the_baselines_are_runs_like_any_other():
    runs = [run for run in plan_runs(experiments(zooms=[3, 1])) if run.model in ("mean", "magnitudes", "halpha")]
    assert [run.folder.removeprefix("runs/sfr/flag0/") for run in runs] == [
        "mean/none/zoom1/default",
        "magnitudes/photo/zoom1/default",
        "halpha/lines/zoom1/scale=formula",
        "halpha/lines/zoom1/scale=fitted",
    ]
    assert plan_runs(experiments(baselines=["mean"]))[-1].model == "mean"


def test_only_the_network_has_attention():
    runs = plan_runs(experiments(modalities=["early", "attention"]))
    assert {run.model for run in runs if run.modality == "attention"} == {"vggnet12"}
    assert {run.inputs for run in runs if run.modality == "attention"} == {"early"}


def test_cross_validating_the_grid_is_a_setting_of_its_runs():
    for asked, given in (("none", False), ("selected", False), ("all", True)):
        run = next(run for run in plan_runs(experiments(lightgbm={"cross_validate": asked})) if run.model == "lightgbm")
        assert run.settings["cross_validate"] is given
        assert ("cross_validate=True" in run.name) is given


# ---- variants ----


def variants(**sections):
    return plan_variants(experiments(**sections))


def places(runs):
    return [(run.model, run.base, run.modality, run.zoom) for run in runs]


def test_a_variant_is_of_the_coarsest_zoom_of_each_model_unless_told():
    study = {"zooms": [1, 2], "modalities": ["photo"], "decision_tree": None, "vggnet12": {"zooms": [1]}}
    redshift = variants(**study, variants={"z": {"redshift": True}})
    assert places(redshift) == [("lightgbm", "photo", "photo_z", 2), ("vggnet12", "photo", "photo_z", 1)]
    everywhere = variants(**study, variants={"z": {"redshift": True, "zooms": [0, 1, 2], "models": ["lightgbm"]}})
    assert [run.zoom for run in everywhere] == [1, 2], "where the study has it"


def test_what_a_variant_can_be_made_of():
    only = {"models": ["vggnet12"], "zooms": [3]}
    study = {"modalities": ["photo", "spectra", "early", "attention"]}
    rest = variants(**study, variants={"rest": {"rest_frame": True, **only}})
    assert [run.modality for run in rest] == ["spectra_rest", "early_rest", "attention_rest"]
    mixed = variants(**study, variants={"mixed": {"spectra_zoom": 0, **only}})
    assert [(run.base, run.modality) for run in mixed] == [
        ("early", "early_spectra0"), ("attention", "attention_spectra0"),
    ]  # fmt: skip
    attention = variants(**study, variants={"attention": {"attention": True, "spectra_zoom": 1, **only}})
    assert places(attention) == [("vggnet12", "early", "attention_spectra1", 3)]
    assert all(Modality.parse(run.modality).name == run.modality for run in (*rest, *mixed, *attention))


def test_mixed_zooms_leave_out_the_zoom_where_nothing_is_mixed():
    mixed = variants(variants={"mixed": {"spectra_zoom": 2, "zooms": [1, 2, 3], "models": ["lightgbm"]}})
    assert [run.zoom for run in mixed] == [1, 3]


def test_a_variant_run_says_all_that_its_job_needs():
    change = {"sample": "flagged", "members": 3, "train_size": 100, "settings": {"learning_rate": "1e-2"}}
    run = variants(variants={"mine": {**change, "models": ["lightgbm"], "modalities": ["photo"]}}, seed=4)[0]
    assert run.folder == "runs/sfr/flagged/lightgbm/photo/zoom3/variant=mine"
    assert run.as_dict() == {
        "target": "sfr", "sample": "flagged", "model": "lightgbm", "modality": "photo", "zoom": 3,
        "name": "variant=mine", "settings": {"learning_rate": 0.01}, "seed": 4, "base": "photo", "members": 3,
        "train_size": 100, "train_share": None, "draws": 1,
    }  # fmt: skip


def test_variants_have_folders_of_their_own():
    study = experiments()
    folders = [run.folder for run in (*plan_runs(study), *plan_variants(study))]
    assert len(set(folders)) == len(folders)


def test_a_study_without_a_model_has_no_variant_of_it():
    assert {run.model for run in variants(vggnet12=None, lightgbm=None)} == {"decision_tree"}
    assert variants(variants={}) == []


def test_a_variant_without_a_run_is_told_where_the_config_names_it():
    named = {"attention": {"attention": True}, "z": {"redshift": True}, "fine": {"redshift": True, "zooms": [0]}}
    assert idle_variants(experiments(vggnet12=None, zooms=[3], variants=named)) == ["attention", "fine"]
    assert idle_variants(experiments(vggnet12=None, zooms=[3])) == [], "those of every study go without a word"
    assert idle_variants(None) == []
