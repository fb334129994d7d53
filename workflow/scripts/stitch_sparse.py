"""Write one file over the shards' sparse cubes."""

from pathlib import Path

from hiss.cube.stitch import shards_of, stitch_sparse
from hiss.script import job

with job(snakemake.log[0]):
    files = snakemake.input
    stitch_sparse(
        shards_of(files.pieces), files.gal_info, files.gal_totsfr, snakemake.output[0], code=map(Path, files.code)
    )
