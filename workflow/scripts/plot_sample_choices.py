"""Draw what other choices about neighbours and gaps do to the error."""

from pathlib import Path

from hiss.files import read_table
from hiss.plots.sample_choices import sample_choices
from hiss.plots.style import save_figure
from hiss.script import job

with job(snakemake.log[0]):
    figure, table = sample_choices(
        read_table(snakemake.input.variants),
        read_table(snakemake.input.runs),
        snakemake.params.choices,
        snakemake.params.study,
    )
    save_figure(figure, Path(snakemake.output.figure).parent, "fig_sample_choices", table)
