"""Write catalogue rows kept as CSV in the form of MPA-JHU's two FITS tables."""

from hiss.script import job
from hiss.sdss.catalogue import catalogue_from_csv, write_sfr_catalogue

with job(snakemake.log[0]):
    write_sfr_catalogue(catalogue_from_csv(snakemake.input.csv), snakemake.output.gal_info, snakemake.output.gal_totsfr)
