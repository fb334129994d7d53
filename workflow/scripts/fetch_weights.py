"""Fetch ImageNet weights of VGG13 from the address the config names, or check the file it names by its hash."""

from hiss.models.imagenet_fetch import fetch_weights
from hiss.script import job

with job(snakemake.log[0]):
    fetch_weights(snakemake.params.address, snakemake.output.weights, snakemake.params.sha256)
