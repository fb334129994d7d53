# Where fusion should win: test objects of a kind, on which early fusion is measured against what is made apart.

if CASES:

    # What cases are chosen by, taken from the arrays before any prediction is looked at.
    rule measure_cases:
        input:
            arrays="<results>/sample/zoom0.h5",
            neighbours="<results>/sample/neighbours.h5",
            objects="<results>/sample/objects.parquet",
            magnitudes="<results>/sample/magnitudes.parquet",
            lines="<results>/sample/lines.parquet",
            code=library("measure_cases.py"),
        output:
            objects="<results>/cases/objects.parquet",
        log:
            "<logs>/cases/measure_cases.log",
        benchmark:
            "<benchmarks>/cases/measure_cases.jsonl"
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(1000),
        params:
            seeing_arcsec=CASES.seeing_arcsec,
        script:
            "../workflow/scripts/measure_cases.py"

    rule compare_cases:
        input:
            tests=expand("<results>/evaluation/test_{model}.parquet", model=MODELS),
            metrics="<results>/evaluation/metrics.csv",
            split=f"<results>/sample/{SAMPLE}/split.parquet",
            objects="<results>/cases/objects.parquet",
            code=library("compare_cases.py"),
        output:
            cases=report(
                "<results>/cases/cases.csv",
                caption="../workflow/report/cases.rst",
                category="Tables",
                labels={"what": "Where fusion should win"},
            ),
            answers="<results>/cases/answers.json",
        log:
            "<logs>/cases/compare_cases.log",
        benchmark:
            "<benchmarks>/cases/compare_cases.jsonl"
        conda:
            "../envs/trees.yaml"
        envmodules:
            *site_modules("trees"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(2000),
        params:
            cases=CASES.chosen(),
            min_objects=CASES.min_objects,
            n_resamples=settings.report.bootstrap,
            seed=settings.report.seed,
        script:
            "../workflow/scripts/compare_cases.py"

    rule plot_cases:
        input:
            cases="<results>/cases/cases.csv",
            code=library("plot_cases.py"),
        output:
            report(
                "<results>/report/figures/fig_cases.svg",
                caption="../workflow/report/fig_cases.rst",
                category="Comparison",
                labels={"what": "Beyond the thesis: where fusion should win"},
            ),
            beside=expand("<results>/report/figures/fig_cases.{suffix}", suffix=["png", "csv"]),
        log:
            "<logs>/report/plot_cases.log",
        benchmark:
            "<benchmarks>/report/plot_cases.jsonl"
        conda:
            "../envs/report.yaml"
        envmodules:
            *site_modules("report"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(1000),
        script:
            "../workflow/scripts/plot_cases.py"
