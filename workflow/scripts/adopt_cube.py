"""Make the files that the floors above read from an existing cube of the public HiSS-Cube."""

from pathlib import Path

from hiss.cube.adopt import AdoptedFiles, adopt_cube
from hiss.script import job

with job(snakemake.log[0]):
    files = AdoptedFiles(**{name: Path(path) for name, path in snakemake.output.items()})
    adopt_cube(
        snakemake.input.existing,
        files,
        snakemake.params.fiber_arcsec,
        snakemake.params.compression,
        code=map(Path, snakemake.input.code),
    )
