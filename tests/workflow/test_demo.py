"""The demo of `make run`, end to end through Snakemake with two MPI ranks."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from hiss.models.metrics import scores

RESULTS = "results/demo"


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
    np.testing.assert_allclose(share[["train", "validation", "test"]], [0.6, 0.2, 0.2], atol=0.05)


def test_every_run_wrote_what_it_owes_and_its_metrics_are_true(results):
    folders = [path.parent for path in (results / "runs").rglob("metrics.json")]
    assert len(folders) > 50
    split = pd.read_parquet(results / "sample" / "flag0" / "split.parquet")
    validation = set(split.target_id[split.split == "validation"])
    for folder in folders:
        metrics = json.loads((folder / "metrics.json").read_text())
        predictions = pd.read_parquet(folder / "validation.parquet")
        assert set(predictions.target_id) == validation, folder
        for name, value in scores(predictions.truth.to_numpy(), predictions.prediction.to_numpy()).items():
            assert metrics["validation"][name] == pytest.approx(value)


def test_only_selected_runs_saw_the_test_set(results):
    split = pd.read_parquet(results / "sample" / "flag0" / "split.parquet")
    test = set(split.target_id[split.split == "test"])
    selection = pd.read_csv(results / "evaluation" / "selection.csv")
    assert not selection.duplicated(["model", "modality", "zoom"]).any()
    for model in ("decision_tree", "lightgbm", "vggnet12"):
        predictions = pd.read_parquet(results / "evaluation" / f"test_{model}.parquet")
        for _, part in predictions.groupby(["modality", "zoom"]):
            assert set(part.target_id) == test
    for folder in (results / "runs").rglob("*.parquet"):
        assert not set(pd.read_parquet(folder).target_id) & test, folder


def test_late_fusion_is_the_mean_of_the_selected_runs(results):
    predictions = pd.read_parquet(results / "evaluation" / "test_lightgbm.parquet")
    wide = predictions[predictions.zoom == 3].pivot(index="target_id", columns="modality", values="prediction")
    np.testing.assert_allclose(wide["late"], (wide["photo"] + wide["spectra"]) / 2)


def test_snakemake_s_own_report_can_be_made(demo):
    demo.run("--report", "snakemake_report.html", config="config/demo.yaml")
    text = (demo.folder / "snakemake_report.html").read_text()
    assert "fig_predicted_true" in text
