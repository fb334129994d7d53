"""Train one VGGNet12 and write its run's folder."""

from pathlib import Path

from hiss.models.train import run_experiment
from hiss.models.vgg import VGGNet12
from hiss.script import job

with job(snakemake.log[0]):
    run_experiment(
        VGGNet12,
        snakemake.input.features,
        snakemake.params.run,
        Path(snakemake.output.metrics).parent,
        snakemake.threads,
        snakemake.input.code,
        weights=snakemake.input.weights or None,
    )
