"""List the labelled targets, one row a row of the sample's arrays."""

from hiss.files import write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.sample.export import OBJECT_UNITS, objects_table
from hiss.script import job

with job(snakemake.log[0]):
    objects = objects_table(snakemake.input.dense)
    write_table(snakemake.output.objects, objects, units=OBJECT_UNITS, record=job_record(snakemake))
    say(f"{len(objects)} objects with a star formation rate")
