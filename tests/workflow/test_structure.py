"""The side study of structure: planned where it is on, not where it is off."""

from .conftest import SMALL, make_workspace


def test_the_study_of_structure_is_a_job_a_modality_and_zoom_and_can_be_switched_off(tmp_path):
    workspace = make_workspace(tmp_path / "flow")
    asked = {"structure": {"zooms": [0, 3], "modalities": ["spectra"]}}
    on = workspace.planned(config=workspace.write_config("on", SMALL | {"side_studies": SMALL["side_studies"] | asked}))
    assert on["explore_structure"] == 2
    assert on["link_targets"] == on["measure_targets"] == on["compare_structure"] == on["plot_structure"] == 1
    off = workspace.planned(config=workspace.write_config("off", SMALL))
    assert off == {name: count for name, count in on.items() if not name.endswith(("structure", "_targets"))}
