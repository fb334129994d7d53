"""Measure how much the label itself errs: its width, and the scatter of labels of one galaxy."""

from hiss.files import read_table, write_table
from hiss.provenance import job_record
from hiss.sample.accounts import target_spectra
from hiss.sample.label_noise import LABEL_NOISE_UNITS, catalogue_labels, label_noise, repeated_labels
from hiss.script import job

with job(snakemake.log[0]):
    repeats = repeated_labels(target_spectra(snakemake.input.dense), catalogue_labels(snakemake.input.sparse))
    noise = label_noise(read_table(snakemake.input.objects), repeats)
    write_table(snakemake.output.repeats, repeats, units=LABEL_NOISE_UNITS, record=job_record(snakemake))
    write_table(snakemake.output.noise, noise)
