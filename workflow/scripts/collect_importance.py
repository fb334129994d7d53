"""Join what lines, bands and pixels mean to LightGBM at all modalities and zooms."""

from hiss.evaluation.importance import summarise_importance
from hiss.files import read_table, write_table
from hiss.names import by_place
from hiss.script import job

with job(snakemake.log[0]):
    tables = {key: read_table(path) for key, path in by_place(snakemake.input.regions).items()}
    write_table(snakemake.output.summary, summarise_importance(tables))
