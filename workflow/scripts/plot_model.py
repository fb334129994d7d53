"""Draw the figures of one model."""

from pathlib import Path

from hiss.files import read_table
from hiss.plots.draw import draw_model
from hiss.script import job

with job(snakemake.log[0]):
    draw_model(
        Path(snakemake.output[0]).parent,
        snakemake.params.model,
        read_table(snakemake.input.runs),
        read_table(snakemake.input.selection),
        read_table(snakemake.input.metrics),
        snakemake.input.get("curves", []),
    )
