"""The exports of a results folder in small, made by the functions that the rules call."""

from pathlib import Path

import pandas as pd
import yaml

from hiss.deposit.crate import Deposit, files_of
from hiss.deposit.predictions import Said, all_predictions, best_run, catalogue
from hiss.deposit.sources import keep_workflow
from hiss.deposit.summary import summary
from hiss.files import read_table, write_json
from hiss.provenance import provenance
from hiss.report.beside import Beside
from hiss.report.given import SampleTables, StudyTables

SETTINGS = {"results": "results/miniature", "sky": {"source": "simulated"}}


def evaluation(folder: Path) -> dict[str, pd.DataFrame]:
    """Return the tables of the evaluation by name; none where there is no study."""
    return {path.stem: read_table(path) for path in (folder / "evaluation").glob("*.csv")}


def said(folder: Path, level: float | None = 0.9) -> Said:
    """Return what the runs of a miniature have said."""
    tables = evaluation(folder)
    tests = pd.concat([read_table(path) for path in sorted(folder.glob("evaluation/test_*.parquet"))])
    split = read_table(folder / "sample" / "flag0" / "split.parquet")
    files = [*folder.rglob("validation.parquet"), *folder.rglob("out_of_fold.parquet")]
    files += folder.glob("evaluation/out_of_fold/*/*/*.parquet")
    return Said(tables["runs"], tables["metrics"], tests, split, files, level)


def best_catalogue(folder: Path, level: float | None = 0.9) -> pd.DataFrame:
    """Return the catalogue of the best run of a miniature."""
    given = said(folder, level)
    sample = [read_table(folder / "sample" / f"{name}.parquet") for name in ("objects", "multi_object", "missing")]
    return catalogue(all_predictions(given), best_run(given.metrics), *sample)


def summarised(folder: Path, beside: Beside | None = None) -> dict:
    """Return the summary of a miniature."""
    names = {"manifest": "sky/manifest.parquet", "rejects": "cube/rejects.parquet"}
    names |= {"ledger": "sample/flag0/ledger.csv", "gaps": "sample/gap_table.csv"}
    sample = SampleTables(**{name: read_table(folder / path) for name, path in names.items()})
    study = None
    if (folder / "evaluation").is_dir():
        study = StudyTables(**evaluation(folder), split=read_table(folder / "sample" / "flag0" / "split.parquet"))
    record = provenance({"ledger": folder / names["ledger"]}, SETTINGS, [Path(__file__)])
    told = "A miniature", "config/miniature.yaml", "simulated", SETTINGS, "flag0"
    return summary(*told, sample, study, record, beside)


def deposit(folder: Path, repo: Path, sky: str = "simulated", settings: dict | None = None) -> Deposit:
    """Return what the crate of a miniature is made of, after its summary and its workflow are there."""
    sources = [repo / "Snakefile", repo / "LICENSE", *(repo / "rules").glob("*.smk")]
    keep_workflow(sources, repo, folder / "exports" / "workflow", SETTINGS, folder / "exports" / "config.json")
    write_json(folder / "exports" / "summary.json", summarised(folder))
    selection, fusions = [], sorted(folder.glob("runs/**/late/**/metrics.json"))
    if (folder / "evaluation").is_dir():
        selection = read_table(folder / "evaluation" / "selection.csv")["path"].tolist()
    given = [str(folder / name) for name in ("exports", "evaluation", "report", "sample/flag0", "cube")]
    files = files_of(folder, [path for path in given if Path(path).exists()], selection, map(str, fusions))
    citation = yaml.safe_load((repo / "CITATION.cff").read_text())
    captions = sorted((repo / "workflow" / "report").glob("*.rst"))
    return Deposit(folder, "A miniature", sky, files, citation, settings or SETTINGS, "9.27.1", captions)
