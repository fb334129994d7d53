"""Count the objects in every cutout."""

from hiss.files import write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.sample.multi import find_multi_objects
from hiss.script import job

with job(snakemake.log[0]):
    found = find_multi_objects(snakemake.input.arrays, **snakemake.params.multi_object)
    write_table(snakemake.output.multi, found, record=job_record(snakemake))
    say(f"{found['multi'].sum()} of {len(found)} cutouts hold several objects")
