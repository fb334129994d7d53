"""Train one LightGBM model and write its run's folder."""

from pathlib import Path

from hiss.models.lgbm import LightGBM
from hiss.models.train import run_experiment
from hiss.script import job

with job(snakemake.log[0]):
    run_experiment(
        LightGBM,
        snakemake.input.features,
        snakemake.params.run,
        Path(snakemake.output.metrics).parent,
        snakemake.threads,
        snakemake.input.code,
        bins=snakemake.input.bins,
    )
