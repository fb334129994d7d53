# Experiments: one job a model x modality x zoom x point of the grid, then late fusion of the selected runs.


rule train_tree:
    input:
        arrays="<results>/sample/zoom{zoom}.h5",
        split="<results>/sample/{sample}/split.parquet",
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
        arrays="<results>/sample/zoom{zoom}.h5",
        split="<results>/sample/{sample}/split.parquet",
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
        arrays="<results>/sample/zoom{zoom}.h5",
        split="<results>/sample/{sample}/split.parquet",
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
        mem_mb=training_memory,
        runtime=training_minutes(60),
    params:
        run=run_of("vggnet12"),
    script:
        "../workflow/scripts/train_cnn.py"


rule fuse_late:
    input:
        selection="<results>/evaluation/selection.csv",
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
