"""Let the selected runs of one model predict the test set, once."""

from hiss.evaluation.test import folders_of, predict_test, zooms_of
from hiss.files import read_table, write_table
from hiss.provenance import job_record
from hiss.script import job

with job(snakemake.log[0]):
    table = predict_test(
        snakemake.wildcards.model,
        read_table(snakemake.input.selection),
        folders_of(snakemake.input.metrics),
        zooms_of(snakemake.input.arrays),
        read_table(snakemake.input.split),
    )
    write_table(snakemake.output.test, table, {"truth": "dex", "prediction": "dex"}, record=job_record(snakemake))
