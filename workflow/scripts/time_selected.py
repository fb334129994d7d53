"""Fit one model's selected settings again, alone, and write what each costs."""

from hiss.evaluation.test import zooms_of
from hiss.evaluation.timing import time_selected
from hiss.files import read_table, write_table
from hiss.script import job

with job(snakemake.log[0]):
    times = time_selected(
        snakemake.wildcards.model,
        read_table(snakemake.input.selection),
        snakemake.input.metrics,
        zooms_of(snakemake.input.arrays),
        snakemake.input.split,
        snakemake.threads,
    )
    write_table(snakemake.output.times, times)
