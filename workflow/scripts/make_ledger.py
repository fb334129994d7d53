"""Clean the sample and count what each step of the selection leaves."""

from hiss.files import read_table, write_table
from hiss.progress import say
from hiss.sample.accounts import catalogue_counts
from hiss.sample.clean import cleaned, selection
from hiss.sample.export import OBJECT_UNITS, targets_table
from hiss.sample.ledger import make_ledger
from hiss.script import job

with job(snakemake.log[0]):
    policy = snakemake.params.policy
    objects = read_table(snakemake.input.objects)
    passes = selection(objects, read_table(snakemake.input.missing), read_table(snakemake.input.multi))
    targets = targets_table(snakemake.input.dense)
    ledger = make_ledger(*catalogue_counts(snakemake.input.sparse), targets, passes, policy)
    write_table(snakemake.output.cleaned, cleaned(objects, passes, policy), units=OBJECT_UNITS)
    write_table(snakemake.output.ledger, ledger)
    say(ledger[["step", "count", "removed"]].to_string(index=False))
