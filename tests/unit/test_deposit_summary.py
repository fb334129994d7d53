"""The summary for machines: of its schema, from the tables, never NaN."""

import json

import jsonschema
import numpy as np
import pandas as pd
import pytest
from miniature_exports import evaluation, summarised
from miniature_results import Study, evaluate, make_results

from hiss.deposit.predictions import best_run
from hiss.deposit.summary import _plain, schema
from hiss.files import read_json, read_table, write_json, write_table
from hiss.modality import FUSIONS
from hiss.report.beside import Beside
from hiss.report.cases import CasesTables
from hiss.report.targets import TargetTables

WHOLE = Study(models=("decision_tree", "lightgbm"), zooms=(2, 3))
STUDIES = {
    "whole": WHOLE,
    "smallest": Study(("decision_tree",), (3,), ("photo",), (), intervals=False, variants=False, cascade=False),
    "sample": None,
}


@pytest.fixture(scope="module", params=STUDIES)
def made(request, tmp_path_factory):
    study = STUDIES[request.param]
    folder = make_results(tmp_path_factory.mktemp("summary"), study, n=120 if study else 6)
    return (evaluate(folder, study) if study else folder), study


def test_the_schema_is_that_of_the_classes(repo):
    assert read_json(repo / "workflow" / "schemas" / "summary.json") == schema(), "run: make schema"


def test_a_summary_is_of_the_schema(made, tmp_path):
    folder, study = made
    write_json(tmp_path / "summary.json", summarised(folder))  # refuses NaN
    found = read_json(tmp_path / "summary.json")
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(found, schema())
    assert (found["study"] is None) == (study is None)
    assert found["answers"]
    assert found["config_digest"]


@pytest.mark.parametrize("wrong", [{"schema_version": "one"}, {"unknown": 1}, {"ledger": None}])
def test_another_form_is_refused(made, wrong):
    found = json.loads(json.dumps(summarised(made[0]))) | wrong
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, schema())


def test_numbers_are_those_of_the_tables(tmp_path):
    folder = evaluate(make_results(tmp_path, WHOLE, n=120), WHOLE)
    study, tables = summarised(folder)["study"], evaluation(folder)
    metrics = tables["metrics"]
    assert len(study["runs"]) == len(metrics)
    for run, row in zip(study["runs"], metrics.to_dict("records"), strict=True):
        assert (run["model"], run["modality"], run["zoom"]) == (row["model"], row["modality"], row["zoom"])
        assert run["rmse"] == {"value": row["rmse"], "low": row["rmse_low"], "high": row["rmse_high"]}
        assert (folder / run["path"] / "metrics.json").is_file()
        assert run["cost"]["peak_memory_mb"] == row["peak_memory_mb"]
    assert len(study["comparisons"]) == len(tables["comparisons"])
    assert study["comparisons"][0]["delta_rmse"] == tables["comparisons"]["delta_rmse"].iloc[0]
    assert {row["level"] for row in study["coverage"]} == {0.9}
    assert len(study["variants"]) == len(tables["variants"])
    assert len(study["cascade"]) == len(tables["cascade"])
    taken = study["recommendations"]
    assert taken
    assert all(one["rmse_low"] < one["rmse"] < one["rmse_high"] and one["validation_rmse"] > 0 for one in taken)
    fused = metrics[metrics["modality"].isin(FUSIONS)]
    assert fused["read_s"].notna().all(), "a fusion reads what its two parts read"
    sides = read_table(folder / "sample/flag0/split.parquet")["split"].value_counts()
    assert study["objects"] == sides.to_dict()
    assert study["trained"] == int((~tables["runs"]["modality"].isin(FUSIONS)).sum())
    best = best_run(metrics)
    assert f"/{best['model']}/{best['modality']}/zoom{best['zoom']}/" in study["best"]


def test_missing_numbers_are_null(tmp_path):
    folder = evaluate(make_results(tmp_path, WHOLE, n=120), WHOLE)
    metrics = read_table(folder / "evaluation/metrics.csv")
    metrics.loc[0, ["r2_low", "gpu_s"]] = np.nan
    metrics.loc[0, "device"] = np.nan
    write_table(folder / "evaluation/metrics.csv", metrics)
    run = summarised(folder)["study"]["runs"][0]
    assert run["r2"]["low"] is None
    assert run["cost"]["gpu_s"] is None
    assert run["cost"]["device"] is None
    assert [_plain(value) for value in (np.nan, float("inf"), pd.NA, None, np.int64(3), np.float32(0.5), "a")] == [
        None, None, None, None, 3, 0.5, "a",
    ]  # fmt: skip


def test_the_studies_beside_the_main_one_are_told_with_what_each_setting_reached(tmp_path):
    scores = pd.DataFrame(
        {
            "model": "lightgbm", "modality": ["photo", "late"], "zoom": [3.0, 3.0], "settings": ["a", "mean"],
            "balanced_accuracy": [0.8, 0.9], "balanced_accuracy_low": [0.7, np.nan], "balanced_accuracy_high": 0.95,
            "fit_s": 1.5, "predict_per_object_us": 10.0, "peak_memory_mb": np.nan,
        }
    )  # fmt: skip
    none = pd.DataFrame()
    said = {"sentences": ["It is so."], "meaning": ["It means this."]}
    beside = Beside(targets={"class": TargetTables(said, none, scores, none, none)}, cases=CasesTables(said, none))
    folder = make_results(tmp_path, None, n=6)
    write_json(tmp_path / "summary.json", summarised(folder, beside))
    found = read_json(tmp_path / "summary.json")
    jsonschema.validate(found, schema())
    assert [study["name"] for study in found["beside"]] == ["cases", "class"]
    assert found["beside"][0]["scores"] == []
    first, late = found["beside"][1]["scores"]
    assert first["reached"] == {"value": 0.8, "low": 0.7, "high": 0.95}
    assert (first["score"], first["zoom"], first["peak_memory_mb"]) == ("balanced_accuracy", 3, None)
    assert late["reached"]["low"] is None
    assert found["beside"][1]["sentences"] == ["It is so."]
