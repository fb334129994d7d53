"""Train a selected VGGNet12 once more with one thing changed."""

from pathlib import Path

from hiss.evaluation.refit import refit_variant
from hiss.files import read_table
from hiss.models.vgg import VGGNet12
from hiss.script import job

with job(snakemake.log[0]):
    refit_variant(
        VGGNet12,
        read_table(snakemake.input.selection),
        snakemake.input.metrics,
        snakemake.input.features,
        read_table(snakemake.input.split),
        snakemake.params.run,
        Path(snakemake.output.metrics).parent,
        snakemake.threads,
        snakemake.input.code,
        weights=snakemake.input.weights or None,
    )
