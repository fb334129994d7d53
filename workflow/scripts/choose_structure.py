"""Choose the objects in which structure is looked for."""

from hiss.files import read_table, write_json, write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.sample.export import OBJECT_UNITS, targets_table
from hiss.script import job
from hiss.structure.objects import choose_objects

with job(snakemake.log[0]):
    targets = targets_table(snakemake.input.dense)
    objects, counts = choose_objects(targets, read_table(snakemake.input.measured), **snakemake.params.choice)
    record = job_record(snakemake)
    write_table(snakemake.output.objects, objects, units=OBJECT_UNITS, record=record)
    write_json(snakemake.output.counts, {**counts, "provenance": record})
    say(f"{counts['chosen']} of {counts['targets']} objects")
