# Exports: predictions as catalogues, a summary for machines, and a crate that names every file worth a deposit.


# The best run's predictions in the forms that TOPCAT and astropy read, and those of all runs beside.
rule write_predictions:
    input:
        runs="<results>/evaluation/runs.csv",
        metrics="<results>/evaluation/metrics.csv",
        tests=expand("<results>/evaluation/test_{model}.parquet", model=[*MODELS, *BASELINES]),
        said=all_said(),
        split=f"<results>/sample/{SAMPLE}/split.parquet",
        objects="<results>/sample/objects.parquet",
        multi_object="<results>/sample/multi_object.parquet",
        missing="<results>/sample/missing.parquet",
        code=library("write_predictions.py"),
    output:
        best=expand("<results>/exports/predictions.{suffix}", suffix=["parquet", "fits", "vot"]),
        every="<results>/exports/predictions_all.parquet",
    log:
        "<logs>/exports/write_predictions.log",
    benchmark:
        "<benchmarks>/exports/write_predictions.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(2000),
    params:
        level=interval_level(),
    script:
        "../workflow/scripts/write_predictions.py"


# What the report says, for machines; without a study it is that of a sample.
rule write_summary:
    input:
        **of_summary(rules.write_report.input),
        schema=os.path.relpath(Path(workflow.basedir, "workflow", "schemas", "summary.json")),
        code=library("write_summary.py"),
    output:
        summary="<results>/exports/summary.json",
        schema="<results>/exports/summary.schema.json",
    log:
        "<logs>/exports/write_summary.log",
    benchmark:
        "<benchmarks>/exports/write_summary.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        title=settings.report.title,
        config=" + ".join(map(os.path.relpath, workflow.configfiles)),
        sky=settings.sky.source,
        sample=SAMPLE,
        settings=settings.model_dump(mode="json"),
    script:
        "../workflow/scripts/write_summary.py"


# The workflow itself and its settings, so that a deposit can be run again.
rule keep_workflow:
    input:
        files=workflow_files(),
        code=library("keep_workflow.py"),
    output:
        folder=directory("<results>/exports/workflow"),
        config="<results>/exports/config.json",
    log:
        "<logs>/exports/keep_workflow.log",
    benchmark:
        "<benchmarks>/exports/keep_workflow.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(500),
    params:
        root=workflow_root(),
        settings=settings.model_dump(mode="json"),
    script:
        "../workflow/scripts/keep_workflow.py"


rule write_crate:
    input:
        report="<results>/report/report.html",
        figures=rules.write_report.input.figures,
        predictions=rules.write_predictions.output if HAS_EXPERIMENTS else [],
        summary=rules.write_summary.output,
        workflow=rules.keep_workflow.output,
        gallery=rules.make_gallery.output,
        tables=deposited_tables(rules.write_report.input),
        runs=all_runs("metrics.json"),
        fusions=fusions("metrics.json"),
        models=all_models(),
        quantiles=quantile_models(),
        selection="<results>/evaluation/selection.csv" if HAS_EXPERIMENTS else [],
        cube=expand("<results>/cube/{name}.h5", name=["hiss_cube", "sparse", "links", "dense"]),
        captions=table_captions(),
        code=library("write_crate.py"),
    output:
        crate="<results>/ro-crate-metadata.json",
    log:
        "<logs>/exports/write_crate.log",
    benchmark:
        "<benchmarks>/exports/write_crate.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        title=settings.report.title,
        sky=settings.sky.source,
        settings=settings.model_dump(mode="json"),
        citation=citation(),
        snakemake=snakemake_version(),
    script:
        "../workflow/scripts/write_crate.py"
