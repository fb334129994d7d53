"""Put together the features of one modality, zoom and sample."""

from hiss.files import read_table
from hiss.models.features import Sources, prepare_features
from hiss.provenance import job_record
from hiss.script import job

with job(snakemake.log[0]):
    prepare_features(
        Sources(
            arrays=snakemake.input.arrays,
            spectra_arrays=snakemake.input.spectra or None,
            objects=snakemake.input.objects,
            lines=snakemake.input.lines or None,
        ),
        read_table(snakemake.input.split),
        snakemake.wildcards.inputs,
        snakemake.output.features,
        job_record(snakemake),
    )
