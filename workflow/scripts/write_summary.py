"""Write what was found as one JSON file of a known form, the form beside it."""

from dataclasses import fields

from hiss.deposit.summary import summary
from hiss.files import read_json, read_table, write_json
from hiss.models.halpha import aperture_words
from hiss.provenance import provenance
from hiss.report.beside import Beside
from hiss.report.given import SampleTables, StudyTables
from hiss.script import job

SAMPLE = [field.name for field in fields(SampleTables)]
STUDY = [field.name for field in fields(StudyTables)]  # as far as they are inputs

with job(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    tables = {name: read_table(given[name]) for name in (*SAMPLE, *STUDY) if given.get(name)}
    fibre = "".join(aperture_words(read_json(path)["learned"]) for path in given.halpha)
    of_study = {name: tables[name] for name in STUDY if name in tables}
    study = StudyTables(**of_study, fibre=fibre) if "runs" in tables else None
    sample = SampleTables(**{name: tables[name] for name in SAMPLE})
    record = provenance({name: given[name] for name in tables}, {}, given.code)
    beside = Beside.load(**{name: given[name] for name in ("structure", "targets", "cases", "scenes")})
    told = params.title, params.config, params.sky, params.settings, params.sample
    found = summary(*told, sample, study, record, beside)
    write_json(snakemake.output.summary, found)
    write_json(snakemake.output.schema, read_json(given.schema))
