"""Train one decision tree and write its run's folder."""

from pathlib import Path

from hiss.models.train import run_experiment
from hiss.models.tree import DecisionTree
from hiss.script import job

with job(snakemake.log[0]):
    run_experiment(
        DecisionTree,
        snakemake.input.features,
        snakemake.params.run,
        Path(snakemake.output.metrics).parent,
        snakemake.threads,
        snakemake.input.code,
    )
