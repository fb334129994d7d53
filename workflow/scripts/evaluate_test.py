"""Let the selected runs of a tree, of LightGBM or of a baseline predict the test set, once."""

from functools import partial

from hiss.evaluation.test import Held, folders_of, predict_test, zooms_of
from hiss.files import read_table, write_table
from hiss.models.metrics import LABEL_UNIT
from hiss.models.trained import predict_rows
from hiss.models.trees import tree_type
from hiss.provenance import job_record
from hiss.sample.treatment import Treated
from hiss.script import job

with job(snakemake.log[0]):
    table = predict_test(
        snakemake.wildcards.model,
        read_table(snakemake.input.selection),
        folders_of(snakemake.input.metrics),
        zooms_of(snakemake.input.arrays),
        read_table(snakemake.input.split),
        predict=partial(predict_rows, tree_type(snakemake.wildcards.model), threads=snakemake.threads),
        lines=snakemake.input.lines or None,
        held=Held(
            level=snakemake.params.level,
            out_of_fold=snakemake.input.out_of_fold,
            quantiles=snakemake.input.quantiles,
            stacked=snakemake.input.stacked,
        ),
        treated=Treated.of(snakemake.params.treatment, snakemake.input.fine, snakemake.input.neighbours),
    )
    units = dict.fromkeys(("truth", "prediction", "low", "high", "half_width"), LABEL_UNIT)
    write_table(snakemake.output.test, table, units, record=job_record(snakemake))
