"""Fit the selected setting of one model, modality and zoom again, alone, and write what it costs."""

from hiss.evaluation.timing import time_selected
from hiss.files import read_table, write_table
from hiss.script import job

with job(snakemake.log[0]):
    times = time_selected(
        read_table(snakemake.input.selection),
        snakemake.input.metrics,
        snakemake.input.features,
        snakemake.threads,
        bins=snakemake.input.bins,
        weights=snakemake.input.get("weights") or None,
    )
    write_table(snakemake.output.times, times)
