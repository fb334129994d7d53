"""Draw which lines, bands and pixels LightGBM uses."""

from pathlib import Path

from hiss.files import read_table
from hiss.names import by_place
from hiss.plots.draw_diagnostics import draw_importance
from hiss.script import job

with job(snakemake.log[0]):
    draw_importance(
        Path(snakemake.output[0]).parent,
        read_table(snakemake.input.summary),
        {key: read_table(path) for key, path in by_place(snakemake.input.maps).items()},
        read_table(snakemake.input.objects),
    )
