"""Print the plan, the room there is, and what is to be done next."""

import shutil
from pathlib import Path

from hiss.files import read_json
from hiss.progress import say
from hiss.script import job
from hiss.sdss.planning import accept_sentence

with job(snakemake.log[0]):
    size = read_json(snakemake.input.plan)["files"]["bytes"]
    root = Path(snakemake.params.root).absolute()
    here = next(folder for folder in (root, *root.parents) if folder.is_dir())  # it may be a disk of its own
    say(Path(snakemake.input.text).read_text())
    say(f"{shutil.disk_usage(here).free / 1e9:,.1f} GB are free on the disk of {snakemake.params.root}.")
    say(accept_sentence(size, snakemake.params.accept_gb))
