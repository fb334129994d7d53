"""Join what was found at all zooms: the scores, what is left of the structure, the oddest objects, the sentences."""

from hiss.files import read_json, read_table, write_json, write_table
from hiss.provenance import job_record
from hiss.script import job
from hiss.structure.collect import outliers_table, scores_table, survival_table
from hiss.structure.explore import Options
from hiss.structure.words import MEANING, sentences

with job(snakemake.log[0]):
    options = Options(**snakemake.params.options)
    objects, counts = read_table(snakemake.input.objects), read_json(snakemake.input.counts)
    numbers = [read_json(path) for path in snakemake.input.numbers]
    keys = [(each["modality"], each["zoom"]) for each in numbers]
    places = dict(zip(keys, map(read_table, snakemake.input.places), strict=True))
    survival = survival_table(places, objects, options)
    said = {"sentences": sentences(numbers, survival, objects, counts, options), "meaning": list(MEANING)}
    write_table(snakemake.output.scores, scores_table(numbers))
    write_table(snakemake.output.survival, survival)
    write_table(snakemake.output.outliers, outliers_table(places, objects, options.outliers))
    write_json(snakemake.output.answers, {**said, "provenance": job_record(snakemake)})
