"""Let the selected runs of one model predict the test set, once."""

from functools import partial

from hiss.evaluation.test import Held, folders_of, predict_test, zooms_of
from hiss.files import read_table, write_table
from hiss.models.metrics import LABEL_UNIT
from hiss.models.run import predict_rows
from hiss.provenance import job_record
from hiss.script import job

with job(snakemake.log[0]):
    table = predict_test(
        snakemake.wildcards.model,
        read_table(snakemake.input.selection),
        folders_of(snakemake.input.metrics),
        zooms_of(snakemake.input.arrays),
        read_table(snakemake.input.split),
        lines=snakemake.input.lines or None,
        held=Held(
            level=snakemake.params.level,
            out_of_fold=snakemake.input.out_of_fold,
            quantiles=snakemake.input.quantiles,
            stacked=snakemake.input.stacked,
        ),
        predict=partial(predict_rows, threads=snakemake.threads),
    )
    units = dict.fromkeys(("truth", "prediction", "low", "high", "half_width"), LABEL_UNIT)
    write_table(snakemake.output.test, table, units, record=job_record(snakemake))
