"""Show all targets of the dense cube, labelled or not, as arrays per zoom, by links."""

from hiss.files import atomic
from hiss.progress import say
from hiss.provenance import job_record
from hiss.sample.export import link_zoom
from hiss.script import job

with job(snakemake.log[0]):
    record = job_record(snakemake)
    for zoom, out in zip(snakemake.params.zooms, snakemake.output, strict=True):
        with atomic(out) as temporary:
            link_zoom(snakemake.input.dense, zoom, temporary, record, relative=True)
    say(f"{len(snakemake.output)} zooms linked")
