"""Merge the rejects of all stages and shards into one table."""

from hiss.cube.rejects import merge_rejects
from hiss.files import write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.script import job

with job(snakemake.log[0]):
    rejects = merge_rejects([snakemake.input.sky, *snakemake.input.pieces])
    write_table(snakemake.output.rejects, rejects, record=job_record(snakemake))
    say(f"{len(rejects)} inputs are set aside")
