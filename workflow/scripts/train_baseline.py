"""Fit one baseline and write its run's folder."""

from pathlib import Path

from hiss.models.baselines import baseline_type
from hiss.models.train import run_experiment
from hiss.script import job

with job(snakemake.log[0]):
    run_experiment(
        baseline_type(snakemake.wildcards.model),
        snakemake.input.features,
        snakemake.params.run,
        Path(snakemake.output.metrics).parent,
        snakemake.threads,
        snakemake.input.code,
    )
