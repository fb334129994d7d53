"""Compare each variant with the study's own run, on the validation objects both have."""

from hiss.evaluation.variants import compare_variants
from hiss.files import read_table, write_table
from hiss.script import job

with job(snakemake.log[0]):
    table = compare_variants(
        read_table(snakemake.input.selection),
        snakemake.input.runs,
        snakemake.input.variants,
        read_table(snakemake.input.split),
        snakemake.params.n_resamples,
        snakemake.params.seed,
    )
    write_table(snakemake.output.variants, table)
