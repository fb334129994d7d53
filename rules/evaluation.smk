# Evaluation: select by cross-validation or validation, read the test set once, put intervals on what it says.


rule select_runs:
    input:
        metrics=all_runs("metrics.json"),
        code=library("select_runs.py"),
    output:
        selection=report(
            "<results>/evaluation/selection.csv",
            caption="../workflow/report/selection.rst",
            category="Tables",
            labels={"what": "Selected runs"},
        ),
    log:
        "<logs>/evaluation/select_runs.log",
    benchmark:
        "<benchmarks>/evaluation/select_runs.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(500),
    script:
        "../workflow/scripts/select_runs.py"


rule collect_runs:
    input:
        metrics=all_runs("metrics.json"),
        late=late_fusions("metrics.json"),
        code=library("collect_runs.py"),
    output:
        runs=report(
            "<results>/evaluation/runs.csv",
            caption="../workflow/report/runs.rst",
            category="Tables",
            labels={"what": "All runs"},
        ),
    log:
        "<logs>/evaluation/collect_runs.log",
    benchmark:
        "<benchmarks>/evaluation/collect_runs.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(500),
    script:
        "../workflow/scripts/collect_runs.py"


# The one rule that reads the test set.
rule evaluate_test:
    input:
        selection="<results>/evaluation/selection.csv",
        split=f"<results>/sample/{SAMPLE}/split.parquet",
        arrays=expand("<results>/sample/zoom{zoom}.h5", zoom=STUDY_ZOOMS),
        metrics=runs_of_model("metrics.json"),
        models=models_of_runs,
        code=library("evaluate_test.py"),
    output:
        test="<results>/evaluation/test_{model}.parquet",
    log:
        "<logs>/evaluation/evaluate_test_{model}.log",
    benchmark:
        "<benchmarks>/evaluation/evaluate_test_{model}.jsonl"
    wildcard_constraints:
        model="decision_tree|lightgbm",
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 2
    resources:
        mem_mb=more_each_attempt(4000),
    script:
        "../workflow/scripts/evaluate_test.py"


# The times in the report: each selected setting once more, with the whole machine to itself.
rule time_selected:
    input:
        selection="<results>/evaluation/selection.csv",
        split=f"<results>/sample/{SAMPLE}/split.parquet",
        arrays="<results>/sample/zoom{zoom}.h5",
        metrics=runs_at("metrics.json"),
        code=library("time_selected.py"),
    output:
        times="<results>/evaluation/times/{model}/{modality}/zoom{zoom}.csv",
    log:
        "<logs>/evaluation/times/{model}/{modality}/zoom{zoom}.log",
    benchmark:
        "<benchmarks>/evaluation/times/{model}/{modality}/zoom{zoom}.jsonl"
    wildcard_constraints:
        model="decision_tree|lightgbm",
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 64  # more than there are is scaled down to all there are: nothing runs beside
    resources:
        mem_mb=training_memory,
        runtime=training_minutes(60),
    script:
        "../workflow/scripts/time_selected.py"


# The same on a GPU, where there is one.
use rule time_selected as time_cnn with:
    wildcard_constraints:
        model="vggnet12",


use rule evaluate_test as test_cnn with:
    wildcard_constraints:
        model="vggnet12",


rule summarise:
    input:
        tests=expand("<results>/evaluation/test_{model}.parquet", model=MODELS),
        times=timed(),
        runs="<results>/evaluation/runs.csv",
        selection="<results>/evaluation/selection.csv",
        split=f"<results>/sample/{SAMPLE}/split.parquet",
        objects="<results>/sample/objects.parquet",
        code=library("summarise.py"),
    output:
        metrics=report(
            "<results>/evaluation/metrics.csv",
            caption="../workflow/report/metrics.rst",
            category="Tables",
            labels={"what": "Metrics on the test set"},
        ),
        comparisons=report(
            "<results>/evaluation/comparisons.csv",
            caption="../workflow/report/comparisons.rst",
            category="Tables",
            labels={"what": "Paired differences"},
        ),
    log:
        "<logs>/evaluation/summarise.log",
    benchmark:
        "<benchmarks>/evaluation/summarise.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(2000),
    params:
        n_resamples=settings.report.bootstrap,
        seed=settings.report.seed,
    script:
        "../workflow/scripts/summarise.py"
