"""Export the labelled targets of the dense cube at one zoom as contiguous arrays."""

from hiss.progress import say
from hiss.provenance import provenance
from hiss.sample.export import export_zoom
from hiss.script import job

with job(snakemake.log[0]):
    zoom = int(snakemake.wildcards.zoom)
    record = provenance({"dense": snakemake.input.dense}, {"zoom": zoom}, snakemake.input.code)
    n = export_zoom(snakemake.input.dense, zoom, snakemake.output.arrays, record)
    say(f"{n} objects at zoom {zoom}")
