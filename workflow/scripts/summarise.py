"""Make the tables of test metrics and of paired differences, with their intervals."""

import pandas as pd

from hiss.evaluation.coverage import coverage_table
from hiss.evaluation.summarise import bootstrap_tests, comparisons_table, metrics_table, with_times
from hiss.files import read_table, write_table
from hiss.script import job

with job(snakemake.log[0]):
    tests = pd.concat([read_table(path) for path in snakemake.input.tests], ignore_index=True)
    bootstrap = bootstrap_tests(
        tests, read_table(snakemake.input.split), snakemake.params.n_resamples, snakemake.params.seed
    )
    times = pd.concat([read_table(path) for path in snakemake.input.times], ignore_index=True)
    metrics = metrics_table(
        bootstrap,
        with_times(read_table(snakemake.input.runs), times),
        read_table(snakemake.input.selection),
        read_table(snakemake.input.objects),
    )
    write_table(snakemake.output.metrics, metrics)
    write_table(snakemake.output.comparisons, comparisons_table(bootstrap, metrics))
    write_table(snakemake.output.intervals, coverage_table(tests, snakemake.params.level, snakemake.params.bins))
