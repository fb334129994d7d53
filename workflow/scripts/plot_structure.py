"""Draw the structure found without labels, and the objects unlike the others."""

from pathlib import Path

from hiss.files import read_json, read_table
from hiss.plots.draw_structure import draw_structure
from hiss.script import job

with job(snakemake.log[0]):
    keys = [(each["modality"], each["zoom"]) for each in map(read_json, snakemake.input.numbers)]
    draw_structure(
        Path(snakemake.output[0]).parent,
        snakemake.input.dense,
        dict(zip(keys, map(read_table, snakemake.input.places), strict=True)),
        {name: read_table(snakemake.input[name]) for name in ("objects", "scores", "survival", "outliers")},
        snakemake.params.pictures,
    )
