"""Measure the magnitudes of all labelled objects on their untreated cutouts, and list the wavelengths of all zooms."""

from hiss.bands import BANDS
from hiss.files import write_table
from hiss.provenance import job_record
from hiss.sample.diagnostics import measure_magnitudes, wavelength_table
from hiss.script import job

with job(snakemake.log[0]):
    finest = snakemake.input.arrays[0]
    magnitudes = measure_magnitudes(finest, snakemake.params.fiber_arcsec)
    write_table(snakemake.output.magnitudes, magnitudes, dict.fromkeys(BANDS, "mag"), job_record(snakemake))
    write_table(snakemake.output.wavelengths, wavelength_table(snakemake.input.arrays))
