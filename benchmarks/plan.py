"""What a region of the sky costs before a byte is fetched: its plan and its jobs, on a survey never observed.

    python benchmarks/plan.py                       a plan of 100,000 objects; the jobs of 10,000 frames
    python benchmarks/plan.py --frames 1000000      the whole survey: plan, manifest, shards and jobs

Each step runs as a process of its own, so that its peak of memory is its own. The survey has as many fields
(936,000) as SDSS's list, and a catalogue of as many rows (927,552).
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO / "workflow" / "scripts"), str(REPO / "tests")]
BIN = Path(sys.executable).parent
RUNS, FIELDS_A_RUN, ROWS = 300, 520, 927_552
TABLES = {
    "gal_info": "sky/catalogue/gal_info_dr7_v5_2.fit",
    "gal_totsfr": "sky/catalogue/gal_totsfr_dr7_v5_2.fits",
    "field_list": "window_flist.fits",
    "plate_list": "plates-dr17.fits",
}
PLANNED = [f"sky/plan/{name}" for name in ("objects.parquet", "files.parquet", "plan.json", "plan.txt")]
FETCHED = ["sky/manifest.parquet", "sky/set_aside.parquet", "cube/shards/shards.csv"]


def make_survey(folder: Path) -> None:
    """Write the survey's lists and the catalogue."""
    import pandas as pd
    from synthetic_survey import survey_fields, survey_objects, write_survey

    from hiss.files import write_table

    fields = survey_fields(RUNS, FIELDS_A_RUN)
    made = write_survey(folder, fields, survey_objects(fields, ROWS))
    (folder / "sky/catalogue").mkdir(parents=True)
    write_table(folder / "sky/fetched/catalogue.parquet", pd.DataFrame({"name": []}))
    for name, path in TABLES.items():
        made[name].rename(folder / path)
        (folder / path).touch()


def make_plan(folder: Path, objects: int, shard_order: int | None) -> dict[str, Any]:
    """Plan so many objects and write what the workflow's plan is; say how many frames that is."""
    from hiss.config.archive import ArchiveSky
    from hiss.files import write_json, write_table
    from hiss.sdss import plan
    from hiss.sdss.planning import plan_text

    wanted = ArchiveSky.model_validate({"region": "dr7", "max_objects": objects}).model_dump()
    paths = {name: folder / path for name, path in TABLES.items()}
    made = plan.make_plan(**paths, archive=wanted, cube={"mode": "targets", "shard_order": shard_order})
    write_table(folder / "sky/plan/objects.parquet", made.objects)
    write_table(folder / "sky/plan/files.parquet", made.files)
    write_json(folder / "sky/plan/plan.json", made.summary)
    (folder / "sky/plan/plan.txt").write_text(plan_text(made.summary))
    return {"frames": made.summary["files"]["frames"]["files"], "files": len(made.files)}


def make_manifest(folder: Path) -> dict[str, Any]:
    """Write the manifest of a plan of which every file came."""
    import pandas as pd

    from hiss.files import read_table, write_table
    from hiss.sdss.fetched import join_fetched

    files = read_table(folder / "sky/plan/files.parquet")
    done = files[["path", "url", "ra", "dec"]].assign(size=3_230_000, sha256="0" * 64, status="fetched", reason="")
    tables = pd.DataFrame(columns=["name", "path", "url", "size", "sha256", "status", "reason"])
    batches = [done.iloc[start : start + 500] for start in range(0, len(done), 500)]
    manifest, set_aside = join_fetched(files, batches, tables, folder)
    write_table(folder / "sky/manifest.parquet", manifest)
    write_table(folder / "sky/set_aside.parquet", set_aside)
    return {"files": len(manifest)}


def make_shards(folder: Path, order: int) -> dict[str, Any]:
    """Cut the manifest into shards and write their tables."""
    from hiss.cube.shard_files import write_shards
    from hiss.cube.shards import field_centers, plan_shards
    from hiss.files import read_table, write_table
    from hiss.sdss.catalogue import read_sfr_catalogue

    manifest = read_table(folder / "sky/manifest.parquet")
    shards = plan_shards(manifest, field_centers(manifest, folder), order, 1.5)
    catalogue = read_sfr_catalogue(folder / TABLES["gal_info"], folder / TABLES["gal_totsfr"])
    write_shards(folder / "cube/shards", shards, catalogue)
    write_table(folder / "cube/shards/shards.csv", shards.table)
    return {"shards": len(shards.table), "largest": int(shards.table["frames"].max())}


STEPS = {"survey": make_survey, "plan": make_plan, "manifest": make_manifest, "shards": make_shards}


def measured(step: str, **arguments: Any) -> dict[str, Any]:
    """Run a step in a process of its own; its wall-clock and CPU time [s], its peak memory [MB], and what it says."""
    command = [sys.executable, __file__, "--step", json.dumps({"name": step, **arguments})]
    start = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {"s": time.perf_counter() - start, **json.loads(done.stdout.splitlines()[-1])}


def run_step(name: str, folder: str, **arguments: Any) -> None:
    """Run a step here and print what it cost as JSON."""
    said = STEPS[name](Path(folder), **arguments) or {}
    used = resource.getrusage(resource.RUSAGE_SELF)
    cost = {"cpu_s": used.ru_utime + used.ru_stime, "mb": used.ru_maxrss / 1000}
    print(json.dumps({**said, **cost}))


def jobs(work: Path, order: int | None, fetched: bool) -> dict[str, Any]:
    """Let Snakemake plan the jobs up to the cube; seconds, and how many jobs."""
    config = work / "config.json"
    sky = {"source": "archive", "archive": {"region": "dr7", "catalogue_rows": 0, "accept_gb": 1e6}}
    cube = {"mode": "targets", "shard_order": order}
    config.write_text(json.dumps({"results": "results", "sky": sky, "cube": cube, "experiments": None}))
    made = ["sky/fetched/catalogue.parquet", TABLES["gal_info"], TABLES["gal_totsfr"], *PLANNED]
    for path in made + (FETCHED if fetched else []):
        (work / "results" / path).touch()  # in the order in which they were made, and after the code
    files = ["results/sky/manifest.parquet"] if not fetched else ["cube"]
    command = [str(BIN / "snakemake"), "--snakefile", str(REPO / "Snakefile"), "--configfile", str(config)]
    command += ["--directory", str(work), "--dry-run", "--quiet", "rules", "--cores", "2", *files]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"})
    spent = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    text = done.stdout + done.stderr
    total = next((line.split()[1] for line in text.splitlines() if line.startswith("total ")), "0")
    return {"s": spent, "jobs": int(total)}


def line(what: str, cost: dict[str, Any]) -> None:
    """Print one measured step."""
    memory = f"{cost['mb']:6.0f} MB" if "mb" in cost else " " * 9
    cpu = f"{cost['cpu_s']:7.1f} s of CPU" if "cpu_s" in cost else ""
    print(f"{what:64s}{cost['s']:7.1f} s {memory} {cpu}", flush=True)


def write_accepted(folder: Path) -> None:
    """Write what says that the plan was accepted, before the batches that followed from it."""
    (folder / "sky/plan/accepted.json").write_text("{}")
    os.utime(folder / "sky/plan/accepted.json", (0, 0))


def main() -> None:
    """Print what each step costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, help="about so many frames, as far as shards and jobs")
    parser.add_argument("--order", type=int, default=5, help="HEALPix order of the shards")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        step = json.loads(given.step)
        run_step(step.pop("name"), **step)
        return
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        folder = work / "results"
        folder.mkdir()
        line("the survey itself is written", measured("survey", folder=str(folder)))
        if given.frames:
            whole(work, folder, given.frames, given.order)
        else:
            small(work, folder)


def small(work: Path, folder: Path) -> None:
    """Measure a plan of 100,000 objects, and the jobs of 10,000 frames."""
    plan = measured("plan", folder=str(folder), objects=100_000, shard_order=None)
    line(f"plan of 100,000 objects ({plan['files']:,} files)", plan)
    plan = measured("plan", folder=str(folder), objects=2_700, shard_order=None)
    found = jobs(work, None, fetched=False)
    line(f"jobs of {plan['frames']:,} frames, up to the manifest ({found['jobs']} jobs)", found)


def whole(work: Path, folder: Path, frames: int, order: int) -> None:
    """Measure the way of so many frames from the catalogue to the jobs of their shards."""
    objects = min(ROWS, int(frames / 3.7))
    plan = measured("plan", folder=str(folder), objects=objects, shard_order=order)
    line(f"plan of {objects:,} objects ({plan['frames']:,} frames)", plan)
    found = jobs(work, order, fetched=False)
    line(f"jobs of their fetch ({found['jobs']:,} jobs)", found)
    line("manifest of what came", measured("manifest", folder=str(folder)))
    shards = measured("shards", folder=str(folder), order=order)
    line(f"shards of order {order} ({shards['shards']:,}, the largest of {shards['largest']:,} frames)", shards)
    for batch in json.loads((folder / "sky/plan/plan.json").read_text())["files"]["batches"]:
        path = folder / "sky/fetched" / f"{batch}.parquet"
        shutil.copyfile(folder / "sky/fetched/catalogue.parquet", path)
    write_accepted(folder)
    found = jobs(work, order, fetched=True)
    line(f"jobs of the cube in shards ({found['jobs']:,} jobs)", found)


if __name__ == "__main__":
    main()
