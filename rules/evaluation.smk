# Evaluation: select by cross-validation or validation, read the test set once, put intervals on what it says.


# Each model for itself: a setting added to one model's grid is no reason to do another model's work again.
rule select_runs:
    input:
        metrics=runs_of_model("metrics.json"),
        code=library("select_runs.py"),
    output:
        selection="<results>/evaluation/selection_{model}.csv",
    log:
        "<logs>/evaluation/select_runs_{model}.log",
    benchmark:
        "<benchmarks>/evaluation/select_runs_{model}.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(500),
    script:
        "../workflow/scripts/select_runs.py"


rule join_selections:
    input:
        selections=expand("<results>/evaluation/selection_{model}.csv", model=[*MODELS, *BASELINES]),
        code=library("join_selections.py"),
    output:
        selection=report(
            "<results>/evaluation/selection.csv",
            caption="../workflow/report/selection.rst",
            category="Tables",
            labels={"what": "Selected runs"},
        ),
    log:
        "<logs>/evaluation/join_selections.log",
    benchmark:
        "<benchmarks>/evaluation/join_selections.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(500),
    script:
        "../workflow/scripts/join_selections.py"


rule collect_runs:
    input:
        metrics=all_runs("metrics.json"),
        late=fusions("metrics.json"),
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


# The one rule of the main study that predicts test objects to be scored, for the trees and the baselines here and for the
# CNN below; what is learned beside it has test objects of its own (target_results.smk, scenes.smk).
rule evaluate_test:
    input:
        selection="<results>/evaluation/selection_{model}.csv",
        split=f"<results>/sample/{SAMPLE}/split.parquet",
        arrays=expand("<results>/sample/zoom{zoom}.h5", zoom=STUDY_ZOOMS),
        fine=treated_arrays,
        neighbours=neighbours,
        lines=line_table_of_model,
        metrics=runs_of_model("metrics.json"),
        models=models_of_runs,
        stacked=stacked_of_model,
        out_of_fold=out_of_fold_of_model,
        quantiles=quantiles,
        code=library("evaluate_test.py"),
    output:
        test="<results>/evaluation/test_{model}.parquet",
    log:
        "<logs>/evaluation/evaluate_test_{model}.log",
    benchmark:
        "<benchmarks>/evaluation/evaluate_test_{model}.jsonl"
    wildcard_constraints:
        model="decision_tree|lightgbm|mean|magnitudes|halpha",
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 2
    resources:
        mem_mb=more_each_attempt(4000),
    params:
        level=interval_level(),
        treatment=treatment,
    script:
        "../workflow/scripts/evaluate_test.py"


rule test_cnn:
    input:
        selection="<results>/evaluation/selection_{model}.csv",
        split=f"<results>/sample/{SAMPLE}/split.parquet",
        arrays=expand("<results>/sample/zoom{zoom}.h5", zoom=STUDY_ZOOMS),
        fine=treated_arrays,
        neighbours=neighbours,
        metrics=runs_of_model("metrics.json"),
        models=models_of_runs,
        stacked=stacked_of_model,
        out_of_fold=out_of_fold_of_model,
        code=library("test_cnn.py"),
    output:
        test="<results>/evaluation/test_{model}.parquet",
    log:
        "<logs>/evaluation/evaluate_test_{model}.log",
    benchmark:
        "<benchmarks>/evaluation/evaluate_test_{model}.jsonl"
    wildcard_constraints:
        model="vggnet12",
    conda:
        "../envs/cnn.yaml"
    envmodules:
        *site_modules("cnn"),
    threads: 2
    resources:
        mem_mb=more_each_attempt(4000),
    params:
        level=interval_level(),
        treatment=treatment,
    script:
        "../workflow/scripts/test_cnn.py"


# The times in the report: each selected setting once more, with the whole machine to itself. One job for the modalities
# of a zoom, which take turns: a job's start would take longer than most fits, with every core but one waiting.
rule time_selected:
    input:
        selection="<results>/evaluation/selection_{model}.csv",
        features=features_of_zoom,
        bins=bins_of_zoom,
        metrics=runs_of_zoom("metrics.json"),
        code=library("time_selected.py"),
    output:
        times="<results>/evaluation/times/{model}/zoom{zoom}.csv",
    log:
        "<logs>/evaluation/times/{model}/zoom{zoom}.log",
    benchmark:
        "<benchmarks>/evaluation/times/{model}/zoom{zoom}.jsonl"
    wildcard_constraints:
        model="decision_tree|lightgbm",
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 64  # more than there are is scaled down to all there are: nothing runs beside
    resources:
        mem_mb=training_memory,
        runtime=training_minutes(60),
    script:
        "../workflow/scripts/time_selected.py"


# The same on a GPU, where there is one.
rule time_cnn:
    input:
        selection="<results>/evaluation/selection_{model}.csv",
        features=features_of_zoom,
        metrics=runs_of_zoom("metrics.json"),
        weights=imagenet_weights,
        code=library("time_cnn.py"),
    output:
        times="<results>/evaluation/times/{model}/zoom{zoom}.csv",
    log:
        "<logs>/evaluation/times/{model}/zoom{zoom}.log",
    benchmark:
        "<benchmarks>/evaluation/times/{model}/zoom{zoom}.jsonl"
    wildcard_constraints:
        model="vggnet12",
    conda:
        "../envs/cnn.yaml"
    envmodules:
        *site_modules("cnn"),
    threads: 64
    resources:
        mem_mb=network_memory,
        runtime=training_minutes(60),
    script:
        "../workflow/scripts/time_cnn.py"


rule summarise:
    input:
        tests=expand("<results>/evaluation/test_{model}.parquet", model=[*MODELS, *BASELINES]),
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
        intervals=report(
            "<results>/evaluation/intervals.csv",
            caption="../workflow/report/intervals.rst",
            category="Tables",
            labels={"what": "Coverage and width of prediction intervals"},
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
        level=interval_level(),
        bins=interval_bins(),
    script:
        "../workflow/scripts/summarise.py"


# Variants against the study's own runs, on the validation objects both have.
rule compare_variants:
    input:
        selection="<results>/evaluation/selection.csv",
        variants=all_variants("metrics.json"),
        variant_predictions=all_variants("validation.parquet"),
        runs=all_runs("metrics.json"),
        predictions=all_runs("validation.parquet"),
        split="<results>/sample/split.parquet",
        code=library("compare_variants.py"),
    output:
        variants=report(
            "<results>/evaluation/variants.csv",
            caption="../workflow/report/variants.rst",
            category="Tables",
            labels={"what": "Variants of the study"},
        ),
    log:
        "<logs>/evaluation/compare_variants.log",
    benchmark:
        "<benchmarks>/evaluation/compare_variants.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        n_resamples=settings.report.bootstrap,
        seed=settings.report.seed,
    script:
        "../workflow/scripts/compare_variants.py"


# The cheap model for all objects, the dear one for those worth it: what each share of them costs and brings.
rule evaluate_cascade:
    input:
        unpack(cascade_inputs),
        selection="<results>/evaluation/selection_lightgbm.csv",
        split=f"<results>/sample/{SAMPLE}/split.parquet",
        code=library("evaluate_cascade.py"),
    output:
        cascade=report(
            "<results>/evaluation/cascade.csv",
            caption="../workflow/report/cascade.rst",
            category="Tables",
            labels={"what": "Coarse to fine"},
        ),
    log:
        "<logs>/evaluation/evaluate_cascade.log",
    benchmark:
        "<benchmarks>/evaluation/evaluate_cascade.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        zooms=cascade_zooms(),
        n_resamples=settings.report.bootstrap,
        seed=settings.report.seed,
    script:
        "../workflow/scripts/evaluate_cascade.py"
