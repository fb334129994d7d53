"""Collect the emission lines of the labelled objects' spectra."""

from hiss.files import read_table, write_table
from hiss.provenance import job_record
from hiss.sample.lines import LINE_UNITS, measure_lines
from hiss.script import job

with job(snakemake.log[0]):
    table = measure_lines(
        read_table(snakemake.input.objects),
        read_table(snakemake.input.manifest),
        snakemake.params.root,
        snakemake.input.dense,
    )
    write_table(snakemake.output.lines, table, LINE_UNITS, record=job_record(snakemake))
