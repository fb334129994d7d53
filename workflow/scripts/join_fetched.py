"""List the fetched files with their sizes, hashes and ids, and those that could not be had."""

from hiss.files import read_table, write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.script import job
from hiss.sdss.fetched import join_fetched

with job(snakemake.log[0]):
    files = read_table(snakemake.input.files)
    batches = [read_table(path) for path in snakemake.input.batches]
    tables = read_table(snakemake.input.sky)
    manifest, set_aside = join_fetched(files, batches, tables, snakemake.params.root, snakemake.threads)
    record = job_record(snakemake)
    write_table(snakemake.output.manifest, manifest, {"size": "byte", "ra": "deg", "dec": "deg"}, record)
    write_table(snakemake.output.set_aside, set_aside, record=record)
    say(f"{len(manifest):,} files of {len(files):,} planned are here, {len(set_aside):,} are not to be had")
