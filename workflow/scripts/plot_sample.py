"""Draw the figures of the sample."""

from pathlib import Path

from hiss.files import read_table
from hiss.plots.draw import draw_sample
from hiss.script import job

with job(snakemake.log[0]):
    draw_sample(
        Path(snakemake.output[0]).parent,
        snakemake.input.dense,
        snakemake.input.arrays,
        {name: read_table(snakemake.input[name]) for name in ("objects", "gaps", "missing", "multi_object")},
        **snakemake.params.multi_object,
    )
