"""Draw the cutouts on which threshold and segmentation disagree."""

from pathlib import Path

from hiss.files import read_table
from hiss.plots.neighbours import neighbours
from hiss.plots.style import save_figure
from hiss.script import job

with job(snakemake.log[0]):
    figure, counts = neighbours(
        snakemake.input.arrays,
        snakemake.input.neighbours,
        *(read_table(snakemake.input[name]) for name in ("objects", "multi", "sources")),
        **snakemake.params.multi_object,
    )
    save_figure(figure, Path(snakemake.output.figure).parent, "fig_neighbours", counts)
