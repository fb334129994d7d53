# What is done with the settings that win: folds, fusions of predictions, quantiles, and variants with one thing changed.


rule cross_validate:
    input:
        selection="<results>/evaluation/selection_{model}.csv",
        features=features,
        bins=bins,
        metrics=runs_at("metrics.json"),
        out_of_fold=grid_out_of_fold,
        code=library("cross_validate.py"),
    output:
        out_of_fold="<results>/evaluation/out_of_fold/{model}/{modality}/zoom{zoom}.parquet",
    log:
        "<logs>/evaluation/out_of_fold/{model}/{modality}/zoom{zoom}.log",
    benchmark:
        "<benchmarks>/evaluation/out_of_fold/{model}/{modality}/zoom{zoom}.jsonl"
    wildcard_constraints:
        model="decision_tree|lightgbm",
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=training_memory,
        runtime=training_minutes(100),
    script:
        "../workflow/scripts/cross_validate.py"


rule cross_validate_cnn:
    input:
        selection="<results>/evaluation/selection_{model}.csv",
        features=features,
        metrics=runs_at("metrics.json"),
        weights=imagenet_weights,
        code=library("cross_validate_cnn.py"),
    output:
        out_of_fold="<results>/evaluation/out_of_fold/{model}/{modality}/zoom{zoom}.parquet",
    log:
        "<logs>/evaluation/out_of_fold/{model}/{modality}/zoom{zoom}.log",
    benchmark:
        "<benchmarks>/evaluation/out_of_fold/{model}/{modality}/zoom{zoom}.jsonl"
    wildcard_constraints:
        model="vggnet12",
    conda:
        "../envs/cnn.yaml"
    envmodules:
        *site_modules("cnn"),
    threads: 1
    resources:
        mem_mb=network_memory,
        runtime=training_minutes(300),
    script:
        "../workflow/scripts/cross_validate_cnn.py"


rule fuse_late:
    input:
        selection="<results>/evaluation/selection_{model}.csv",
        metrics=candidates("metrics.json"),
        validation=candidates("validation.parquet"),
        code=library("fuse_late.py"),
    output:
        metrics="<results>/runs/{target}/{sample}/{model}/late/zoom{zoom}/mean/metrics.json",
        validation="<results>/runs/{target}/{sample}/{model}/late/zoom{zoom}/mean/validation.parquet",
    log:
        "<logs>/runs/{target}/{sample}/{model}/late/zoom{zoom}/mean.log",
    benchmark:
        "<benchmarks>/runs/{target}/{sample}/{model}/late/zoom{zoom}/mean.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(500),
    script:
        "../workflow/scripts/fuse_late.py"


rule fuse_stacked:
    input:
        selection="<results>/evaluation/selection_{model}.csv",
        metrics=candidates("metrics.json"),
        validation=candidates("validation.parquet"),
        out_of_fold=out_of_fold_parts,
        code=library("fuse_stacked.py"),
    output:
        metrics="<results>/runs/{target}/{sample}/{model}/stacked/zoom{zoom}/ridge/metrics.json",
        validation="<results>/runs/{target}/{sample}/{model}/stacked/zoom{zoom}/ridge/validation.parquet",
        out_of_fold="<results>/runs/{target}/{sample}/{model}/stacked/zoom{zoom}/ridge/out_of_fold.parquet",
        model="<results>/runs/{target}/{sample}/{model}/stacked/zoom{zoom}/ridge/model.json",
    log:
        "<logs>/runs/{target}/{sample}/{model}/stacked/zoom{zoom}/ridge.log",
    benchmark:
        "<benchmarks>/runs/{target}/{sample}/{model}/stacked/zoom{zoom}/ridge.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(500),
    script:
        "../workflow/scripts/fuse_stacked.py"


# Two more fits of LightGBM's selected settings, to its errors: the ends of an interval whose width follows the object.
rule fit_quantiles:
    input:
        selection="<results>/evaluation/selection_lightgbm.csv",
        features=f"<results>/features/{SAMPLE}/{{modality}}/zoom{{zoom}}.h5",
        bins=bins,
        metrics=lightgbm_runs_at("metrics.json"),
        validation=lightgbm_runs_at("validation.parquet"),
        out_of_fold="<results>/evaluation/out_of_fold/lightgbm/{modality}/zoom{zoom}.parquet",
        code=library("fit_quantiles.py"),
    output:
        low="<results>/evaluation/quantiles/{modality}/zoom{zoom}/low/model.txt",
        high="<results>/evaluation/quantiles/{modality}/zoom{zoom}/high/model.txt",
        out_of_fold="<results>/evaluation/quantiles/{modality}/zoom{zoom}/out_of_fold.parquet",
        validation="<results>/evaluation/quantiles/{modality}/zoom{zoom}/validation.parquet",
    log:
        "<logs>/evaluation/quantiles/{modality}/zoom{zoom}.log",
    benchmark:
        "<benchmarks>/evaluation/quantiles/{modality}/zoom{zoom}.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=training_memory,
        runtime=training_minutes(120),
    params:
        level=interval_level(),
    script:
        "../workflow/scripts/fit_quantiles.py"


rule refit_variant:
    input:
        selection="<results>/evaluation/selection_{model}.csv",
        features=features,
        split="<results>/sample/{sample}/split.parquet",
        bins=bins,
        metrics=runs_behind("metrics.json"),
        code=library("refit_variant.py"),
    output:
        metrics="<results>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/variant={variant}/metrics.json",
        validation="<results>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/variant={variant}/validation.parquet",
        models=directory("<results>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/variant={variant}/models"),
    log:
        "<logs>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/variant={variant}.log",
    benchmark:
        "<benchmarks>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/variant={variant}.jsonl"
    wildcard_constraints:
        model="decision_tree|lightgbm",
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=training_memory,
        runtime=training_minutes(60),
    params:
        run=variant_run,
    script:
        "../workflow/scripts/refit_variant.py"


rule refit_cnn:
    input:
        selection="<results>/evaluation/selection_{model}.csv",
        features=features,
        split="<results>/sample/{sample}/split.parquet",
        metrics=runs_behind("metrics.json"),
        weights=imagenet_weights,
        code=library("refit_cnn.py"),
    output:
        metrics="<results>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/variant={variant}/metrics.json",
        validation="<results>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/variant={variant}/validation.parquet",
        models=directory("<results>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/variant={variant}/models"),
    log:
        "<logs>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/variant={variant}.log",
    benchmark:
        "<benchmarks>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/variant={variant}.jsonl"
    wildcard_constraints:
        model="vggnet12",
    conda:
        "../envs/cnn.yaml"
    envmodules:
        *site_modules("cnn"),
    threads: 1
    resources:
        mem_mb=network_memory,
        runtime=training_minutes(180),
    params:
        run=variant_run,
    script:
        "../workflow/scripts/refit_cnn.py"
