"""Write the late fusion of one model at one zoom: the mean of its selected photo and spectra runs."""

from pathlib import Path

from hiss.models.fusion import fuse_selected
from hiss.script import job

with job(snakemake.log[0]):
    fuse_selected(
        snakemake.input.selection,
        snakemake.input.metrics,
        snakemake.wildcards.model,
        int(snakemake.wildcards.zoom),
        Path(snakemake.output.metrics).parent,
        snakemake.input.code,
    )
