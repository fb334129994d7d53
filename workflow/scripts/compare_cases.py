"""Compare early fusion with late and with each modality on the science cases."""

import pandas as pd

from hiss.files import read_table, write_json, write_table
from hiss.provenance import job_record
from hiss.script import job
from hiss.side.case_words import MEANING, sentences
from hiss.side.cases import compare_cases, place_cases

with job(snakemake.log[0]):
    objects, split = read_table(snakemake.input.objects), read_table(snakemake.input.split)
    cases = place_cases(snakemake.params.cases, objects, split)
    table = compare_cases(
        pd.concat([read_table(path) for path in snakemake.input.tests], ignore_index=True),
        split,
        objects,
        cases,
        snakemake.params.n_resamples,
        snakemake.params.seed,
        snakemake.params.min_objects,
    )
    said = sentences(table, cases, read_table(snakemake.input.metrics))
    write_table(snakemake.output.cases, table)
    record = job_record(snakemake)
    write_json(snakemake.output.answers, {"sentences": said, "meaning": list(MEANING), "provenance": record})
