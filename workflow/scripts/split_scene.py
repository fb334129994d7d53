"""Split the frames of the set of scenes for one label: by video, or at random."""

from hiss.files import write_table
from hiss.provenance import job_record
from hiss.scenes.split import Shares, of_target, split_frames, target_parts
from hiss.scenes.store import read_frame_table
from hiss.script import job

with job(snakemake.log[0]):
    label, split = target_parts(snakemake.wildcards.target)
    sides = split_frames(read_frame_table(snakemake.input.arrays), split, Shares(**snakemake.params.shares))
    table, objects, counts = of_target(sides, label)
    record = job_record(snakemake)
    write_table(snakemake.output.split, table, record=record)
    write_table(snakemake.output.objects, objects, record=record)
    write_table(snakemake.output.counts, counts)
