"""Take a sample's part of the split of all labelled objects."""

from hiss.files import read_table, write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.sample.split import SIDES, restrict
from hiss.script import job

with job(snakemake.log[0]):
    settings = snakemake.params.split
    split = restrict(
        read_table(snakemake.input.split),
        read_table(snakemake.input.cleaned)["row"].to_numpy(),
        shares={side: settings[side] for side in SIDES},
        folds=settings["folds"],
        sample=snakemake.wildcards.sample,
    )
    write_table(snakemake.output.split, split, units={"avg": "log10(M_sun/yr)"}, record=job_record(snakemake))
    say(", ".join(f"{(split['split'] == side).sum()} in {side}" for side in SIDES))
