"""Choose the objects that a further target is learned from."""

from hiss.files import read_table, write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.sample.export import targets_table
from hiss.sample.second_targets import TARGET_UNITS, choose_target
from hiss.script import job

with job(snakemake.log[0]):
    objects, counts = choose_target(
        targets_table(snakemake.input.dense),
        read_table(snakemake.input.measured),
        snakemake.wildcards.target,
        **snakemake.params.choice,
    )
    write_table(snakemake.output.objects, objects, units=TARGET_UNITS, record=job_record(snakemake))
    write_table(snakemake.output.counts, counts)
    say(", ".join(f"{row.name} {row.used} of {row.objects}" for row in counts.itertuples(index=False)))
