"""List the raw files of the sky with their sizes, hashes and ids."""

from hiss.files import write_table
from hiss.provenance import provenance
from hiss.script import job
from hiss.sdss.manifest import make_manifest

with job(snakemake.log[0]):
    write_table(
        snakemake.output.manifest,
        make_manifest(snakemake.params.root),
        units={"size": "byte"},
        record=provenance({}, {}, snakemake.input.code),
    )
