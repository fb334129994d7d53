"""List the raw files of the sky with their sizes, hashes and ids, and those that are not used."""

from hiss.files import write_table
from hiss.provenance import provenance
from hiss.script import job
from hiss.sdss.manifest import survey_files

with job(snakemake.log[0]):
    manifest, set_aside = survey_files(snakemake.params.root, snakemake.threads)
    record = provenance({}, {}, snakemake.input.code)
    write_table(snakemake.output.set_aside, set_aside, record=record)
    write_table(snakemake.output.manifest, manifest, units={"size": "byte", "ra": "deg", "dec": "deg"}, record=record)
