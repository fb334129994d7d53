"""Draw what early fusion gains on each science case."""

from pathlib import Path

from hiss.files import read_table
from hiss.plots.cases import cases
from hiss.plots.style import save_figure
from hiss.script import job

with job(snakemake.log[0]):
    figure, data = cases(read_table(snakemake.input.cases))
    save_figure(figure, Path(snakemake.output[0]).parent, "fig_cases", data)
