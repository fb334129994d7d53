"""Assert that every raw file is in the cube or among the rejects."""

from hiss.files import read_table, write_json
from hiss.progress import say
from hiss.sample.accounts import check_accounts, image_table, target_spectra
from hiss.script import job

with job(snakemake.log[0]):
    accounts = check_accounts(
        read_table(snakemake.input.manifest),
        image_table(snakemake.input.sparse),
        target_spectra(snakemake.input.dense),
        read_table(snakemake.input.rejects),
        read_table(snakemake.input.planned) if snakemake.input.get("planned") else None,
    )
    write_json(snakemake.output.accounts, accounts)
    for kind in ("frames", "spectra"):
        if "planned" in accounts[kind]:
            say("{planned} {kind} planned: {not_to_be_had} are not to be had".format(kind=kind, **accounts[kind]))
        say("{manifest} {kind}: {in_cube} in the cube, {rejected} set aside".format(kind=kind, **accounts[kind]))
