"""Choose the objects, list their files, and say what the study comes to."""

from pathlib import Path

from hiss.files import atomic, write_json, write_table
from hiss.progress import say
from hiss.provenance import job_record
from hiss.script import job
from hiss.sdss.archive import SURVEY_LISTS
from hiss.sdss.plan import make_plan
from hiss.sdss.planning import plan_text

with job(snakemake.log[0]):
    params, output = snakemake.params, snakemake.output
    lists = {
        name: Path(params.root) / path(params.archive["data_release"]) if name in params.lists else None
        for name, path in SURVEY_LISTS.items()
    }
    made = make_plan(snakemake.input.gal_info, snakemake.input.gal_totsfr, params.archive, params.cube, **lists)
    record = job_record(snakemake)
    write_table(output.objects, made.objects, {"ra": "deg", "dec": "deg"}, record)
    write_table(output.files, made.files, {"ra": "deg", "dec": "deg", "expected_bytes": "byte"}, record)
    write_json(output.plan, {**made.summary, "provenance": record})
    with atomic(output.text) as temporary:
        temporary.write_text(plan_text(made.summary))
    say(f"{made.summary['files']['files']:,} files are planned: {output.text}")
