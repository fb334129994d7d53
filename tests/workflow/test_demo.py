"""The demo of `make run`, end to end through Snakemake with two MPI ranks."""

import json
import os
from pathlib import Path
from urllib.parse import unquote

import h5py
import numpy as np
import pandas as pd
import pytest
from page_reader import read_page

from hiss.models.metrics import scores

RESULTS = "results/demo"
SAMPLES = {"flag0", "any_flag", "multi_kept", "neighbours_masked", "gaps_interpolated"}
TARGETS = {"class", "quiescent", "redshift"}


@pytest.fixture(scope="session")
def results(demo) -> Path:
    return demo.folder / RESULTS


def test_the_parallel_path_is_the_one_that_ran(demo, results):
    log = (results / "logs" / "cube" / "build_sparse.log").read_text()
    if os.environ.get("HISS_REQUIRE_MPI") or h5py.get_config().mpi:
        assert "2 ranks" in log
    else:
        assert "one process" in log


def test_the_report_is_named_at_the_end(demo, results):
    assert "Report: results/demo/report/report.html" in demo.first_output
    assert (results / "report" / "report.html").stat().st_size > 50_000


def test_every_link_of_the_report_leads_to_a_file(results):
    page = read_page(results / "report" / "report.html")
    links = [link for link in page.attributes("href") if not link.startswith(("#", "data:"))]
    assert len(links) > 100
    assert [link for link in links if not (results / "report" / unquote(link)).exists()] == []
    assert {link[1:] for link in page.attributes("href") if link.startswith("#")} <= set(page.attributes("id"))


def test_a_second_run_has_nothing_to_do(demo):
    assert "Nothing to be done" in demo.run(config="config/demo.yaml")


def test_the_sky_is_as_large_as_promised(results):
    manifest = pd.read_parquet(results / "sky" / "manifest.parquet")
    frames = manifest[manifest.kind == "frame"]
    assert frames.groupby(["run", "camcol", "field"]).size().eq(5).all()
    assert frames.groupby(["run", "camcol", "field"]).ngroups >= 4
    assert frames.run.nunique() == 2
    assert (manifest.kind == "spectrum").sum() >= 600
    assert set(manifest.kind) == {"frame", "spectrum", "gal_info", "gal_totsfr"}


def test_every_input_is_in_the_cube_or_among_the_rejects(results):
    accounts = json.loads((results / "cube" / "accounts.json").read_text())
    manifest = pd.read_parquet(results / "sky" / "manifest.parquet")
    rejects = pd.read_parquet(results / "cube" / "rejects.parquet")
    with h5py.File(results / "cube" / "dense.h5") as dense:
        used = dense["dense_cube/target_spectra"][:]
    spectra = set(manifest.path[manifest.kind == "spectrum"])
    rejected = set(rejects.path[rejects.kind == "spectrum"])
    assert len(used) + len(rejected) == len(spectra)
    assert rejected < spectra
    assert rejects.reason.str.len().gt(10).all()
    assert accounts


def test_the_ledger_adds_up_and_ends_at_the_sample(results):
    ledger = pd.read_csv(results / "sample" / "flag0" / "ledger.csv")
    counts = ledger["count"].to_numpy()
    split = pd.read_parquet(results / "sample" / "flag0" / "split.parquet")
    assert counts[-1] == len(split)
    assert len(split) > 150
    assert (ledger.removed.fillna(0) >= 0).all()


def test_the_split_keeps_neighbours_together(results):
    split = pd.read_parquet(results / "sample" / "flag0" / "split.parquet")
    assert split.groupby("group").split.nunique().eq(1).all()
    share = split.split.value_counts(normalize=True)
    np.testing.assert_allclose(share[["train", "validation", "test"]], [0.6, 0.2, 0.2], atol=0.02)


def sides(results: Path) -> dict[str, pd.Series]:
    """Return the side of each object by target_id, for every sample of the study and for ``all`` labelled."""
    return {"all": side_of(results / "sample")} | {name: side_of(results / "sample" / name) for name in SAMPLES}


def side_of(folder: Path) -> pd.Series:
    return pd.read_parquet(folder / "split.parquet").set_index("target_id")["split"]


def test_every_sample_takes_its_part_of_one_split(results):
    split = sides(results)
    made = {path.parent.name for path in (results / "sample").glob("*/ledger.csv")}
    assert made == SAMPLES == set(split) - {"all"}
    assert all(len(split[name]) > len(split["flag0"]) for name in SAMPLES - {"flag0"})
    for name, part in split.items():
        assert part.equals(split["all"].loc[part.index]), name
    for name in set(split) - {"all"}:
        counts = pd.read_csv(results / "sample" / name / "ledger.csv")["count"]
        assert counts.iloc[-1] == len(split[name])


def test_every_run_wrote_what_it_owes_and_its_metrics_are_true(results):
    folders = [path.parent for path in (results / "runs" / "sfr").rglob("metrics.json")]
    assert len(folders) > 50
    split = sides(results)
    for folder in folders:
        metrics = json.loads((folder / "metrics.json").read_text())
        predictions = pd.read_parquet(folder / "validation.parquet")
        part = split[metrics["run"]["sample"]]
        assert set(predictions.target_id) == set(part.index[part == "validation"]), folder
        for name, value in scores(predictions.truth.to_numpy(), predictions.prediction.to_numpy()).items():
            assert metrics["validation"][name] == pytest.approx(value)


def test_only_selected_runs_saw_the_test_set(results):
    split = sides(results)
    test = {name: set(part.index[part == "test"]) for name, part in split.items()}
    selection = pd.read_csv(results / "evaluation" / "selection.csv")
    assert not selection.duplicated(["model", "modality", "zoom"]).any()
    tests = sorted((results / "evaluation").glob("test_*.parquet"))
    assert len(tests) == 6
    for path in tests:
        for _, part in pd.read_parquet(path).groupby(["modality", "zoom"]):
            assert set(part.target_id) == test["flag0"]
    others = [*(results / "runs" / "sfr").rglob("*.parquet"), *(results / "evaluation").rglob("*/*.parquet")]
    assert len(others) > 100
    for path in set(others) - set(tests):
        assert not set(pd.read_parquet(path).target_id) & test["all"], path
    for path in features_of(results, SAMPLES):
        with h5py.File(path) as file:
            assert not set(file["target_id"][:].tolist()) & test["all"], path


def features_of(results: Path, samples: set[str]) -> list[Path]:
    found = [path for name in samples for path in (results / "features" / name).rglob("*.h5")]
    assert found
    return found


def test_a_second_target_is_learned_from_objects_of_its_own_and_judged_on_none_of_them(results):
    for name in TARGETS:
        side = side_of(results / "sample" / name)
        test = set(side.index[side == "test"])
        assert test
        for path in features_of(results, {name}):
            with h5py.File(path) as file:
                assert set(file["target_id"][:].tolist()) == set(side.index) - test, path
        judged = pd.read_parquet(results / "side" / name / "test" / "lightgbm.parquet")
        for _, part in judged.groupby(["modality", "zoom"]):
            assert set(part.target_id) == test
        assert set(judged.modality) == {"photo", "spectra", "early", "late"}


def test_variants_are_compared_on_validation_objects(results):
    variants = pd.read_csv(results / "evaluation" / "variants.csv").set_index("variant")
    assert set(variants.index) == {
        "rest_frame", "redshift", "coarse_images", "three_seeds", "attention", "any_flag", "multi_kept", "environment",
        "share_25", "share_50", "neighbours_masked", "gaps_interpolated",
    }  # fmt: skip
    split = sides(results)["flag0"]
    assert variants.n_common.eq((split == "validation").sum()).all()
    assert (variants.low <= variants.high).all()
    assert np.isfinite(variants[["rmse", "delta_rmse", "low", "high", "fit_s"]]).all(axis=None)
    assert sorted(variants.loc["coarse_images", "against_zoom"]) == [0, 3]


def test_late_fusion_is_the_mean_of_the_selected_runs(results):
    predictions = pd.read_parquet(results / "evaluation" / "test_lightgbm.parquet")
    wide = predictions[predictions.zoom == 3].pivot(index="target_id", columns="modality", values="prediction")
    np.testing.assert_allclose(wide["late"], (wide["photo"] + wide["spectra"]) / 2)


def test_snakemake_s_own_report_can_be_made(demo):
    demo.run("--report", "snakemake_report.html", config="config/demo.yaml")
    text = (demo.folder / "snakemake_report.html").read_text()
    assert "fig_predicted_true" in text
