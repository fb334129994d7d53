"""Split a further target's objects into train, validation, test and the folds of train."""

from hiss.files import read_table, write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.sample.classes import class_names
from hiss.sample.split import SIDES, split_target
from hiss.script import job

with job(snakemake.log[0]):
    settings = snakemake.params.split
    objects = read_table(snakemake.input.objects)
    split = split_target(
        objects,
        class_names(objects),
        shares={side: settings[side] for side in SIDES},
        folds=settings["folds"],
        bins=settings["bins"],
        seed=settings["seed"],
        target=snakemake.wildcards.target,
    )
    write_table(snakemake.output.split, split, record=job_record(snakemake))
    say(", ".join(f"{(split['split'] == side).sum()} in {side}" for side in SIDES))
