from hiss.config.settings import parse_settings
from hiss.runs import models_of, plan_runs, zooms_of


def experiments(**sections):
    return parse_settings({"sky": {"source": "archive"}, "experiments": sections}, "test").experiments


def test_every_run_has_a_folder_of_its_own_named_for_people():
    runs = plan_runs(experiments())
    folders = [run.folder for run in runs]
    assert len(set(folders)) == len(folders)
    assert "runs/sfr/flag0/lightgbm/early/zoom0/learning_rate=0.1+max_depth=9" in folders
    assert "runs/sfr/flag0/vggnet12/photo/zoom3/learning_rate=1e-05" in folders


def test_what_differs_from_the_default_joins_the_name():
    runs = plan_runs(experiments(seed=7, lightgbm={"learning_rate": [0.1], "max_depth": [3], "max_bin": 63}))
    assert {run.name for run in runs if run.model == "lightgbm"} == {"learning_rate=0.1+max_depth=3+max_bin=63+seed=7"}


def test_a_path_in_a_setting_cannot_leave_the_run_s_folder():
    runs = plan_runs(experiments(vggnet12={"learning_rate": [0.1], "weights": "../../w.safetensors"}))
    assert all("/" not in run.name for run in runs)


def test_a_model_can_be_switched_off_and_have_zooms_of_its_own():
    study = experiments(lightgbm=None, zooms=[1, 2, 3], vggnet12={"zooms": [3]})
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
