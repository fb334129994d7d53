"""Join the models' selections in one table."""

from hiss.evaluation.selection import join_selections
from hiss.files import read_table, write_table
from hiss.script import job

with job(snakemake.log[0]):
    write_table(snakemake.output.selection, join_selections(read_table(path) for path in snakemake.input.selections))
