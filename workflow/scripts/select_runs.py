"""Select the best run of one model at each modality and zoom."""

from hiss.evaluation.collect import collect_runs
from hiss.evaluation.selection import select_runs
from hiss.files import write_table
from hiss.script import job

with job(snakemake.log[0]):
    write_table(snakemake.output.selection, select_runs(collect_runs(snakemake.input.metrics)))
