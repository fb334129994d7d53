"""Put together the features of one modality of the frames of scenes."""

from hiss.files import read_table
from hiss.models.frames import prepare_frames
from hiss.provenance import job_record
from hiss.sample.classes import class_names
from hiss.script import job

with job(snakemake.log[0]):
    prepare_frames(
        snakemake.input.arrays,
        read_table(snakemake.input.split),
        class_names(read_table(snakemake.input.objects)),
        snakemake.wildcards.inputs,
        snakemake.output.features,
        job_record(snakemake),
    )
