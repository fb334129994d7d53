# Shards: the sky cut into cells, each built by the rules of the cube on its own, and the whole shown as one.

if SHARDED:

    checkpoint plan_shards:
        input:
            **sfr_tables(),
            manifest="<results>/sky/manifest.parquet",
            code=library("plan_shards.py"),
        output:
            shards=report(
                "<results>/cube/shards/shards.csv",
                caption="../workflow/report/shards.rst",
                category="Sample",
                labels={"what": "Shards of the sky"},
            ),
        log:
            "<logs>/cube/plan_shards.log",
        benchmark:
            "<benchmarks>/cube/plan_shards.jsonl"
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 4
        resources:
            mem_mb=more_each_attempt(2000),
        params:
            root=raw_root,
            order=settings.cube.shard_order,
            match_radius_arcsec=settings.cube.match_radius_arcsec,
        script:
            "../workflow/scripts/plan_shards.py"

    rule stitch_sparse:
        input:
            **sfr_tables(),
            pieces=of_shards("sparse.h5"),
            code=library("stitch_sparse.py"),
        output:
            sparse="<results>/cube/sparse.h5",
        log:
            "<logs>/cube/stitch_sparse.log",
        benchmark:
            "<benchmarks>/cube/stitch_sparse.jsonl"
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 1
        resources:
            mem_mb=more_with_shards(2000),
        script:
            "../workflow/scripts/stitch_sparse.py"

    rule stitch_links:
        input:
            sparse="<results>/cube/sparse.h5",
            pieces=of_shards("links.h5"),
            code=library("stitch_links.py"),
        output:
            links="<results>/cube/links.h5",
        log:
            "<logs>/cube/stitch_links.log",
        benchmark:
            "<benchmarks>/cube/stitch_links.jsonl"
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 1
        resources:
            mem_mb=more_with_shards(600),
        script:
            "../workflow/scripts/stitch_links.py"

    rule stitch_dense:
        input:
            sparse="<results>/cube/sparse.h5",
            links="<results>/cube/links.h5",
            pieces=of_shards("dense.h5"),
            code=library("stitch_dense.py"),
        output:
            dense="<results>/cube/dense.h5",
        log:
            "<logs>/cube/stitch_dense.log",
        benchmark:
            "<benchmarks>/cube/stitch_dense.jsonl"
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 1
        resources:
            mem_mb=more_with_shards(600),
        script:
            "../workflow/scripts/stitch_dense.py"
