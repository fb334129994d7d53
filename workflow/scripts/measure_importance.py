"""Measure what lines, bands and pixels mean to LightGBM's selected run of a modality and zoom."""

from hiss.evaluation.importance import importance_of_selected
from hiss.files import read_table, write_table
from hiss.script import job

with job(snakemake.log[0]):
    regions, maps = importance_of_selected(
        read_table(snakemake.input.selection),
        snakemake.input.metrics,
        snakemake.input.features,
        read_table(snakemake.input.wavelengths).query(f"zoom == {snakemake.wildcards.zoom}")["wavelength"].to_numpy(),
        read_table(snakemake.input.objects),
        read_table(snakemake.input.split),
        repeats=snakemake.params.permutations,
        n_resamples=snakemake.params.n_resamples,
        seed=snakemake.params.seed,
        threads=snakemake.threads,
    )
    write_table(snakemake.output.maps, maps)
    write_table(snakemake.output.regions, regions)
