"""Write the whole cube as one file in the public format."""

from pathlib import Path

from hiss.cube.single import export_single
from hiss.script import job

with job(snakemake.log[0]):
    files = snakemake.input
    export_single(files.sparse, files.links, files.dense, snakemake.output.cube, code=map(Path, files.code))
