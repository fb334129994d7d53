"""Measure what each target of the dense cube lacks and how bright it is, labelled or not."""

from hiss.files import write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.sample.usable import MEASURED_UNITS, measure_targets
from hiss.script import job

with job(snakemake.log[0]):
    measured = measure_targets(snakemake.input.arrays, snakemake.params.fiber_arcsec)
    write_table(snakemake.output.measured, measured, units=MEASURED_UNITS, record=job_record(snakemake))
    say(f"{len(measured)} targets measured")
