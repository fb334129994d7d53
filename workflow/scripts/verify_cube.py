"""Prove that the files of a cube hold what was written to them."""

from hiss.cube.intact import verify
from hiss.files import write_json
from hiss.progress import say
from hiss.script import job

with job(snakemake.log[0]):
    verified = {name: verify(path) for name, path in snakemake.input.items() if name != "code"}
    write_json(snakemake.output.verified, verified)
    for name, found in verified.items():
        say(f"{name}: {found['rows']} rows of {found['datasets']} datasets are what was written")
