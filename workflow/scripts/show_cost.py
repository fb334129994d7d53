"""Print what the study's training is estimated to cost."""

from pathlib import Path

from hiss.models.cost import Work, cost_table, describe_objects, estimate
from hiss.progress import say
from hiss.script import job

with job(snakemake.log[0]):
    counts, told = describe_objects(Path(snakemake.params.split))
    say(cost_table(estimate([Work(**work) for work in snakemake.params.works], *counts), told))
