"""Draw what the variants of the study change."""

from pathlib import Path

from hiss.files import read_table
from hiss.plots.draw import draw_variants
from hiss.script import job

with job(snakemake.log[0]):
    draw_variants(Path(snakemake.output[0]).parent, read_table(snakemake.input.variants))
