# The cube as others have it: an existing one in place of the build, the tree of links, and one file of the public format.

if EXISTING:

    rule adopt_cube:
        input:
            existing=settings.cube.existing,
            code=library("adopt_cube.py"),
        output:
            manifest="<results>/sky/manifest.parquet",
            sparse="<results>/cube/sparse.h5",
            links="<results>/cube/links.h5",
            dense="<results>/cube/dense.h5",
            rejects=report(
                "<results>/cube/rejects.parquet",
                caption="../workflow/report/rejects.rst",
                category="Sample",
                labels={"what": "Files set aside, with the reason"},
            ),
        log:
            "<logs>/cube/adopt_cube.log",
        benchmark:
            "<benchmarks>/cube/adopt_cube.jsonl"
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(2000),
        params:
            fiber_arcsec=settings.cube.image_fiber_arcsec,
            compression=settings.cube.compression,
        script:
            "../workflow/scripts/adopt_cube.py"


rule assemble_cube:
    input:
        sparse="<results>/cube/sparse.h5",
        links="<results>/cube/links.h5",
        dense="<results>/cube/dense.h5",
        code=library("assemble_cube.py"),
    output:
        cube="<results>/cube/hiss_cube.h5",
    log:
        "<logs>/cube/assemble_cube.log",
    benchmark:
        "<benchmarks>/cube/assemble_cube.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(500),
    script:
        "../workflow/scripts/assemble_cube.py"


rule verify_cube:
    input:
        sparse="<results>/cube/sparse.h5",
        links="<results>/cube/links.h5",
        dense="<results>/cube/dense.h5",
        master="<results>/cube/hiss_cube.h5",
        code=library("verify_cube.py"),
    output:
        verified=report(
            "<results>/cube/verified.json",
            caption="../workflow/report/verified.rst",
            category="Sample",
            labels={"what": "Rows proved intact"},
        ),
    log:
        "<logs>/cube/verify_cube.log",
    benchmark:
        "<benchmarks>/cube/verify_cube.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_with_shards(500),
    script:
        "../workflow/scripts/verify_cube.py"


rule export_single:
    input:
        sparse="<results>/cube/sparse.h5",
        links="<results>/cube/links.h5",
        dense="<results>/cube/dense.h5",
        code=library("export_single.py"),
    output:
        cube="<results>/cube/hiss_cube_single.h5",
    log:
        "<logs>/cube/export_single.log",
    benchmark:
        "<benchmarks>/cube/export_single.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_with_shards(1000),
    script:
        "../workflow/scripts/export_single.py"
