"""Judge all models of a target of the scenes: scores, recall, confusion, calibration, differences of fusions."""

import pandas as pd

from hiss.files import read_table, write_table
from hiss.sample.classes import class_names
from hiss.script import job
from hiss.side.scores import Judged, tables_of

with job(snakemake.log[0]):
    tests, costs = (
        pd.concat([read_table(path) for path in paths], ignore_index=True)
        for paths in (snakemake.input.tests, snakemake.input.costs)
    )
    judged = Judged.of(
        tests,
        read_table(snakemake.input.split),
        class_names(read_table(snakemake.input.objects)),
        snakemake.params.bootstrap,
        snakemake.params.seed,
    )
    for name, table in tables_of(judged, costs, redshift=False).items():
        write_table(snakemake.output[name], table)
