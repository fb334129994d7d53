"""Read the frames of the set of scenes, and account for every row of its table."""

from hiss.files import write_table
from hiss.provenance import job_record
from hiss.scenes.places import place_of
from hiss.scenes.reading import ledger, read_scenes
from hiss.scenes.store import write_frames
from hiss.script import job

with job(snakemake.log[0]):
    place = place_of(snakemake.input.set, snakemake.params.folder)
    frames, rejects = read_scenes(place, snakemake.params.side, snakemake.params.video_pattern, snakemake.threads)
    write_table(snakemake.output.rejects, rejects)
    write_table(snakemake.output.ledger, ledger(len(rejects) + len(frames.table), rejects, len(frames.table)))
    write_frames(snakemake.output.arrays, frames, job_record(snakemake))
