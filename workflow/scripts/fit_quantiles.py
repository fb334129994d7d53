"""Fit the ends of LightGBM's prediction intervals at the selected setting of one modality and zoom."""

from pathlib import Path

from hiss.evaluation.quantiles import fit_quantiles
from hiss.files import read_table
from hiss.provenance import job_record
from hiss.script import job

with job(snakemake.log[0]):
    fit_quantiles(
        read_table(snakemake.input.selection),
        snakemake.input.metrics,
        read_table(snakemake.input.out_of_fold),
        snakemake.input.features,
        snakemake.input.bins,
        snakemake.params.level,
        snakemake.threads,
        Path(snakemake.output.out_of_fold).parent,
        job_record(snakemake),
    )
