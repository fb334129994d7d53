"""Measure what science cases are chosen by: signal to noise, size, roundness and lines of every labelled object."""

from hiss.files import read_table, write_table
from hiss.provenance import job_record
from hiss.script import job
from hiss.side.case_objects import UNITS, measure_properties

with job(snakemake.log[0]):
    properties = measure_properties(
        snakemake.input.arrays,
        snakemake.input.neighbours,
        read_table(snakemake.input.objects),
        read_table(snakemake.input.magnitudes),
        read_table(snakemake.input.lines),
        snakemake.params.seeing_arcsec,
    )
    write_table(snakemake.output.objects, properties, UNITS, job_record(snakemake))
