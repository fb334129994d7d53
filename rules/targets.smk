# Further targets, learned from the same arrays by the study's own rules: which objects each has, how they are labelled.


rule link_targets:
    input:
        dense="<results>/cube/dense.h5",
        code=library("link_targets.py"),
    output:
        expand("<results>/targets/zoom{zoom}.h5", zoom=ZOOMS),
    log:
        "<logs>/targets/link_targets.log",
    benchmark:
        "<benchmarks>/targets/link_targets.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_with_shards(500),
    params:
        zooms=ZOOMS,
    script:
        "../workflow/scripts/link_targets.py"


# One pass over all targets, labelled or not, for every study that chooses among them.
rule measure_targets:
    input:
        dense="<results>/cube/dense.h5",
        arrays="<results>/targets/zoom0.h5",
        code=library("measure_targets.py"),
    output:
        measured="<results>/targets/measured.parquet",
    log:
        "<logs>/targets/measure_targets.log",
    benchmark:
        "<benchmarks>/targets/measure_targets.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_with_shards(1000),
    params:
        fiber_arcsec=settings.cube.image_fiber_arcsec,
    script:
        "../workflow/scripts/measure_targets.py"


rule choose_target:
    input:
        dense="<results>/cube/dense.h5",
        measured="<results>/targets/measured.parquet",
        code=library("choose_target.py"),
    output:
        objects="<results>/side/{target}/objects.parquet",
        counts=report(
            "<results>/side/{target}/counts.csv",
            caption="../workflow/report/target_counts.rst",
            category="Further targets",
            labels={"what": "Objects of {target}, and those left out"},
        ),
    log:
        "<logs>/side/{target}/choose_target.log",
    benchmark:
        "<benchmarks>/side/{target}/choose_target.jsonl"
    wildcard_constraints:
        target=TARGET_SAMPLES,
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_with_shards(1000),
    params:
        choice=target_choice,
    script:
        "../workflow/scripts/choose_target.py"


rule split_target:
    input:
        objects="<results>/side/{target}/objects.parquet",
        code=library("split_target.py"),
    output:
        split="<results>/sample/{target}/split.parquet",
    log:
        "<logs>/side/{target}/split_target.log",
    benchmark:
        "<benchmarks>/side/{target}/split_target.jsonl"
    wildcard_constraints:
        target=TARGET_SAMPLES,
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        split=settings.sample.split.model_dump(),
    script:
        "../workflow/scripts/split_target.py"
