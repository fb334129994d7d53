"""Merge the rejects of all stages into one table."""

from hiss.cube.rejects import merge_rejects
from hiss.files import write_table
from hiss.progress import say
from hiss.script import job

with job(snakemake.log[0]):
    rejects = merge_rejects([snakemake.input.sparse, snakemake.input.dense])
    write_table(snakemake.output.rejects, rejects)
    say(f"{len(rejects)} inputs are set aside")
