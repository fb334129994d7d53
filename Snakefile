# From raw SDSS files to a report on how well the star formation rate of a galaxy can be predicted.
# docs/architecture.md draws the picture; config/config.yaml is the study.
from snakemake.utils import min_version

min_version("9.27")

if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/common_runs.smk"
include: "rules/common_features.smk"
include: "rules/common_side.smk"
include: "rules/common_diagnostics.smk"
include: "rules/common_sample.smk"
include: "rules/common_exports.smk"


pathvars:
    results=settings.results,
    logs=f"{settings.results}/logs",
    benchmarks=f"{settings.results}/benchmarks",


if not EXISTING:

    include: "rules/sky.smk"
    include: "rules/archive.smk"
    include: "rules/cube.smk"
    include: "rules/shards.smk"


include: "rules/exchange.smk"
include: "rules/sample.smk"
include: "rules/environment.smk"
include: "rules/targets.smk"
include: "rules/features.smk"
include: "rules/experiments.smk"
include: "rules/selected.smk"
include: "rules/evaluation.smk"
include: "rules/labels.smk"
include: "rules/figures.smk"
include: "rules/sample_figures.smk"
include: "rules/model_figures.smk"
include: "rules/gallery.smk"
include: "rules/diagnostics.smk"
include: "rules/diagnostic_figures.smk"
include: "rules/structure.smk"
include: "rules/target_results.smk"
include: "rules/cases.smk"
include: "rules/scenes.smk"
include: "rules/report.smk"
include: "rules/exports.smk"


wildcard_constraints:
    target="[a-z0-9_]+",
    sample="[a-z0-9_]+",
    shard=r"\d+-\d+",
    model="|".join([*MODELS, *BASELINES]) or "none",
    modality="(photo|spectra|early|attention|lines|none)[a-z0-9_]*",
    inputs="[a-z0-9_]+",
    variant="[^/,]+",
    zoom=r"\d",
    batch=r"\d+",
    settings="(?!variant=)[^/,]+",


# Seconds of work on small tables: not worth a place in a cluster's queue.
localrules:
    merge_rejects,
    assemble_cube,
    check_accounts,
    list_objects,
    measure_labels,
    make_ledger,
    split_objects,
    split_sample,
    link_targets,
    choose_target,
    split_target,
    select_runs,
    join_selections,
    fuse_late,
    fuse_stacked,
    collect_runs,
    collect_importance,
    write_predictions,
    write_summary,
    keep_workflow,
    write_crate,


# A compute node may have no way to the world outside.
localrules:
    fetch_weights,


rule all:
    default_target: True
    input:
        "<results>/report/report.html",
        "<results>/cube/hiss_cube.h5",
        "<results>/cube/accounts.json",
        "<results>/ro-crate-metadata.json",


rule cube:
    input:
        "<results>/cube/hiss_cube.h5",
        "<results>/cube/accounts.json",


rule sample:
    input:
        f"<results>/sample/{SAMPLE}/ledger.csv",
        f"<results>/sample/{SAMPLE}/split.parquet" if HAS_EXPERIMENTS else [],


rule experiments:
    input:
        all_runs("metrics.json"),
        fusions("metrics.json"),
        all_variants("metrics.json"),
        [results(f"{run.folder}/metrics.json") for run in SIDE_RUNS],


rule exports:
    input:
        "<results>/ro-crate-metadata.json",
