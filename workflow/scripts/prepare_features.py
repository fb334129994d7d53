"""Put together the features of one modality, zoom and sample."""

from hiss.files import read_table
from hiss.models.features import Sources, prepare_features
from hiss.provenance import job_record
from hiss.sample.treatment import Treated
from hiss.script import job

with job(snakemake.log[0]):
    prepare_features(
        Sources(
            arrays=snakemake.input.arrays,
            spectra_arrays=snakemake.input.spectra or None,
            objects=snakemake.input.objects,
            lines=snakemake.input.lines or None,
            environment=snakemake.input.environment or None,
            treated=Treated.of(snakemake.params.treatment, snakemake.input.fine, snakemake.input.neighbours),
        ),
        read_table(snakemake.input.split),
        snakemake.wildcards.inputs,
        snakemake.output.features,
        job_record(snakemake),
    )
