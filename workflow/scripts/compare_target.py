"""Judge all models of a further target: scores, recall, confusion, calibration, differences, sentences."""

import pandas as pd

from hiss.files import read_table, write_json, write_table
from hiss.provenance import job_record
from hiss.sample.classes import class_names
from hiss.script import job
from hiss.side.scores import Judged, baseline_score, tables_of
from hiss.side.target_words import meaning, sentences

with job(snakemake.log[0]):
    label, weighted = snakemake.params.label, snakemake.params.class_weights
    counts, split = read_table(snakemake.input.counts), read_table(snakemake.input.split)
    judged = Judged.of(
        pd.concat([read_table(path) for path in snakemake.input.tests], ignore_index=True),
        split,
        class_names(read_table(snakemake.input.objects)),
        snakemake.params.bootstrap,
        snakemake.params.seed,
    )
    costs = pd.concat([read_table(path) for path in snakemake.input.costs], ignore_index=True)
    tables = tables_of(judged, costs, redshift=label == "redshift")
    for name, table in tables.items():
        write_table(snakemake.output[name], table)
    said = sentences(label, judged, tables, counts, baseline_score(judged, split))
    answers = {"sentences": said, "meaning": meaning(label, judged, weighted)}
    write_json(snakemake.output.answers, {**answers, "provenance": job_record(snakemake)})
