"""Fit the selected tree or LightGBM of each modality at one zoom again, alone, and write what it costs."""

from hiss.evaluation.timing import time_selected
from hiss.files import read_table, write_table
from hiss.models.bins import make_bins
from hiss.models.trees import tree_type
from hiss.script import job

with job(snakemake.log[0]):
    times = time_selected(
        tree_type(snakemake.wildcards.model),
        read_table(snakemake.input.selection),
        snakemake.input.metrics,
        snakemake.input.features,
        snakemake.threads,
        bins=snakemake.input.bins,
        make_bins=make_bins,
    )
    write_table(snakemake.output.times, times)
