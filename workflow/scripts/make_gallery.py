"""Choose the objects of the gallery, draw them, and write what the report shows of them."""

import pandas as pd

from hiss.files import read_table
from hiss.provenance import job_record
from hiss.report.gallery import GalleryTables, choose_groups, write_gallery
from hiss.script import job

with job(snakemake.log[0]):
    given = snakemake.input
    tables = GalleryTables.of(*(read_table(given[name]) for name in ("objects", "multi_object", "missing", "cleaned")))
    if given.tests:
        tests = pd.concat([read_table(path) for path in given.tests], ignore_index=True)
        tables = tables.with_study(read_table(given.metrics), tests, snakemake.params.level)
    write_gallery(
        choose_groups(tables),
        given.arrays,
        snakemake.output.gallery,
        snakemake.output.table,
        snakemake.output.images,
        snakemake.params.sky != "simulated",
        job_record(snakemake),
    )
