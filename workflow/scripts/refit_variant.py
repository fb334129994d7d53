"""Train a selected tree or LightGBM once more with one thing changed."""

from pathlib import Path

from hiss.evaluation.refit import refit_variant
from hiss.files import read_table
from hiss.models.trees import tree_type
from hiss.script import job

with job(snakemake.log[0]):
    refit_variant(
        tree_type(snakemake.wildcards.model),
        read_table(snakemake.input.selection),
        snakemake.input.metrics,
        snakemake.input.features,
        read_table(snakemake.input.split),
        snakemake.params.run,
        Path(snakemake.output.metrics).parent,
        snakemake.threads,
        snakemake.input.code,
        bins=snakemake.input.bins,
    )
