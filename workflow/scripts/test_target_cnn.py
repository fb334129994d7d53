"""Let the selected networks of a further target predict its test objects, once."""

from hiss.evaluation.test import zooms_of
from hiss.files import read_table, write_table
from hiss.models.vgg import VGGNet12
from hiss.provenance import job_record
from hiss.sample.treatment import Treated
from hiss.script import job
from hiss.side.judge import from_cube, predict_selected

with job(snakemake.log[0]):
    treated = Treated.of(snakemake.params.treatment, snakemake.input.fine, None)
    predictions, costs = predict_selected(
        VGGNet12,
        snakemake.input.metrics,
        from_cube(zooms_of(snakemake.input.arrays), treated),
        read_table(snakemake.input.split),
        snakemake.threads,
    )
    write_table(snakemake.output.costs, costs)
    write_table(snakemake.output.test, predictions, record=job_record(snakemake))
