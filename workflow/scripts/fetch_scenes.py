"""Fetch the zip of the public set of scenes."""

from hiss.files import write_json
from hiss.provenance import job_record
from hiss.scenes.fetch import fetch_scenes
from hiss.script import job

with job(snakemake.log[0]):
    fetched = fetch_scenes(snakemake.params.address, snakemake.params.folder, snakemake.params.sha256)
    write_json(snakemake.output.fetched, {**fetched, "provenance": job_record(snakemake)})
