"""Write the RO-Crate of the run: ro-crate-metadata.json in the results folder."""

from pathlib import Path

from hiss.deposit.crate import Deposit, describe, files_of
from hiss.files import read_table, write_json
from hiss.script import job

with job(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    results = Path(snakemake.output.crate).parent
    chosen = read_table(given.selection)["path"].tolist() if given.selection else []
    named = ("report", "figures", "gallery", "predictions", "summary", "workflow", "tables", "quantiles", "cube")
    files = files_of(results, [given[name] for name in named], chosen, given.fusions)
    deposit = Deposit(
        results,
        params.title,
        params.sky,
        files,
        params.citation,
        params.settings,
        params.snakemake,
        [Path(path) for path in given.captions],
    )
    write_json(snakemake.output.crate, describe(deposit))
