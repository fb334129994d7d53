"""Draw the study of scenes: classes, sound, frames, and what a random split feigns."""

from pathlib import Path

from hiss.files import read_table
from hiss.plots.scenes import draw_scenes
from hiss.script import job

with job(snakemake.log[0]):
    draw_scenes(
        Path(snakemake.output.classes).parent,
        snakemake.input.arrays,
        read_table(snakemake.input.table),
        read_table(snakemake.input.leak),
    )
