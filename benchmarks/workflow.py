"""What Snakemake itself costs here: planning the full grid against a bare workflow of as many jobs, and a job's start.

Run: .venv/bin/python benchmarks/workflow.py
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
BARE = """
rule all:
    input: expand("out/{i}.txt", i=range(600))
rule one:
    output: "out/{i}.txt"
    shell: "touch {output}"
"""


def seconds(*command: str, cwd: Path, repeats: int = 3) -> float:
    """Return the best wall-clock time of a command [s]."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, cwd=cwd, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print each time and its ratio to the bare workflow's."""
    dry_run = (str(BIN / "snakemake"), "--dry-run", "--quiet", "--cores", "1")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Snakefile").write_text(BARE)
        bare = seconds(*dry_run, cwd=Path(folder))
    full = seconds(*dry_run, "--configfile", "config/config.yaml", cwd=REPO)
    python = seconds(sys.executable, "-c", "import numpy, pandas, h5py, pyarrow", cwd=REPO)
    code = "import sys; sys.path.insert(0, 'workflow/scripts'); import hiss.models.train"
    ours = seconds(sys.executable, "-c", code, cwd=REPO)
    print(f"{'plan of a bare workflow of 600 jobs':52s} {bare:6.2f} s")
    print(f"{'plan of the full study':52s} {full:6.2f} s   {full / bare:5.2f} x")
    print(f"{'import of numpy, pandas, h5py, pyarrow':52s} {python:6.2f} s")
    print(f"{'start of a training job':52s} {ours:6.2f} s   {ours / python:5.2f} x")


if __name__ == "__main__":
    main()
