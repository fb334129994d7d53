"""The exports of the demo: what the crate names is there, and the catalogues say what the report says."""

import json
from pathlib import Path
from urllib.parse import unquote

import jsonschema
import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from rocrate.rocrate import ROCrate

from hiss.files import sha256_of

RESULTS = "results/demo"


@pytest.fixture(scope="module")
def results(demo) -> Path:
    return demo.folder / RESULTS


def test_the_crate_names_files_that_are_there_and_hash_right(results):
    graph = json.loads((results / "ro-crate-metadata.json").read_text())["@graph"]
    files = {unquote(entity["@id"]): entity for entity in graph if "File" in entity["@type"]}
    hashed = {place: entity["sha256"] for place, entity in files.items() if "sha256" in entity}
    assert {place: sha256_of(results / place) for place in hashed} == hashed
    assert {Path(place).suffix for place in set(files) - set(hashed)} <= {".h5"}
    wanted = {"report/report.html", "exports/summary.json", "exports/predictions.fits", "exports/workflow/LICENSE"}
    assert wanted <= set(files)
    (action,) = (entity for entity in graph if entity["@type"] == "CreateAction")
    assert action["startTime"] < action["endTime"]
    assert ROCrate(results).mainEntity.id == "exports/workflow/Snakefile"


def test_every_table_of_the_evaluation_is_in_the_crate(results):
    graph = json.loads((results / "ro-crate-metadata.json").read_text())["@graph"]
    files = {unquote(entity["@id"]) for entity in graph if "File" in entity["@type"]}
    tables = {path.relative_to(results).as_posix() for path in (results / "evaluation").rglob("*.csv")}
    told_elsewhere = {path for path in tables if "/times/" in path or "/selection_" in path}
    assert tables - told_elsewhere <= files
    assert {"evaluation/residuals.csv", "evaluation/learning_curve.csv"} <= tables
    assert {path.split("/")[1] for path in tables} >= {"importance", "saliency"}


def test_the_catalogues_are_alike_and_of_every_object(results):
    best = pd.read_parquet(results / "exports/predictions.parquet")
    split = pd.read_parquet(results / "sample/flag0/split.parquet").set_index("target_id")
    assert set(best.loc[best["side"] != "train", "target_id"]) == set(split.index[split["split"] != "train"])
    assert (best["side"].to_numpy() == split.loc[best["target_id"], "split"].to_numpy()).all()
    for suffix in ("fits", "vot"):
        other = Table.read(results / f"exports/predictions.{suffix}")
        assert list(other.colnames) == list(best)
        for name in ("target_id", "objid", "ra", "prediction"):
            assert np.array_equal(np.asarray(other[name]), best[name]), name
    assert other["ra"].unit == "deg"


def test_accuracy_counted_from_the_exports_is_that_of_the_evaluation(results):
    every = pd.read_parquet(results / "exports/predictions_all.parquet")
    metrics = pd.read_csv(results / "evaluation/metrics.csv").set_index(["model", "modality", "zoom"])
    tested = every[every["side"] == "test"].assign(square=lambda table: (table["prediction"] - table["truth"]) ** 2)
    rmse = tested.groupby(["model", "modality", "zoom"])["square"].mean() ** 0.5
    assert len(rmse) == len(metrics)
    assert np.allclose(rmse, metrics["rmse"].loc[rmse.index])
    best = pd.read_parquet(results / "exports/predictions.parquet")
    learned = metrics[metrics.index.get_level_values("model").isin(["decision_tree", "lightgbm", "vggnet12"])]
    chosen = tuple(best[["model", "modality", "zoom"]].iloc[0])
    assert chosen == learned["validation_rmse"].idxmin()


def test_the_summary_is_of_its_schema_and_says_the_same(results):
    summary = json.loads((results / "exports/summary.json").read_text())
    jsonschema.validate(summary, json.loads((results / "exports/summary.schema.json").read_text()))
    metrics = pd.read_csv(results / "evaluation/metrics.csv")
    assert [run["rmse"]["value"] for run in summary["study"]["runs"]] == metrics["rmse"].tolist()
    assert summary["sky"] == "simulated"
    report = (results / "report/report.html").read_text()
    assert summary["answers"][0]["question"] in report
