"""Find, for every spectrum, the frames that hold a whole cutout around it."""

from pathlib import Path

from hiss.cube.links import build_links
from hiss.script import job

with job(snakemake.log[0]):
    build_links(
        snakemake.input.sparse,
        snakemake.output.links,
        snakemake.params.radius_arcmin,
        code=map(Path, snakemake.input.code),
    )
