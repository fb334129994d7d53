"""Clean the sample and count what each step of the selection leaves."""

from hiss.files import read_json, read_table, write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.sample.accounts import catalogue_keys, holdings, target_spectra
from hiss.sample.clean import cleaned, selection
from hiss.sample.export import OBJECT_UNITS, targets_table
from hiss.sample.ledger import make_ledger
from hiss.script import job

with job(snakemake.log[0]):
    choice = snakemake.params.choice
    objects = read_table(snakemake.input.objects)
    passes = selection(
        objects,
        *(read_table(snakemake.input[name]) for name in ("missing", "multi", "gaps")),
        choice["longest"],
        read_table(snakemake.input.sources) if snakemake.input.sources else None,
    )
    targets = targets_table(snakemake.input.dense)
    clean = cleaned(objects, passes, choice)
    held = holdings(
        read_table(snakemake.input.manifest),
        catalogue_keys(snakemake.input.sparse),
        target_spectra(snakemake.input.dense),
        read_table(snakemake.input.rejects),
    )
    steps = read_json(snakemake.input.plan)["steps"] if snakemake.input.get("plan") else []
    ledger = make_ledger(held, targets, passes, len(clean), choice, steps)
    write_table(snakemake.output.cleaned, clean, units=OBJECT_UNITS, record=job_record(snakemake))
    write_table(snakemake.output.ledger, ledger)
    say(ledger[["step", "count", "removed"]].to_string(index=False))
