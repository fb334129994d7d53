"""What the workflow itself costs: a plan, a run with nothing to do, 4,000 runs, 1,000 shards, a cluster's scheduler.

    python benchmarks/workflow.py
    python benchmarks/workflow.py --parts plan noop scheduler

Beside each stands a bare workflow of as many jobs, and one of as many jobs and files (a job's inputs are mostly the
modules it uses): Snakemake's own floor. Nothing is trained: the copy
of the workflow that is run has scripts that only make their outputs, and SLURM's commands are stand-ins that note each
call, make the outputs of the jobs that they are given, and say that these are done. CPU time is of Snakemake and its
children; it says more than the wall clock where the machine is shared.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from shards import COPIED
from shards import jobs as dry_runs_of_shards

REPO = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
PARTS = ["plan", "noop", "growth", "shards", "scheduler", "start"]
QUICKLY = ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "1")

BARE = """
rule all:
    input: expand("out/{{i}}.0", i=range({jobs}))
rule one:
    input: expand("code/{{n}}.py", n=range({inputs}))
    output: expand("out/{{{{i}}}}.{{n}}", n=range({outputs}))
    shell: "touch {{output}}"
"""

# Before each script's own lines, which stay: the modules they import are inputs of its rule.
MAKE_OUTPUTS = """
import sys
from pathlib import Path
given = [value for name, value in zip(sys.argv, sys.argv[1:]) if name in ("--output", "--rejects")]
for path in map(Path, list(snakemake.output) if "snakemake" in globals() else given):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch() if path.suffix else path.mkdir(exist_ok=True)
sys.exit(0)
"""

STAND_IN = """#!{python}
import json, re, sys, time
from pathlib import Path
name, here = Path(sys.argv[0]).name, Path(__file__).parent
with (here / "calls.txt").open("a") as calls:
    calls.write(name + "\\n")
ids = here / "ids.txt"
if name == "sbatch":
    made = json.loads((here / "jobs.json").read_text())
    for job in re.search(r"--target-jobs (.*?) --allowed-rules", sys.argv[-1])[1].split():
        rule, _, wildcards = job.strip("'").partition(":")
        for path in map(Path, made[rule + ":" + ",".join(sorted(wildcards.split(",")))]):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch() if path.suffix else path.mkdir(exist_ok=True)
    number = time.time_ns()
    with ids.open("a") as done:  # several are submitted at once
        done.write(f"{{number}}|COMPLETED\\n")
    print(number)
elif name == "squeue" and ids.exists():
    print(ids.read_text(), end="")
elif name == "scontrol":
    print("MinJobAge = 300 sec")
"""


def timed(*command: object, cwd: Path, **more: str) -> tuple[float, float, str]:
    """Run a command; return wall-clock and CPU seconds and what it printed."""
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False, env=os.environ | more
    )
    wall, after = time.perf_counter() - start, os.times()
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu, done.stdout + done.stderr


def best(*command: object, cwd: Path, repeats: int = 3) -> tuple[float, float]:
    """Return the least wall-clock and CPU seconds of a command [s]."""
    walls, cpus, _ = zip(*(timed(*command, cwd=cwd) for _ in range(repeats)), strict=True)
    return min(walls), min(cpus)


def row(what: str, cost: tuple[float, float], floor: tuple[float, float] | None = None) -> None:
    """Print a row of the table: a cost, and its ratio to Snakemake's own [CPU]."""
    ratio = "" if floor is None else f"{cost[1] / floor[1]:.2f}"
    print(f"| {what} | {cost[0]:.2f} | {cost[1]:.2f} | {ratio} |", flush=True)


def snakemake(*arguments: object) -> list[object]:
    """Return the command line of a quiet local run."""
    return [BIN / "snakemake", *arguments, "--cores", "2", "--quiet"]


def bare(folder: Path, jobs: int, inputs: int = 0, outputs: int = 1) -> tuple[float, float]:
    """Return what a dry run of a workflow of so many jobs costs, each with so many files and nothing else."""
    place = folder / f"bare-{jobs}-{inputs}-{outputs}"
    (place / "code").mkdir(parents=True)
    for number in range(inputs):
        (place / "code" / f"{number}.py").touch()
    (place / "Snakefile").write_text(BARE.format(jobs=jobs, inputs=inputs, outputs=outputs))
    return best(*snakemake("--dry-run"), cwd=place)


def floors(folder: Path, printed: str) -> tuple[int, tuple[float, float]]:
    """Print what bare workflows of a dry run's jobs, and of its jobs and files, cost; return jobs and the second."""
    jobs = int(re.findall(r"^total +(\d+)", printed, re.MULTILINE)[-1])
    row(f"dry run of a bare workflow of {jobs} jobs", bare(folder, jobs))
    files = {key: re.findall(rf"^    {key}: (.*)$", printed, re.MULTILINE) for key in ("input", "output")}
    mean = {key: round(sum(line.count(", ") + 1 for line in lines) / jobs) for key, lines in files.items()}
    floor = bare(folder, jobs, mean["input"], mean["output"])
    row(f"... each with {mean['input']} inputs and {mean['output']} outputs, as those of the study on average", floor)
    return jobs, floor


def study(learning_rates: int | None = None) -> dict[str, Any]:
    """Return the config of the full study on the demo's simulated sky, with as many learning rates as asked for."""
    demo, full = (yaml.safe_load((REPO / "config" / f"{name}.yaml").read_text()) for name in ("demo", "config"))
    experiments = full["experiments"]
    if learning_rates:
        rates = [round(0.001 * (number + 1), 4) for number in range(learning_rates)]
        experiments["lightgbm"] = experiments["lightgbm"] | {"learning_rate": rates}
    return {"results": "results/bench", "sky": demo["sky"], "experiments": experiments}


def workspace(folder: Path, config: dict[str, Any]) -> Path:
    """Return a copy of the workflow whose scripts only make their outputs."""
    place = folder / "copy"
    for part in COPIED:
        copy: Any = shutil.copytree if (REPO / part).is_dir() else shutil.copy2
        place.mkdir(exist_ok=True)
        copy(REPO / part, place / part)
    for script in (place / "workflow" / "scripts").glob("*.py"):
        script.write_text(MAKE_OUTPUTS + script.read_text())
    (place / "config" / "bench.yaml").write_text(yaml.safe_dump(config))
    return place


def dry_run(place: Path) -> str:
    """Return what a dry run of a copy prints."""
    line = (BIN / "snakemake", "--dry-run", "--cores", "1", "--configfile", "config/bench.yaml")
    return timed(*line, cwd=place, NO_COLOR="1")[2]


def planned(place: Path) -> dict[str, list[str]]:
    """Return the files each job of a dry run makes, by its rule and wildcards as the SLURM plugin names them."""
    found = {}
    for block in re.split(r"\n(?=(?:local)?(?:rule|checkpoint) \w+:\n)", dry_run(place))[1:]:
        rule = block.partition(":")[0].split()[-1]
        said = {key: values.split(", ") for key, values in re.findall(r"^    (\w+): (.*)$", block, re.MULTILINE)}
        job = f"{rule}:{','.join(sorted(said.get('wildcards', [''])))}"
        found[job] = [*said.get("output", []), *said.get("benchmark", [])]
    return found


def plan(folder: Path) -> None:
    """Time a dry run of the full study, and say which part of it is spent in our code."""
    config = ("--configfile", "config/config.yaml")
    _, _, text = timed(BIN / "snakemake", "--dry-run", "--cores", "1", *config, cwd=REPO, NO_COLOR="1")
    jobs, floor = floors(folder, text)
    row(f"dry run of the full study, {jobs} jobs", best(*snakemake("--dry-run", *config), cwd=REPO), floor)
    row("... of which ours, whole: config, runs, imports of every script", ours())


def ours() -> tuple[float, float]:
    """Return what our part of planning costs, in a process of its own less the start of Python."""
    code = (
        "import sys; sys.path.insert(0, 'workflow/scripts')\n"
        "import yaml; from pathlib import Path\n"
        "from hiss.config.settings import parse_settings; from hiss.imports import modules_of\n"
        "from hiss.runs import plan_runs, plan_variants\n"
        "settings = parse_settings(yaml.safe_load(open('config/config.yaml')), 'config')\n"
        "runs = plan_runs(settings.experiments), plan_variants(settings.experiments)\n"
        "files = [modules_of(path) for path in Path('workflow/scripts').glob('*.py')]\n"
    )
    whole = best(sys.executable, "-c", code, cwd=REPO)
    start = best(sys.executable, "-c", "import yaml", cwd=REPO)
    return whole[0] - start[0], whole[1] - start[1]


def growth(folder: Path) -> None:
    """Time a dry run of a study of 4,000 runs."""
    place = workspace(folder, study(learning_rates=40))
    jobs, floor = floors(folder, dry_run(place))
    cost = best(*snakemake("--dry-run", "--configfile", "config/bench.yaml"), cwd=place, repeats=1)
    row(f"dry run of a study of 4,000 runs, {jobs} jobs", cost, floor)


def shards(folder: Path) -> None:
    """Time dry runs of a cube in 1,000 shards, which print their own rows (time and memory), beside the bare ones."""
    row("dry run of a bare workflow of 3,000 jobs", bare(folder, 3000))
    dry_runs_of_shards(folder, 1000)


def on_a_cluster(place: Path) -> Counter[str]:
    """Run the study through profiles/slurm against the stand-ins; return the calls of each command."""
    tools = place / "slurm"
    tools.mkdir()
    (tools / "jobs.json").write_text(json.dumps(planned(place)))
    for name in ("sbatch", "squeue", "sacct", "scontrol", "sinfo", "scancel", "sacctmgr", "srun"):
        (tools / name).write_text(STAND_IN.format(python=sys.executable))
        (tools / name).chmod(0o755)
    site = place / "profiles" / "slurm" / "site.yaml"
    site.write_text(site.read_text().replace("accounts: true", "accounts: false"))
    path = f"{tools}:{os.environ['PATH']}"
    line = [BIN / "snakemake", "--profile", "profiles/slurm", "--configfile", "config/bench.yaml", *QUICKLY]
    wall, cpu, _ = timed(*line, cwd=place, PATH=path)
    row("the study submitted and watched to its end, by Snakemake", (wall, cpu))
    return Counter((tools / "calls.txt").read_text().split())


def scheduler(folder: Path) -> None:
    """Count what the full study costs a cluster's scheduler, then time a run that has nothing to do."""
    place = workspace(folder, study())
    jobs = len(planned(place))
    calls = on_a_cluster(place)
    for name, count in calls.most_common():
        print(f"| calls of {name}, {jobs} jobs | {count} | | |", flush=True)
    no_op(place)


def noop(folder: Path) -> None:
    """Time a run that has nothing to do, after one on this machine."""
    place = workspace(folder, study())
    timed(*snakemake("--configfile", "config/bench.yaml"), cwd=place)
    no_op(place)


def no_op(place: Path) -> None:
    """Print what a run of a finished study costs."""
    line = [BIN / "snakemake", "--cores", "1", "--configfile", "config/bench.yaml"]
    costs = [timed(*line, cwd=place) for _ in range(3)]
    assert "Nothing to be done" in costs[-1][2], costs[-1][2][-2000:]
    row("a run with nothing to do", (min(cost[0] for cost in costs), min(cost[1] for cost in costs)))


def start(_: Path) -> None:
    """Time our part of a job's start: the imports of each training script over those of its model's library."""
    base = "import numpy, pandas, h5py, pyarrow.parquet"
    for script, model, library in (
        ("tree", "tree", "sklearn.tree"),
        ("lightgbm", "lgbm", "lightgbm"),
        ("cnn", "vgg", "torch"),
    ):
        lines = (REPO / "workflow" / "scripts" / f"train_{script}.py").read_text().splitlines()
        imports = "\n".join(line for line in lines if line.startswith(("import ", "from ")))
        floor = best(sys.executable, "-c", f"{base}, {library}", cwd=REPO)
        code = f"import sys; sys.path.insert(0, 'workflow/scripts')\n{base}, {library}, hiss.models.{model}\n{imports}"
        cost = best(sys.executable, "-c", code, cwd=REPO)
        row(f"our imports of train_{script}.py, over {library} and pandas", (cost[0] - floor[0], cost[1] - floor[1]))
    one = ("results/study/sky/fetched/catalogue.parquet", "--dry-run", "--configfile", "config/config.yaml")
    row("what Snakemake does before a job on a node: the workflow read", best(*snakemake(*one), cwd=REPO))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    args = parser.parse_args(argv)
    print("| what | wall [s] | CPU [s] | CPU / bare |\n|---|---|---|---|", flush=True)
    does = {"plan": plan, "noop": noop, "growth": growth, "shards": shards, "scheduler": scheduler, "start": start}
    for part in args.parts:
        with tempfile.TemporaryDirectory() as name:
            does[part](Path(name))


if __name__ == "__main__":
    main()
