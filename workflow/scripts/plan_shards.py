"""Cut the sky into shards and write what each is built from; a shard that did not change is left as it is."""

from pathlib import Path

from hiss.cube.shard_files import write_shards
from hiss.cube.shards import field_centers, plan_shards
from hiss.files import read_table, write_table
from hiss.progress import say
from hiss.script import job
from hiss.sdss.catalogue import read_sfr_catalogue

with job(snakemake.log[0]):
    params = snakemake.params
    manifest = read_table(snakemake.input.manifest)
    fields = field_centers(manifest, Path(params.root), snakemake.threads)
    shards = plan_shards(manifest, fields, params.order, params.match_radius_arcsec)
    catalogue = read_sfr_catalogue(snakemake.input.gal_info, snakemake.input.gal_totsfr)
    changed = write_shards(Path(snakemake.output.shards).parent, shards, catalogue)
    write_table(snakemake.output.shards, shards.table)
    say(f"{len(shards.table)} shards, {len(changed)} of them new or changed")
