"""Let the selected networks of a target of the scenes predict its test frames, once."""

from functools import partial

from hiss.files import read_table, write_table
from hiss.models.frames import load_frame_part
from hiss.models.vgg import VGGNet12
from hiss.provenance import job_record
from hiss.script import job
from hiss.side.judge import predict_selected

with job(snakemake.log[0]):
    predictions, costs = predict_selected(
        VGGNet12,
        snakemake.input.metrics,
        partial(load_frame_part, snakemake.input.arrays),
        read_table(snakemake.input.split),
        snakemake.threads,
    )
    write_table(snakemake.output.costs, costs)
    write_table(snakemake.output.test, predictions, record=job_record(snakemake))
