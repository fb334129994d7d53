"""Make learning curves of the variants that train on a share of the objects."""

from hiss.evaluation.learning import learning_curves
from hiss.files import read_table, write_table
from hiss.script import job

with job(snakemake.log[0]):
    points, fits = learning_curves(
        read_table(snakemake.input.selection),
        snakemake.input.runs,
        snakemake.input.variants,
        read_table(snakemake.input.split),
        snakemake.params.n_resamples,
        snakemake.params.seed,
    )
    write_table(snakemake.output.points, points)
    write_table(snakemake.output.fits, fits)
