"""Measure the coverage of prediction intervals at all levels."""

import pandas as pd

from hiss.evaluation.calibration import by_run, calibration_table
from hiss.files import read_table, write_table
from hiss.names import by_place
from hiss.script import job

with job(snakemake.log[0]):
    table = calibration_table(
        pd.concat([read_table(path) for path in snakemake.input.tests], ignore_index=True),
        read_table(snakemake.input.metrics),
        read_table(snakemake.input.split),
        by_run(snakemake.input.out_of_fold),
        by_place(snakemake.input.quantiles),
        snakemake.params.level,
    )
    write_table(snakemake.output.calibration, table)
