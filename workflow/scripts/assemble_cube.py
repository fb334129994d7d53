"""Write the master file that shows the whole HiSS-Cube."""

from pathlib import Path

from hiss.cube.master import build_master
from hiss.script import job

with job(snakemake.log[0]):
    files = snakemake.input
    build_master(files.sparse, files.links, files.dense, snakemake.output.cube, code=map(Path, files.code))
