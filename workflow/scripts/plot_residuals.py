"""Draw the residuals of the best run against what is known of each object."""

from pathlib import Path

from hiss.files import read_table
from hiss.plots.draw_diagnostics import draw_residuals
from hiss.script import job

with job(snakemake.log[0]):
    draw_residuals(
        Path(snakemake.output[0]).parent,
        read_table(snakemake.input.residuals),
        read_table(snakemake.input.trends),
    )
