"""Copy the workflow's files and write its settings, so that a deposit can be run again."""

from hiss.deposit.sources import keep_workflow
from hiss.script import job

with job(snakemake.log[0]):
    params, out = snakemake.params, snakemake.output
    keep_workflow(snakemake.input.files, params.root, out.folder, params.settings, out.config)
