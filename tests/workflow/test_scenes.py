"""The study of scenes: planned where it is on, and run from a zip behind an address to its table and sentences."""

import json
import zipfile

import pandas as pd

from hiss.scenes.simulate import simulate_scenes
from tests.archive_server import ArchiveServer

from .conftest import SMALL, make_workspace

NO_TARGETS = {"targets": {"class": None, "quiescent": None, "redshift": None}, "cases": None, "structure": None}
QUICK = {"decision_tree": {"max_depth": [4]}, "vggnet12": None, "labels": ["class1"], "min_class": 10}


def config_of(workspace, name, scenes):
    side = SMALL["side_studies"] | NO_TARGETS | {"scenes": scenes}
    return workspace.write_config(name, SMALL | {"side_studies": side, "results": f"results/{name}"})


def test_scenes_are_jobs_of_the_study_s_own_rules_and_can_be_switched_off(tmp_path):
    workspace = make_workspace(tmp_path / "flow")
    off = workspace.planned("experiments", config=config_of(workspace, "off", None))
    on = workspace.planned("experiments", config=config_of(workspace, "on", QUICK))
    assert on["train_tree"] == off["train_tree"] + 2 * 3
    assert on["prepare_scene"] == 2 * 3
    assert on["prepare_features"] == off["prepare_features"]
    assert on["split_scene"] == 2
    assert not {"simulate_scenes", "read_scenes", "split_scene"} & set(off)


def test_a_zip_behind_an_address_becomes_a_table_beside_the_thesis(tmp_path):
    workspace = make_workspace(tmp_path / "flow")
    served = tmp_path / "served"
    simulate_scenes(served / "set", 4, 6, 1)
    with zipfile.ZipFile(served / "scenes.zip", "w") as archive:
        for path in sorted((served / "set").rglob("*.*")):
            if path.name != "3.png" or "river1" not in str(path):
                archive.write(path, path.relative_to(served / "set"))
    with ArchiveServer(served) as server:
        scenes = {**QUICK, "source": "address", "image_side": 16, "address": {"address": f"{server.url}/scenes.zip"}}
        config = config_of(workspace, "zip", scenes)
        workspace.run(
            "results/zip/scenes/answers.json", "results/zip/report/figures/fig_scenes_leak.svg", config=config
        )
        assert workspace.planned("results/zip/scenes/answers.json", config=config) == {}
    results = workspace.folder / "results/zip"
    ledger = pd.read_csv(results / "scenes/ledger.csv").set_index("kind")
    assert ledger["frames"].to_dict() == {"rows": 192, "missing": -1, "used": 191}
    assert "images/river1/3.png" in ledger.loc["missing", "example"]
    table = pd.read_csv(results / "scenes/table.csv")
    assert set(table["modality"]) == {"photo", "spectra", "early", "late"}
    assert set(table["split"]) == {"by_video", "at_random"}
    leak = pd.read_csv(results / "scenes/leak.csv").set_index("modality")
    assert leak.loc["photo", "leak"] > 0
    answers = json.loads((results / "scenes/answers.json").read_text())
    assert "191 of the table's 192 frames can be used, of 32 videos" in " ".join(answers["sentences"])
    assert pd.read_csv(results / "side/scene_class1_by_video/confusion.csv")["count"].sum() > 0
