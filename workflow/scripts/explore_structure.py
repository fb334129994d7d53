"""Find the structure of one kind of data at one zoom."""

from hiss.files import read_table, write_json, write_table
from hiss.provenance import job_record
from hiss.script import job
from hiss.structure.explore import Options, explore

with job(snakemake.log[0]):
    places, numbers = explore(
        snakemake.input.arrays,
        read_table(snakemake.input.objects),
        snakemake.wildcards.modality,
        int(snakemake.wildcards.zoom),
        Options(**snakemake.params.options),
    )
    record = job_record(snakemake)
    write_table(snakemake.output.places, places, record=record)
    write_json(snakemake.output.numbers, {**numbers, "provenance": record})
