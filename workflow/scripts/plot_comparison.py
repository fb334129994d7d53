"""Draw the figures that set models and modalities side by side."""

from pathlib import Path

import pandas as pd

from hiss.files import read_table
from hiss.plots.draw import draw_comparison
from hiss.script import job

with job(snakemake.log[0]):
    draw_comparison(
        Path(snakemake.output[0]).parent,
        read_table(snakemake.input.runs),
        read_table(snakemake.input.metrics),
        read_table(snakemake.input.comparisons),
        pd.concat([read_table(path) for path in snakemake.input.tests], ignore_index=True),
        read_table(snakemake.input.objects),
    )
