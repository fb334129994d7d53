"""Further targets: planned where they are on, as jobs of the study's own rules, and not where they are off."""

from .conftest import SMALL, make_workspace

LEARNED = {"zooms": [0, 3], "modalities": ["photo", "spectra"], "vggnet12": None}


def test_a_target_is_a_line_of_config_and_can_be_switched_off(tmp_path):
    workspace = make_workspace(tmp_path / "flow")

    def planned(name, targets):
        side = SMALL["side_studies"] | {"targets": targets}
        return workspace.planned("experiments", config=workspace.write_config(name, SMALL | {"side_studies": side}))

    off = planned("off", {"class": None, "quiescent": None, "redshift": None})
    one = planned("one", {"class": None, "quiescent": None, "redshift": None, "kinds": {"label": "class", **LEARNED}})
    two = planned("two", {"class": None, "quiescent": {"label": "quiescent", **LEARNED}, "redshift": None,
                          "kinds": {"label": "class", **LEARNED}})  # fmt: skip
    assert not {"link_targets", "measure_targets", "choose_target", "split_target"} & set(off)
    assert one["link_targets"] == one["measure_targets"] == one["choose_target"] == one["split_target"] == 1
    assert two["link_targets"] == two["measure_targets"] == 1
    assert two["choose_target"] == two["split_target"] == 2
    for rule in ("prepare_features", "bin_features", "train_tree", "train_lightgbm"):
        assert one[rule] == off[rule] + 4, rule
        assert two[rule] == off[rule] + 8, rule
    assert one["split_sample"] == one["make_ledger"] == off["split_sample"], "the study's own samples are none of them"


def test_features_of_a_target_are_of_all_targets_and_read_what_bridges_gaps(tmp_path):
    workspace = make_workspace(tmp_path / "flow")
    side = SMALL["side_studies"] | {"targets": {"class": {"label": "class", **LEARNED}}}
    config = workspace.write_config("small", SMALL | {"side_studies": side})
    text = workspace.run("--dry-run", "results/small/features/class/spectra/zoom3.h5", config=config)
    (inputs,) = [
        line
        for block in text.split("rule prepare_features:")[1:]
        for line in block.splitlines()[:2]
        if "input:" in line
    ]
    for path in ("targets/zoom3.h5", "targets/zoom0.h5", "side/class/objects.parquet", "sample/class/split.parquet"):
        assert f"results/small/{path}" in inputs
    assert "results/small/sample/zoom" not in inputs
