"""Fetch MPA-JHU's tables and the survey's lists of fields and plates."""

from hiss.files import write_table
from hiss.provenance import job_record
from hiss.script import job
from hiss.sdss.survey_tables import fetch_survey_tables

with job(snakemake.log[0]):
    limits = {name: snakemake.resources[name] for name in ("connections", "retries", "timeout_s")}
    fetched = fetch_survey_tables(**dict(snakemake.params.items()), limits=limits)
    write_table(snakemake.output.fetched, fetched, {"size": "byte"}, job_record(snakemake))
