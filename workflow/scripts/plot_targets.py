"""Draw the figures of all further targets."""

from pathlib import Path

import pandas as pd

from hiss.files import read_table
from hiss.plots.side import draw_target
from hiss.script import job

with job(snakemake.log[0]):
    for target, label in snakemake.params.targets.items():
        tables = {Path(path).stem: path for path in snakemake.input.tables if Path(path).parent.name == target}
        tests = [read_table(path) for path in snakemake.input.tests if Path(path).parents[1].name == target]
        draw_target(
            Path(snakemake.output[0]).parent,
            target,
            label,
            {name: read_table(path) for name, path in tables.items()},
            pd.concat(tests, ignore_index=True),
        )
