"""Draw the coverage of prediction intervals at all levels."""

from pathlib import Path

from hiss.files import read_table
from hiss.plots.draw_diagnostics import draw_calibration
from hiss.script import job

with job(snakemake.log[0]):
    draw_calibration(Path(snakemake.output[0]).parent, read_table(snakemake.input.calibration))
