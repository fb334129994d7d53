"""Check MPA-JHU's tables and lay them out as the cube reads them."""

from hiss.progress import say
from hiss.script import job
from hiss.sdss.catalogue_tables import prepare_catalogue

with job(snakemake.log[0]):
    rows = prepare_catalogue(
        **dict(snakemake.params.items()),
        gal_info=snakemake.output.gal_info,
        gal_totsfr=snakemake.output.gal_totsfr,
    )
    say(f"{rows:,} rows of the catalogue")
