"""Fetch one batch of the plan: what is not to be had is a row with its reason, and the rest comes."""

from hiss.files import write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.script import job
from hiss.sdss.fetch_batch import fetch_batch, read_batch

with job(snakemake.log[0]):
    limits = {name: snakemake.resources[name] for name in ("connections", "retries", "timeout_s")}
    files = read_batch(snakemake.input.files, snakemake.wildcards.batch)
    fetched = fetch_batch(files, snakemake.params.root, limits)
    for reason in fetched.loc[fetched["status"] == "rejected", "reason"]:
        say(f"not to be had: {reason}")
    write_table(snakemake.output.fetched, fetched, {"size": "byte", "ra": "deg", "dec": "deg"}, job_record(snakemake))
