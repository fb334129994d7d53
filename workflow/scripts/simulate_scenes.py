"""Write a stand-in for the public set of scenes, in its layout."""

from pathlib import Path

from hiss.progress import say
from hiss.scenes.simulate import simulate_scenes
from hiss.script import job

with job(snakemake.log[0]):
    table = simulate_scenes(Path(snakemake.output.csv).parent, **snakemake.params.clips)
    say(f"{len(table)} frames written")
