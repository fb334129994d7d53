"""List the residuals of the best run on the test objects, and what they follow."""

import pandas as pd

from hiss.evaluation.residuals import best_run, residual_table, trends
from hiss.files import read_table, write_table
from hiss.script import job

with job(snakemake.log[0]):
    residuals = residual_table(
        pd.concat([read_table(path) for path in snakemake.input.tests], ignore_index=True),
        read_table(snakemake.input.objects),
        read_table(snakemake.input.magnitudes),
        best_run(read_table(snakemake.input.metrics)),
    )
    split, n_resamples, seed = read_table(snakemake.input.split), snakemake.params.n_resamples, snakemake.params.seed
    write_table(snakemake.output.residuals, residuals)
    write_table(snakemake.output.trends, trends(residuals, split, n_resamples, seed))
