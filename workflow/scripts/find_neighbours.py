"""Find the sources of every cutout, and the neighbours of the central one."""

from hiss.files import write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.sample.segmentation import Segmentation
from hiss.sample.sources import SOURCE_UNITS, find_neighbours
from hiss.script import job

with job(snakemake.log[0]):
    record = job_record(snakemake)
    settings = Segmentation.of(snakemake.params.segmentation)
    found = find_neighbours(snakemake.input.arrays, settings, snakemake.output.neighbours, record)
    write_table(snakemake.output.sources, found, SOURCE_UNITS, record)
    say(f"{found['multi'].sum()} of {len(found)} cutouts hold a neighbour that matters")
