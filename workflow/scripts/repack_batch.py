"""Repack the frames of a batch into a form that is read faster."""

from hiss.files import read_table, write_table
from hiss.provenance import job_record
from hiss.script import job
from hiss.sdss.repack import repack_frames

with job(snakemake.log[0]):
    params = snakemake.params
    fetched = read_table(snakemake.input.fetched)
    repacked = repack_frames(fetched, params.root, params.form, params.keep, snakemake.threads)
    units = {"size": "byte", "ra": "deg", "dec": "deg"}
    write_table(snakemake.output.repacked, repacked, units, job_record(snakemake))
