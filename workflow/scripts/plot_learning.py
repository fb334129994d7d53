"""Draw learning curves."""

from pathlib import Path

from hiss.files import read_table
from hiss.plots.draw_diagnostics import draw_learning
from hiss.script import job

with job(snakemake.log[0]):
    draw_learning(
        Path(snakemake.output[0]).parent,
        read_table(snakemake.input.points),
        read_table(snakemake.input.fits),
    )
