"""Say how well scenes are told by video and at random, beside the thesis's numbers."""

import pandas as pd

from hiss.files import read_table, write_json, write_table
from hiss.provenance import job_record
from hiss.script import job
from hiss.side.scene_words import MEANING, sentences
from hiss.side.scenes import compare, judged

with job(snakemake.log[0]):
    tables = [read_table(path) for path in snakemake.input.tests]
    names = snakemake.params.targets
    each = len(tables) // len(names)
    tests = [pd.concat(tables[place * each : (place + 1) * each], ignore_index=True) for place in range(len(names))]
    splits = [read_table(path) for path in snakemake.input.splits]
    objects = dict(zip(names, map(read_table, snakemake.input.objects), strict=True))
    table, leak = compare(
        [judged(*parts) for parts in zip(names, tests, splits, strict=True)],
        snakemake.params.bootstrap,
        snakemake.params.seed,
    )
    write_table(snakemake.output.table, table)
    write_table(snakemake.output.leak, leak)
    differences = dict(zip(names, map(read_table, snakemake.input.differences), strict=True))
    accounts = read_table(snakemake.input.ledger)
    said = sentences(table, leak, accounts, objects, differences, snakemake.params.source)
    write_json(
        snakemake.output.answers, {"sentences": said, "meaning": list(MEANING), "provenance": job_record(snakemake)}
    )
