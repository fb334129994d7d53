"""Find the runs of missing flux in every spectrum at every zoom."""

from hiss.files import read_table, write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.sample.gaps import find_gaps, gap_table
from hiss.script import job

with job(snakemake.log[0]):
    zooms = snakemake.params.zooms
    objects = read_table(snakemake.input.objects)
    gaps, missing = find_gaps(dict(zip(zooms, snakemake.input.arrays)))
    flag0 = objects.loc[objects["flag"] == 0, "row"].to_numpy()
    write_table(
        snakemake.output.gaps, gaps, units={"wl_min": "Angstrom", "wl_max": "Angstrom"}, record=job_record(snakemake)
    )
    write_table(snakemake.output.missing, missing, record=job_record(snakemake))
    write_table(snakemake.output.table, gap_table(gaps, flag0, zooms))
    say(f"{len(gaps)} gaps in {len(objects)} spectra at {len(zooms)} zooms")
