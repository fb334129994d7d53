"""Write the out-of-fold predictions of the selected VGGNet12 of one modality and zoom."""

from pathlib import Path

from hiss.evaluation.refit import cross_validate_selected
from hiss.files import read_table, write_table
from hiss.models.checkpoint import Checkpoint
from hiss.models.metrics import LABEL_UNIT
from hiss.models.vgg import VGGNet12
from hiss.provenance import digest, job_record
from hiss.script import job

with job(snakemake.log[0]):
    out, record = Path(snakemake.output.out_of_fold), job_record(snakemake)
    checkpoint = Checkpoint(out.with_suffix(".checkpoint"), digest(record))
    table = cross_validate_selected(
        VGGNet12,
        read_table(snakemake.input.selection),
        snakemake.input.metrics,
        snakemake.input.features,
        snakemake.threads,
        weights=snakemake.input.weights or None,
        checkpoint=checkpoint,
    )
    write_table(out, table, {"truth": LABEL_UNIT, "prediction": LABEL_UNIT}, record)
    checkpoint.clear()
