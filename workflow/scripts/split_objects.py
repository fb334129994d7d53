"""Split all labelled objects into train, validation, test and the folds of train."""

from hiss.files import read_table, write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.sample.split import SIDES, make_split
from hiss.script import job

with job(snakemake.log[0]):
    settings = snakemake.params.split
    split = make_split(
        read_table(snakemake.input.objects),
        read_table(snakemake.input.study)["row"].to_numpy(),
        shares={side: settings[side] for side in SIDES},
        folds=settings["folds"],
        bins=settings["bins"],
        seed=settings["seed"],
    )
    write_table(snakemake.output.split, split, units={"avg": "log10(M_sun/yr)"}, record=job_record(snakemake))
    say(", ".join(f"{(split['split'] == side).sum()} in {side}" for side in SIDES))
