"""Simulate the raw files of a small sky of known truth."""

from pathlib import Path

from hiss.files import write_table
from hiss.provenance import job_record
from hiss.script import job
from hiss.sky.sky import simulate_sky

with job(snakemake.log[0]):
    truth = simulate_sky(
        Path(snakemake.output.gal_info).parents[1], **snakemake.params.sky, processes=snakemake.threads
    )
    write_table(
        snakemake.output.truth,
        truth,
        {"ra": "deg", "dec": "deg", "r_bulge": "arcsec", "r_disk": "arcsec"},
        record=job_record(snakemake),
    )
