"""Write the report: one HTML file with everything in it."""

from hiss.files import read_table
from hiss.provenance import provenance
from hiss.report.compose import SampleTables, StudyTables, compose
from hiss.report.page import load_figures, write_page
from hiss.script import job

SAMPLE = ("manifest", "rejects", "ledger", "gaps")
STUDY = ("runs", "selection", "metrics", "comparisons", "split")

with job(snakemake.log[0]):
    given = [name for name in (*SAMPLE, *STUDY) if snakemake.input[name]]
    tables = {name: read_table(snakemake.input[name]) for name in given}
    study = StudyTables(**{name: tables[name] for name in STUDY}) if "runs" in given else None
    page = compose(
        snakemake.params.title,
        snakemake.params.config,
        snakemake.params.sky,
        SampleTables(**{name: tables[name] for name in SAMPLE}),
        study,
        load_figures(snakemake.input.figures, snakemake.input.captions),
        provenance({name: snakemake.input[name] for name in given}, snakemake.params.settings, snakemake.input.code),
    )
    write_page(snakemake.output.report, page)
