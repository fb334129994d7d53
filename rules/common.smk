# Functions the rules share. A rule file holds rules; whatever they ask for is here.
import csv
import json
import os
import sys
from functools import cache
from pathlib import Path

import yaml

_SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
sys.path.insert(0, str(_SCRIPTS))

from hiss.config.settings import parse_settings
from hiss.errors import HissError
from hiss.folders import folder_state
from hiss.imports import modules_of
from hiss.launch import parallel_hdf5, prepare_environment
from snakemake.exceptions import WorkflowError
from snakemake.resources import Resource

# ---- settings and the table of runs ----

try:
    settings = parse_settings(config, " + ".join(map(os.path.relpath, workflow.configfiles)) or "config")
except HissError as error:
    raise WorkflowError(str(error)) from None

ZOOMS = [0, 1, 2, 3]
EXISTING = settings.cube.source == "existing"


def results(path):
    """Path below the results folder, for functions; rules write <results>."""
    return f"{settings.results}/{path}"


# ---- the code behind a rule; Snakemake sees the script, not what it imports ----


@cache
def library(script):
    """A script and the library modules it imports, directly or not: an input of the rule that runs it."""
    path = _SCRIPTS / script
    return [os.path.relpath(file) for file in (path, *modules_of(path))]


# ---- what a job asks for ----


def training_memory(wildcards, input, attempt):
    """Memory of a training job [MB]: its arrays and what a fit makes of them; more after a job killed for memory."""
    return int((1000 + 3 * input.size_mb) * attempt)


def network_memory(wildcards, input, attempt):
    """Memory of a job that trains the CNN [MB]: 2 GB more for its weights at width 64, 1 GB for a GPU's libraries."""
    return training_memory(wildcards, input, attempt) + 3000 * attempt


def training_minutes(per_gb):
    """A resources function: wall time of a training job [min], 10 and so many more a GB of its zoom's arrays."""

    def minutes(wildcards, input, attempt):
        return int((10 + per_gb * input.size_mb / 1000) * attempt)

    return minutes


def more_each_attempt(mb):
    """A resources function: so much memory [MB], and as much again after each job killed for it."""

    def memory(wildcards, attempt):
        return mb * attempt

    return memory


# ---- the sky ----


def raw_root(wildcards=None):
    """Folder of the raw files."""
    if settings.sky.source == "local":
        return settings.sky.local.path
    if settings.sky.source == "archive" and settings.sky.archive.folder:
        return settings.sky.archive.folder
    return results("sky/raw")


def raw_state(wildcards):
    """What a local folder of raw files holds now, so that a file added or changed below it is seen."""
    return folder_state(settings.sky.local.path) if settings.sky.source == "local" else "made here"


_TABLES = {
    "gal_info": "gal_info_dr7_v5_2.fit",
    "gal_totsfr": "gal_totsfr_dr7_v5_2.fits",
}


@cache
def sfr_tables():
    """Paths of the two MPA-JHU tables, by name."""
    if settings.sky.source == "simulated":
        return {name: results(f"sky/raw/catalogue/{file}") for name, file in _TABLES.items()}
    if settings.sky.source == "archive":
        return {name: results(f"sky/catalogue/{file}") for name, file in _TABLES.items()}
    local = settings.sky.local
    folder = Path(local.path) / local.catalogue
    found = {
        name: str(path)
        for name, file in _TABLES.items()
        for path in (folder / f"{file}.gz", folder / file)
        if path.is_file()
    }
    if len(found) == len(_TABLES):
        return found
    if local.sfr_csv is None:
        raise WorkflowError(
            f"{folder}: no {' and '.join(_TABLES.values())} (or .gz) there; put them there, name their folder in "
            "sky.local.catalogue, or name a CSV of catalogue rows in sky.local.sfr_csv"
        )
    return {name: results(f"sky/catalogue/{file}") for name, file in _TABLES.items()}


# ---- the archive ----

# What decides which files are asked for; the rest of sky.archive is about how, and plans nothing anew.
_PLANNED = {
    "region", "z_min", "z_max", "classes", "flags", "max_objects", "data_release", "catalogue", "epochs", "spectra",
    "base_url", "batch_files", "repack", "keep_bz2",
}  # fmt: skip


def planned_settings():
    """What the plan of a fetch depends on."""
    return settings.sky.archive.model_dump(include=_PLANNED)


def region_lists():
    """The CSVs that name a region."""
    region = settings.sky.archive.region
    return [path for path in (region.fields, region.spectra) if path]


def survey_lists():
    """Names of the survey's own lists that the plan asks for."""
    archive = settings.sky.archive
    return [name for name in ("field_list", "plate_list") if getattr(archive, name)]


def fetch_resources():
    """How hard the archive is asked: resources, since another limit is no reason to fetch or plan anew."""
    archive = settings.sky.archive
    return {"fetches": 1, **archive.model_dump(include={"connections", "retries", "timeout_s"})}


def bound(resource, most):
    """Let rules that take one of a resource run so many at once, unless the command line says otherwise."""
    if resource not in workflow.global_resources:
        workflow.register_resource(resource, Resource(resource, most))


def fetched_batches(wildcards):
    """An input function: what was fetched, one table a batch of the plan."""
    folder = "repacked" if settings.sky.archive.repack else "fetched"
    plan = json.loads(Path(checkpoints.plan_archive.get().output.plan).read_text())
    return [results(f"sky/{folder}/{batch}.parquet") for batch in plan["files"]["batches"]]


# ---- shards ----

SHARDED = settings.cube.shard_order is not None and not EXISTING
# Where the cube is built, in one piece or in shards by the same rules, and where what is said of it goes.
PIECE = "cube/shards/{shard}" if SHARDED else "cube"


def shard_names():
    """Names of the shards, once they are planned."""
    table = Path(checkpoints.plan_shards.get().output.shards)
    with table.open(newline="") as stream:
        return [row["shard"] for row in csv.DictReader(stream)]


def of_shards(*files):
    """An input function: these files of every shard."""

    def paths(wildcards):
        return [results(f"cube/shards/{name}/{file}") for file in files for name in shard_names()]

    return paths


def of_shard(file):
    """An input function: a file that the plan of the shards wrote for wildcards.shard."""

    def path(wildcards):
        found = results(f"cube/shards/{wildcards.shard}/{file}")
        if wildcards.shard not in shard_names():
            raise WorkflowError(f"{wildcards.shard} is no shard of this sky; those it has are in {results(_SHARDS)}")
        if not Path(found).is_file():
            raise WorkflowError(f"{found} is missing; write it again: snakemake --forcerun plan_shards")
        return found

    return path


_SHARDS = "cube/shards/shards.csv"


def more_with_shards(mb):
    """A resources function: as more_each_attempt, and what HDF5 keeps of each shard that is read or stitched [MB]."""

    def memory(wildcards, attempt):
        table = Path(results(_SHARDS))
        shards = len(table.read_text().splitlines()) - 1 if SHARDED and table.is_file() else 0
        return int((mb + 1.2 * shards) * attempt)

    return memory


def piece_inputs():
    """What a piece of the cube, or the whole, is built from."""
    if SHARDED:
        return {
            name: of_shard(f"{name}.{suffix}")
            for name, suffix in (("manifest", "parquet"), ("gal_info", "fits"), ("gal_totsfr", "fits"))
        }
    return {"manifest": "<results>/sky/manifest.parquet", **sfr_tables()}


def piece_rejects():
    """The tables of files that are not in the dense cube, of all stages and pieces."""
    stages = ("sparse_rejects.parquet", "dense_rejects.parquet")
    return of_shards(*stages) if SHARDED else [f"<results>/cube/{stage}" for stage in stages]


# ---- the site ----


@cache
def site_modules(kind):
    """The modules that bring a kind of work's software, for `--sdm env-modules`."""
    site = Path(workflow.basedir) / "profiles" / "slurm" / "site.yaml"
    return yaml.safe_load(site.read_text())["modules"].get(kind) or []


# ---- MPI ----


prepare_environment()


def mpi_launcher(wildcards):
    """The command before `-n`; a profile sets the site's own (srun) through set-resources."""
    return "mpirun" if parallel_hdf5() else f"bash {os.path.relpath(_SCRIPTS / 'without_mpi.sh')}"


def mpi_ranks(wildcards):
    """Ranks on one machine; a cluster's profile sets its own number through set-resources."""
    return 2 if parallel_hdf5() else 1


# ---- the end ----


onsuccess:
    if Path(results("report/report.html")).exists():
        print(f"Report: {results('report/report.html')}")


onerror:
    print(
        f"Stopped. Each failed job's log is named above and lies in {results('logs')}; the same command runs what is missing."
    )
