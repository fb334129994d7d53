"""Tell what a cascade from a coarse zoom to a fine one costs and brings."""

from hiss.evaluation.cascade import evaluate_cascade
from hiss.files import read_table, write_table
from hiss.script import job

with job(snakemake.log[0]):
    table = evaluate_cascade(
        read_table(snakemake.input.selection),
        snakemake.input.metrics,
        snakemake.input.times,
        snakemake.input.quantiles,
        read_table(snakemake.input.split),
        snakemake.params.zooms,
        snakemake.params.n_resamples,
        snakemake.params.seed,
        out_of_fold=snakemake.input.out_of_fold,
    )
    write_table(snakemake.output.cascade, table)
