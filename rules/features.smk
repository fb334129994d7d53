# Features: what the runs of one modality and zoom all read, put together once.


rule prepare_features:
    input:
        arrays=sample_arrays,
        spectra=spectra_arrays,
        objects=objects_of_sample,
        lines=line_table,
        environment=environment_table,
        fine=treated_arrays,
        neighbours=neighbours,
        split="<results>/sample/{sample}/split.parquet",
        code=library("prepare_features.py"),
    output:
        features="<results>/features/{sample}/{inputs}/zoom{zoom}.h5",
    log:
        "<logs>/features/{sample}/{inputs}/zoom{zoom}.log",
    benchmark:
        "<benchmarks>/features/{sample}/{inputs}/zoom{zoom}.jsonl"
    wildcard_constraints:
        sample=NO_SCENE_SAMPLES,
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_with_shards(1500),
    params:
        treatment=treatment,
    script:
        "../workflow/scripts/prepare_features.py"


# LightGBM's bins, which all its runs and folds share: making them costs more than many a fit.
rule bin_features:
    input:
        features="<results>/features/{sample}/{inputs}/zoom{zoom}.h5",
        code=library("bin_features.py"),
    output:
        train="<results>/features/{sample}/{inputs}/zoom{zoom}_train.bins",
        validation="<results>/features/{sample}/{inputs}/zoom{zoom}_validation.bins",
    log:
        "<logs>/features/{sample}/{inputs}/zoom{zoom}_bins.log",
    benchmark:
        "<benchmarks>/features/{sample}/{inputs}/zoom{zoom}_bins.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=training_memory,
        runtime=training_minutes(10),
    params:
        max_bin=max_bin,
    script:
        "../workflow/scripts/bin_features.py"
