"""Measure the surroundings of every labelled object: densities of catalogue neighbours. No label is read."""

from hiss.files import read_table, write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.sample.environment import ENVIRONMENT_UNITS, galaxies_of, measure_environment
from hiss.script import job

with job(snakemake.log[0]):
    match_arcsec = snakemake.params.match_arcsec
    galaxies = galaxies_of(snakemake.input.catalogue or None, snakemake.input.dense, match_arcsec)
    objects = read_table(snakemake.input.objects)[["row", "ra", "dec", "z"]]
    table = measure_environment(objects, galaxies, match_arcsec)
    limited, edge = int((table["limited"] > 0).sum()), int(table["at_edge"].sum())
    say(f"{len(table):,} objects: {limited:,} with a density that is a limit, {edge:,} at the catalogue's edge")
    write_table(snakemake.output.environment, table, ENVIRONMENT_UNITS, job_record(snakemake))
