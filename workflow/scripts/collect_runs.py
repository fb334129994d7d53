"""Collect the metrics of all runs and late fusions in one table."""

from hiss.evaluation.collect import collect_runs
from hiss.files import write_table
from hiss.script import job

with job(snakemake.log[0]):
    write_table(snakemake.output.runs, collect_runs([*snakemake.input.metrics, *snakemake.input.late]))
