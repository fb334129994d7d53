"""Fit the selected VGGNet12 of each modality at one zoom again, alone, and write what it costs."""

from hiss.evaluation.gpu import on_gpu
from hiss.evaluation.timing import time_selected
from hiss.files import read_table, write_table
from hiss.models.vgg import VGGNet12
from hiss.script import job

with job(snakemake.log[0]):
    times = time_selected(
        VGGNet12,
        read_table(snakemake.input.selection),
        snakemake.input.metrics,
        snakemake.input.features,
        snakemake.threads,
        weights=snakemake.input.weights or None,
        find_device=on_gpu,
    )
    write_table(snakemake.output.times, times)
