"""Make LightGBM's bins of prepared features, once for all runs and folds."""

from hiss.models.bins import bin_features
from hiss.script import job

with job(snakemake.log[0]):
    bin_features(
        snakemake.input.features,
        snakemake.params.max_bin,
        snakemake.output.train,
        snakemake.output.validation,
        snakemake.threads,
    )
