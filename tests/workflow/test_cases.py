"""Science cases and the surroundings as a modality: planned where they are asked for, not where they are off."""

from .conftest import SMALL, make_workspace


def test_the_cases_are_three_jobs_that_can_be_switched_off_and_surroundings_are_measured_for_their_variant(tmp_path):
    workspace = make_workspace(tmp_path / "flow")
    modalities = {"experiments": SMALL["experiments"] | {"modalities": ["photo", "spectra", "early"]}}
    asked = {"side_studies": SMALL["side_studies"] | {"cases": {"subsets": {"dusty": None}}}}
    off = workspace.planned(config=workspace.write_config("off", SMALL | modalities))
    on = workspace.planned(config=workspace.write_config("on", SMALL | modalities | asked))
    assert on["measure_cases"] == on["compare_cases"] == on["plot_cases"] == 1
    assert off == {name: count for name, count in on.items() if "cases" not in name and name != "measure_lines"}
    assert "measure_environment" not in off

    variants = {"variants": {"environment": {"environment": True, "models": ["lightgbm"], "modalities": ["photo"]}}}
    study = {"experiments": modalities["experiments"] | variants}
    varied = workspace.planned(config=workspace.write_config("varied", SMALL | study))
    assert varied["measure_environment"] == varied["refit_variant"] == 1
    assert varied["prepare_features"] == off["prepare_features"] + 1
