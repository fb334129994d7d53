"""Draw the label's own noise."""

from pathlib import Path

from hiss.files import read_table
from hiss.plots.draw import draw_labels
from hiss.script import job

with job(snakemake.log[0]):
    draw_labels(
        Path(snakemake.output[0]).parent,
        read_table(snakemake.input.objects),
        read_table(snakemake.input.repeats),
    )
