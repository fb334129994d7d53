"""Write one file over the shards' links."""

from pathlib import Path

from hiss.cube.stitch import shards_of, stitch_links
from hiss.script import job

with job(snakemake.log[0]):
    files = snakemake.input
    stitch_links(shards_of(files.pieces), files.sparse, snakemake.output[0], code=map(Path, files.code))
