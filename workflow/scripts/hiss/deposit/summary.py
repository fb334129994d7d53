"""The summary of a run for machines: the tables of the evaluation and the answers, as one JSON file of a known form."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from hiss.deposit import summary_form as form
from hiss.deposit.predictions import best_run, path_of
from hiss.evaluation.collect import METRICS
from hiss.evaluation.meaning import r2_meaning
from hiss.modality import FUSIONS
from hiss.provenance import digest
from hiss.report.answers import answers
from hiss.report.beside import Beside
from hiss.report.compose import sample_answers
from hiss.report.given import SampleTables, StudyTables
from hiss.report.recommend import budgets
from hiss.report.targets import TargetTables

_T = TypeVar("_T")


def summary(
    title: str,
    config: str,
    sky: str,
    settings: Mapping[str, Any],
    name: str,
    sample: SampleTables,
    study: StudyTables | None,
    record: Mapping[str, Any],
    beside: Beside | None = None,
) -> dict[str, Any]:
    """Return the summary of a study, or of a sample alone where ``study`` is None, as plain values.

    Parameters
    ----------
    title, config, sky
        As in the report.
    settings
        The config with all its defaults.
    name
        Of the study's sample.
    record
        As `hiss.provenance.provenance` returns it.
    beside
        What the studies beside the main one left behind; None where all are switched off.
    """
    said = answers(study, sky) if study else sample_answers(sample)
    kinds = sample.manifest["kind"].value_counts()
    whole = form.Summary(
        schema_version=form.VERSION,
        title=title,
        config=config,
        config_digest=digest(dict(settings)),
        settings=dict(settings),
        sky=sky,
        sample=name,
        inputs=form.Inputs(int(kinds.get("frame", 0)), int(kinds.get("spectrum", 0)), len(sample.rejects)),
        ledger=_rows(form.Step, sample.ledger),
        study=_study(study, sky) if study else None,
        answers=[form.Answer(answer.question, list(answer.sentences)) for answer in said],
        beside=_beside(beside) if beside else [],
        provenance=form.Provenance(record["inputs"], record["code"], record["environment"]),
    )
    return asdict(whole)


def _study(study: StudyTables, sky: str) -> form.Study:
    sides = study.split["split"].value_counts()
    return form.Study(
        objects=form.Objects(*(int(sides.get(side, 0)) for side in ("train", "validation", "test"))),
        trained=int((~study.runs["modality"].isin(FUSIONS)).sum()),
        best=path_of(study.runs, best_run(study.metrics)),
        runs=[_run(study.runs, row) for row in study.metrics.to_dict("records")],
        comparisons=_rows(form.Comparison, study.comparisons),
        coverage=_rows(form.Coverage, study.intervals),
        variants=_rows(form.Variant, study.variants),
        cascade=_rows(form.CascadeStep, study.cascade),
        recommendations=_rows(form.Recommendation, budgets(study)),
        meaning=list(r2_meaning(sky)),
    )


def _beside(beside: Beside) -> list[form.SideStudy]:
    found = {"cases": beside.cases, **beside.targets, "structure": beside.structure, "scenes": beside.scenes}
    return [
        form.SideStudy(name, list(tables.answers["sentences"]), list(tables.answers["meaning"]), _side_scores(tables))
        for name, tables in found.items()
        if tables is not None
    ]


def _side_scores(tables: Any) -> list[form.SideScore]:
    if not isinstance(tables, TargetTables):
        return []
    score = "balanced_accuracy" if "balanced_accuracy" in tables.scores else "rmse"
    return [
        _form(
            form.SideScore,
            row
            | {
                "score": score,
                "reached": form.Measured(*(_plain(row[f"{score}{end}"]) for end in ("", "_low", "_high"))),
            },
        )
        for row in tables.scores.to_dict("records")
    ]


def _run(runs: pd.DataFrame, row: Mapping[Any, Any]) -> form.Run:
    told = dict(row) | {
        "path": path_of(runs, row),
        "cost": _form(form.Cost, row),
        **{name: form.Measured(*(_plain(row[f"{name}{end}"]) for end in ("", "_low", "_high"))) for name in METRICS},
    }
    return _form(form.Run, told)


def _rows(kind: type[_T], table: pd.DataFrame | None) -> list[_T]:
    """Return a table's rows in a form, by the names of its columns."""
    return [] if table is None else [_form(kind, row) for row in table.to_dict("records")]


def _form(kind: type[_T], row: Mapping[Any, Any]) -> _T:
    """Return a form filled from what a row says, as far as it does."""
    wanted = {field.name: field.type for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: _as(of, _plain(row.get(name))) for name, of in wanted.items()})


def _as(wanted: Any, value: Any) -> Any:
    """Return a value of a CSV, where whole numbers beside missing ones are real, as the form wants it."""
    if value is not None and wanted in (int, int | None):
        return int(value)
    return str(value) if wanted is str and value is not None else value


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: None where it is missing or no number."""
    if value is pd.NA or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value


def schema() -> dict[str, Any]:
    """Return the JSON schema of summary.json, as kept in workflow/schemas/summary.json."""
    from pydantic import TypeAdapter

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **TypeAdapter(form.Summary).json_schema()}
