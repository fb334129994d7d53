"""Write the report: one HTML file with everything in it."""

import pandas as pd

from hiss.files import read_json, read_table
from hiss.models.halpha import aperture_words
from hiss.provenance import provenance
from hiss.report.beside import Beside
from hiss.report.cards import load_gallery
from hiss.report.compose import compose
from hiss.report.given import SampleTables, StudyTables
from hiss.report.page import load_figures, write_page
from hiss.script import job

SAMPLE = ("manifest", "rejects", "ledger", "gaps")
STUDY = (
    "runs",
    "selection",
    "metrics",
    "comparisons",
    "split",
    "intervals",
    "variants",
    "cascade",
    "labels",
    "importance",
    "trends",
    "calibration",
    "learning",
    "objects",
)

with job(snakemake.log[0]):
    given = [name for name in (*SAMPLE, *STUDY) if snakemake.input[name]]
    tables = {name: read_table(snakemake.input[name]) for name in given}
    fibre = "".join(aperture_words(read_json(path)["learned"]) for path in snakemake.input.halpha)
    of_study = {name: tables[name] for name in STUDY if name in given}
    if snakemake.input.tests:
        of_study["tests"] = pd.concat([read_table(path) for path in snakemake.input.tests], ignore_index=True)
    study = StudyTables(**of_study, fibre=fibre) if "runs" in given else None
    beside = Beside.load(**{name: snakemake.input[name] for name in ("structure", "targets", "cases", "scenes")})
    page = compose(
        snakemake.params.title,
        snakemake.params.config,
        snakemake.params.sky,
        SampleTables(**{name: tables[name] for name in SAMPLE}),
        study,
        load_figures(snakemake.input.figures, snakemake.input.captions),
        provenance({name: snakemake.input[name] for name in given}, snakemake.params.settings, snakemake.input.code),
        load_gallery(snakemake.input.gallery),
        beside,
    )
    write_page(snakemake.output.report, page)
