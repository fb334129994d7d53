"""Draw accuracy against cost from a coarse zoom to a fine one."""

from pathlib import Path

from hiss.files import read_table
from hiss.plots.draw import draw_cascade
from hiss.script import job

with job(snakemake.log[0]):
    draw_cascade(Path(snakemake.output[0]).parent, read_table(snakemake.input.cascade))
