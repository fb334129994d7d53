"""Draw where the CNN looks."""

from pathlib import Path

from hiss.files import read_table
from hiss.names import by_place
from hiss.plots.draw_diagnostics import draw_saliency
from hiss.script import job

with job(snakemake.log[0]):
    draw_saliency(
        Path(snakemake.output[0]).parent,
        {key: read_table(path) for key, path in by_place(snakemake.input.regions).items()},
        {key: read_table(path) for key, path in by_place(snakemake.input.maps).items()},
    )
