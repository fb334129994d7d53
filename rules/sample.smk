# The sample: arrays per zoom, gaps, cutouts with several objects, the ledger and the split.


rule check_accounts:
    input:
        manifest="<results>/sky/manifest.parquet",
        sparse="<results>/cube/sparse.h5",
        dense="<results>/cube/dense.h5",
        rejects="<results>/cube/rejects.parquet",
        planned=branch(settings.sky.source == "archive", then="<results>/sky/plan/files.parquet"),
        code=library("check_accounts.py"),
    output:
        accounts=report(
            "<results>/cube/accounts.json",
            caption="../workflow/report/accounts.rst",
            category="Sample",
            labels={"what": "Raw files in the cube and set aside"},
        ),
    log:
        "<logs>/cube/check_accounts.log",
    benchmark:
        "<benchmarks>/cube/check_accounts.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    script:
        "../workflow/scripts/check_accounts.py"


rule export_zoom:
    input:
        dense="<results>/cube/dense.h5",
        code=library("export_zoom.py"),
    output:
        arrays="<results>/sample/zoom{zoom}.h5",
    log:
        "<logs>/sample/export_zoom{zoom}.log",
    benchmark:
        "<benchmarks>/sample/export_zoom{zoom}.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_with_shards(500),
    script:
        "../workflow/scripts/export_zoom.py"


rule list_objects:
    input:
        dense="<results>/cube/dense.h5",
        code=library("list_objects.py"),
    output:
        objects="<results>/sample/objects.parquet",
    log:
        "<logs>/sample/list_objects.log",
    benchmark:
        "<benchmarks>/sample/list_objects.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(500),
    script:
        "../workflow/scripts/list_objects.py"


rule find_gaps:
    input:
        arrays=expand("<results>/sample/zoom{zoom}.h5", zoom=ZOOMS),
        objects="<results>/sample/objects.parquet",
        code=library("find_gaps.py"),
    output:
        gaps="<results>/sample/gaps.parquet",
        missing="<results>/sample/missing.parquet",
        table=report(
            "<results>/sample/gap_table.csv",
            caption="../workflow/report/gap_table.rst",
            category="Sample",
            labels={"what": "Gaps in spectra (Table 2.2)"},
        ),
    log:
        "<logs>/sample/find_gaps.log",
    benchmark:
        "<benchmarks>/sample/find_gaps.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        zooms=ZOOMS,
    script:
        "../workflow/scripts/find_gaps.py"


rule find_multi_objects:
    input:
        arrays="<results>/sample/zoom0.h5",
        code=library("find_multi_objects.py"),
    output:
        multi="<results>/sample/multi_object.parquet",
    log:
        "<logs>/sample/find_multi_objects.log",
    benchmark:
        "<benchmarks>/sample/find_multi_objects.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        multi_object=settings.sample.multi_object.model_dump(include={"threshold", "band"}),
    script:
        "../workflow/scripts/find_multi_objects.py"


# Real segmentation beside the rule of thumb: which pixels of each cutout are another source's.
rule find_neighbours:
    input:
        arrays="<results>/sample/zoom0.h5",
        code=library("find_neighbours.py"),
    output:
        neighbours="<results>/sample/neighbours.h5",
        sources="<results>/sample/sources.parquet",
    log:
        "<logs>/sample/find_neighbours.log",
    benchmark:
        "<benchmarks>/sample/find_neighbours.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        segmentation=SEGMENTATION,
    script:
        "../workflow/scripts/find_neighbours.py"


rule make_ledger:
    input:
        manifest="<results>/sky/manifest.parquet",
        rejects="<results>/cube/rejects.parquet",
        sparse="<results>/cube/sparse.h5",
        dense="<results>/cube/dense.h5",
        objects="<results>/sample/objects.parquet",
        missing="<results>/sample/missing.parquet",
        gaps="<results>/sample/gaps.parquet",
        multi="<results>/sample/multi_object.parquet",
        sources=sources_table,
        plan=branch(settings.sky.source == "archive", then="<results>/sky/plan/plan.json"),
        code=library("make_ledger.py"),
    output:
        ledger=report(
            "<results>/sample/{sample}/ledger.csv",
            caption="../workflow/report/ledger.rst",
            category="Sample",
            labels={"what": "Ledger of the selection (Table 2.1)"},
        ),
        cleaned="<results>/sample/{sample}/cleaned.parquet",
    log:
        "<logs>/sample/{sample}/make_ledger.log",
    benchmark:
        "<benchmarks>/sample/{sample}/make_ledger.jsonl"
    wildcard_constraints:
        sample=NO_SIDE_SAMPLES,
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(2000),
    params:
        choice=sample_choice,
    script:
        "../workflow/scripts/make_ledger.py"


# One split of all labelled objects, whatever sample they are in: what is held out of one is held out of all.
rule split_objects:
    input:
        objects="<results>/sample/objects.parquet",
        study=f"<results>/sample/{SAMPLE}/cleaned.parquet",
        code=library("split_objects.py"),
    output:
        split="<results>/sample/split.parquet",
    log:
        "<logs>/sample/split_objects.log",
    benchmark:
        "<benchmarks>/sample/split_objects.jsonl"
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
        "../workflow/scripts/split_objects.py"


rule split_sample:
    input:
        cleaned="<results>/sample/{sample}/cleaned.parquet",
        split="<results>/sample/split.parquet",
        code=library("split_sample.py"),
    output:
        split="<results>/sample/{sample}/split.parquet",
    log:
        "<logs>/sample/{sample}/split_sample.log",
    benchmark:
        "<benchmarks>/sample/{sample}/split_sample.jsonl"
    wildcard_constraints:
        sample=NO_SIDE_SAMPLES,
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
        "../workflow/scripts/split_sample.py"


# The Balmer lines of each labelled object's spectrum: the survey's own measures or, without its file, a fit's.
rule measure_lines:
    input:
        objects="<results>/sample/objects.parquet",
        manifest="<results>/sky/manifest.parquet",
        dense="<results>/cube/dense.h5",
        code=library("measure_lines.py"),
    output:
        lines="<results>/sample/lines.parquet",
    log:
        "<logs>/sample/measure_lines.log",
    benchmark:
        "<benchmarks>/sample/measure_lines.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        root=raw_root,
    script:
        "../workflow/scripts/measure_lines.py"
