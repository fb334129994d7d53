# Experiments: one job a model x modality x zoom x point of the grid, and the baselines.


rule train_tree:
    input:
        features=features,
        code=library("train_tree.py"),
    output:
        metrics="<results>/runs/{target}/{sample}/decision_tree/{modality}/zoom{zoom}/{settings}/metrics.json",
        curve="<results>/runs/{target}/{sample}/decision_tree/{modality}/zoom{zoom}/{settings}/curve.csv",
        validation="<results>/runs/{target}/{sample}/decision_tree/{modality}/zoom{zoom}/{settings}/validation.parquet",
        out_of_fold="<results>/runs/{target}/{sample}/decision_tree/{modality}/zoom{zoom}/{settings}/out_of_fold.parquet",
        settings="<results>/runs/{target}/{sample}/decision_tree/{modality}/zoom{zoom}/{settings}/model.json",
        model="<results>/runs/{target}/{sample}/decision_tree/{modality}/zoom{zoom}/{settings}/model.npz",
    log:
        "<logs>/runs/{target}/{sample}/decision_tree/{modality}/zoom{zoom}/{settings}.log",
    benchmark:
        "<benchmarks>/runs/{target}/{sample}/decision_tree/{modality}/zoom{zoom}/{settings}.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=training_memory,
        runtime=training_minutes(10),
    params:
        run=run_of("decision_tree"),
    script:
        "../workflow/scripts/train_tree.py"


rule train_lightgbm:
    input:
        features=features,
        bins=bins,
        code=library("train_lightgbm.py"),
    output:
        metrics="<results>/runs/{target}/{sample}/lightgbm/{modality}/zoom{zoom}/{settings}/metrics.json",
        curve="<results>/runs/{target}/{sample}/lightgbm/{modality}/zoom{zoom}/{settings}/curve.csv",
        validation="<results>/runs/{target}/{sample}/lightgbm/{modality}/zoom{zoom}/{settings}/validation.parquet",
        out_of_fold=(
            "<results>/runs/{target}/{sample}/lightgbm/{modality}/zoom{zoom}/{settings}/out_of_fold.parquet"
            if CROSS_VALIDATES_LIGHTGBM
            else []
        ),
        model="<results>/runs/{target}/{sample}/lightgbm/{modality}/zoom{zoom}/{settings}/model.txt",
    log:
        "<logs>/runs/{target}/{sample}/lightgbm/{modality}/zoom{zoom}/{settings}.log",
    benchmark:
        "<benchmarks>/runs/{target}/{sample}/lightgbm/{modality}/zoom{zoom}/{settings}.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=training_memory,
        runtime=training_minutes(20),
    params:
        run=run_of("lightgbm"),
    script:
        "../workflow/scripts/train_lightgbm.py"


rule train_cnn:
    input:
        features=features,
        weights=imagenet_weights,
        code=library("train_cnn.py"),
    output:
        metrics="<results>/runs/{target}/{sample}/vggnet12/{modality}/zoom{zoom}/{settings}/metrics.json",
        curve="<results>/runs/{target}/{sample}/vggnet12/{modality}/zoom{zoom}/{settings}/curve.csv",
        validation="<results>/runs/{target}/{sample}/vggnet12/{modality}/zoom{zoom}/{settings}/validation.parquet",
        settings="<results>/runs/{target}/{sample}/vggnet12/{modality}/zoom{zoom}/{settings}/model.json",
        model="<results>/runs/{target}/{sample}/vggnet12/{modality}/zoom{zoom}/{settings}/model.safetensors",
    log:
        "<logs>/runs/{target}/{sample}/vggnet12/{modality}/zoom{zoom}/{settings}.log",
    benchmark:
        "<benchmarks>/runs/{target}/{sample}/vggnet12/{modality}/zoom{zoom}/{settings}.jsonl"
    conda:
        "../envs/cnn.yaml"
    envmodules:
        *site_modules("cnn"),
    threads: 1
    resources:
        mem_mb=network_memory,
        runtime=training_minutes(60),
    params:
        run=run_of("vggnet12"),
    script:
        "../workflow/scripts/train_cnn.py"


rule train_baseline:
    input:
        features=features,
        code=library("train_baseline.py"),
    output:
        metrics="<results>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/{settings}/metrics.json",
        curve="<results>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/{settings}/curve.csv",
        validation="<results>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/{settings}/validation.parquet",
        out_of_fold="<results>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/{settings}/out_of_fold.parquet",
        model="<results>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/{settings}/model.json",
    log:
        "<logs>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/{settings}.log",
    benchmark:
        "<benchmarks>/runs/{target}/{sample}/{model}/{modality}/zoom{zoom}/{settings}.jsonl"
    wildcard_constraints:
        model="mean|magnitudes|halpha",
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=training_memory,
    params:
        run=baseline_run,
    script:
        "../workflow/scripts/train_baseline.py"


# Also a file at hand, where the config says what it must hash to: it is checked, and that copy is what is used.
rule fetch_weights:
    input:
        file=weights_file(),
        code=library("fetch_weights.py"),
    output:
        weights="<results>/weights/imagenet.safetensors",
    log:
        "<logs>/weights/fetch_weights.log",
    benchmark:
        "<benchmarks>/weights/fetch_weights.jsonl"
    conda:
        "../envs/cnn.yaml"
    envmodules:
        *site_modules("cnn"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(2000),
    params:
        address=weights_address(),
        sha256=weights_sha256(),
    script:
        "../workflow/scripts/fetch_weights.py"


rule cost:
    input:
        code=library("show_cost.py"),
    log:
        "<logs>/cost.log",
    localrule: True
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(300),
    params:
        works=study_works(),
        split=STUDY_SPLIT,
    script:
        "../workflow/scripts/show_cost.py"
