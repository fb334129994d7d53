"""Write the out-of-fold predictions of the selected setting of a tree or of LightGBM, one modality and zoom."""

from hiss.evaluation.refit import cross_validate_selected
from hiss.files import read_table, write_table
from hiss.models.metrics import LABEL_UNIT
from hiss.models.trees import tree_type
from hiss.provenance import job_record
from hiss.script import job

with job(snakemake.log[0]):
    table = cross_validate_selected(
        tree_type(snakemake.wildcards.model),
        read_table(snakemake.input.selection),
        snakemake.input.metrics,
        snakemake.input.features,
        snakemake.threads,
        made=snakemake.input.out_of_fold,
        bins=snakemake.input.bins,
    )
    units = {"truth": LABEL_UNIT, "prediction": LABEL_UNIT}
    write_table(snakemake.output.out_of_fold, table, units, job_record(snakemake))
