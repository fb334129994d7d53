"""Write the stacked fusion of one model at one zoom: a meta-learner on out-of-fold predictions of its two parts."""

from pathlib import Path

from hiss.models.stacking import stack_selected
from hiss.script import job

with job(snakemake.log[0]):
    stack_selected(
        snakemake.input.selection,
        snakemake.input.metrics,
        snakemake.input.out_of_fold,
        snakemake.wildcards.model,
        int(snakemake.wildcards.zoom),
        Path(snakemake.output.metrics).parent,
        snakemake.input.code,
    )
