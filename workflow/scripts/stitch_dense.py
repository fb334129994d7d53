"""Write one file over the shards' dense cubes."""

from pathlib import Path

from hiss.cube.stitch import shards_of, stitch_dense
from hiss.script import job

with job(snakemake.log[0]):
    files = snakemake.input
    stitch_dense(shards_of(files.pieces), files.sparse, files.links, snakemake.output[0], code=map(Path, files.code))
