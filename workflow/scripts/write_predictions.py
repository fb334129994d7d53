"""Write the predictions of the best run as catalogues, and those of all selected runs as one table."""

import pandas as pd

from hiss.deposit.predictions import ALL_COLUMNS, COLUMNS, Said, all_predictions, best_run, catalogue, path_of
from hiss.described import write_described
from hiss.files import read_table, sha256_of
from hiss.provenance import digest, provenance
from hiss.report.phrases import OF_MODELS, describe
from hiss.script import job

with job(snakemake.log[0]):
    given = snakemake.input
    runs, metrics = read_table(given.runs), read_table(given.metrics)
    tests = pd.concat([read_table(path) for path in given.tests], ignore_index=True)
    said = Said(runs, metrics, tests, read_table(given.split), given.said, snakemake.params.level)
    table, best = all_predictions(said), best_run(metrics)
    known = [read_table(given[name]) for name in ("objects", "multi_object", "missing")]
    one = {name: path for name, path in given.items() if isinstance(path, str)}
    settings = {"level": snakemake.params.level, "run": path_of(runs, best)}
    record = provenance(one, settings, given.code)
    record["inputs"]["said"] = digest([sha256_of(path) for path in given.said])  # hundreds of files
    title = f"Star formation rates by {describe(best)}: {OF_MODELS} the run of the lowest validation RMSE"
    for path in snakemake.output.best:
        write_described(path, catalogue(table, best, *known), COLUMNS, record, title)
    title = "Star formation rates by all selected runs, their fusions and the baselines"
    write_described(snakemake.output.every, table, ALL_COLUMNS, record, title)
