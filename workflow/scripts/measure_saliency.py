"""Measure where the selected VGGNet12 of a modality and zoom looks."""

from hiss.evaluation.saliency import saliency_of_selected
from hiss.files import read_table, write_table
from hiss.script import job

with job(snakemake.log[0]):
    regions, maps = saliency_of_selected(
        read_table(snakemake.input.selection),
        snakemake.input.metrics,
        snakemake.input.features,
        read_table(snakemake.input.wavelengths).query(f"zoom == {snakemake.wildcards.zoom}")["wavelength"].to_numpy(),
        read_table(snakemake.input.objects),
        most=snakemake.params.saliency_objects,
        steps=snakemake.params.gradients,
        seed=snakemake.params.seed,
        threads=snakemake.threads,
    )
    write_table(snakemake.output.maps, maps)
    write_table(snakemake.output.regions, regions)
