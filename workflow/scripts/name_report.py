"""Name the report of a config: the last line of `make run`."""

import os
import sys
from pathlib import Path

import yaml

config = Path(sys.argv[1])
report = Path(yaml.safe_load(config.read_text()).get("results", "results/study")) / "report" / "report.html"
if report.exists():
    print(f"The report is {report}; open it with: xdg-open {os.path.relpath(report)}")
