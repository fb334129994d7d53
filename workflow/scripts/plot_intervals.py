"""Draw coverage and width of prediction intervals."""

from pathlib import Path

from hiss.files import read_table
from hiss.plots.draw import draw_intervals
from hiss.script import job

with job(snakemake.log[0]):
    draw_intervals(
        Path(snakemake.output[0]).parent,
        read_table(snakemake.input.intervals),
        read_table(snakemake.input.metrics),
    )
