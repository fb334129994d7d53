# Functions about what is deposited: the files of the workflow, and those that its runs left behind.

import snakemake as _snakemake

_KEPT = (
    "Snakefile", "LICENSE", "CITATION.cff", "README.md", "Makefile", "pyproject.toml", "requirements.*", "rules/*.smk",
    "config/*.yaml", "config/*.json", "envs/*", "profiles/*/*", "docs/*.md", "workflow/report/*.rst",
    "workflow/schemas/*.json", "workflow/scripts/**/*",
)  # fmt: skip


def workflow_files():
    """The files that are this workflow, relative to where it runs."""
    found = {path for kept in _KEPT for path in Path(workflow.basedir).glob(kept) if path.is_file()}
    return sorted(os.path.relpath(path) for path in found if path.suffix != ".pyc")


def workflow_root():
    """The folder of the Snakefile, relative to where the workflow runs."""
    return os.path.relpath(workflow.basedir)


def citation():
    """CITATION.cff."""
    return yaml.safe_load(Path(workflow.basedir, "CITATION.cff").read_text())


def snakemake_version():
    """The version that runs."""
    return _snakemake.__version__


def table_captions():
    """The captions of figures and tables."""
    return [os.path.relpath(path) for path in sorted(Path(workflow.basedir, "workflow", "report").glob("*.rst"))]


# ---- what the runs have said ----


def all_said():
    """Validation and out-of-fold predictions of all runs, and what intervals around them are made of."""
    if not HAS_EXPERIMENTS:
        return []
    held_out = [path for model in MODELS for path in _out_of_fold(model, MODALITIES, zooms_of(experiments, model))]
    if INTERVALS is not None:
        held_out += [path for model in BASELINES for path in runs_of(model, "out_of_fold.parquet")]
    stacked = [path for path in fusions("out_of_fold.parquet") if "/stacked/" in path]
    quantiles_out = _quantiles(STUDY_ZOOMS)
    beside = [path.replace("out_of_fold.parquet", "validation.parquet") for path in quantiles_out]
    return [
        *all_runs("validation.parquet"),
        *fusions("validation.parquet"),
        *held_out,
        *stacked,
        *quantiles_out,
        *beside,
    ]


def all_models():
    """The model of every run and fusion, which a deposit takes those of the selected runs from."""
    files = [results(f"{run.folder}/{MODEL_FILE.get(run.model, 'model.json')}") for run in RUNS]
    return [*files, *(path for path in fusions("model.json") if "/stacked/" in path)]


def quantile_models():
    """The models of LightGBM's quantiles, where intervals are made of them."""
    ends = ("low/model.txt", "high/model.txt")
    return [path.replace("out_of_fold.parquet", end) for path in _quantiles(STUDY_ZOOMS) for end in ends]


# ---- what is deposited ----


def of_summary(inputs):
    """What of the report's inputs the summary is made of: its tables, not what only a page shows."""
    shown = ("figures", "captions", "page", "code", "gallery", "tests", "objects")
    return {name: files for name, files in inputs.items() if name not in shown}


def deposited_tables(inputs):
    """The tables of a deposit: those of the sample, those that the report is made of, and the diagnostics' own."""
    sample = [*(f"sample/{name}.parquet" for name in ("objects", "gaps", "missing", "multi_object"))]
    tables = [*map(results, [*sample, "cube/accounts.json"]), *of_summary(inputs).values()]
    tested = [results(f"evaluation/test_{model}.parquet") for model in [*MODELS, *BASELINES]]
    return [*tables, *tested, *diagnostic_tables(), *side_tests_and_tables()]
