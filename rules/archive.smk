# The archive: from a region of the sky to a plan of files, and from the plan to verified raw files.

if settings.sky.source == "archive":

    bound("fetches", settings.sky.archive.jobs)

    rule fetch_catalogue:
        input:
            code=library("fetch_catalogue.py"),
        output:
            fetched="<results>/sky/fetched/catalogue.parquet",
        log:
            "<logs>/sky/fetch_catalogue.log",
        benchmark:
            "<benchmarks>/sky/fetch_catalogue.jsonl"
        localrule: settings.sky.archive.fetch_locally
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 1
        resources:
            **fetch_resources(),
            mem_mb=more_each_attempt(500),
        params:
            root=raw_root,
            catalogue=settings.sky.archive.catalogue,
            catalogue_url=settings.sky.archive.catalogue_url,
            base_url=settings.sky.archive.base_url,
            data_release=settings.sky.archive.data_release,
            lists=survey_lists(),
        script:
            "../workflow/scripts/fetch_catalogue.py"

    rule prepare_catalogue:
        input:
            fetched="<results>/sky/fetched/catalogue.parquet",
            code=library("prepare_catalogue.py"),
        output:
            gal_info="<results>/sky/catalogue/gal_info_dr7_v5_2.fit",
            gal_totsfr="<results>/sky/catalogue/gal_totsfr_dr7_v5_2.fits",
        log:
            "<logs>/sky/prepare_catalogue.log",
        benchmark:
            "<benchmarks>/sky/prepare_catalogue.jsonl"
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(3000),
        params:
            root=raw_root,
            catalogue=settings.sky.archive.catalogue,
            rows=settings.sky.archive.catalogue_rows,
        script:
            "../workflow/scripts/prepare_catalogue.py"

    checkpoint plan_archive:
        input:
            **sfr_tables(),
            fetched="<results>/sky/fetched/catalogue.parquet",
            region=region_lists(),
            code=library("plan_archive.py"),
        output:
            objects="<results>/sky/plan/objects.parquet",
            files="<results>/sky/plan/files.parquet",
            plan="<results>/sky/plan/plan.json",
            text=report(
                "<results>/sky/plan/plan.txt",
                caption="../workflow/report/plan.rst",
                category="Sample",
                labels={"what": "What was asked of the archive"},
            ),
        log:
            "<logs>/sky/plan_archive.log",
        benchmark:
            "<benchmarks>/sky/plan_archive.jsonl"
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(1500),
        params:
            root=raw_root,
            lists=survey_lists(),
            archive=planned_settings(),
            cube=settings.cube.model_dump(include={"mode", "shard_order"}),
        script:
            "../workflow/scripts/plan_archive.py"

    rule plan:
        input:
            plan="<results>/sky/plan/plan.json",
            text="<results>/sky/plan/plan.txt",
            code=library("show_plan.py"),
        log:
            "<logs>/sky/plan.log",
        localrule: True
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(300),
        params:
            root=raw_root,
            accept_gb=settings.sky.archive.accept_gb,
        script:
            "../workflow/scripts/show_plan.py"

    rule accept_plan:
        input:
            plan="<results>/sky/plan/plan.json",
            code=library("accept_plan.py"),
        output:
            accepted="<results>/sky/plan/accepted.json",
        log:
            "<logs>/sky/accept_plan.log",
        benchmark:
            "<benchmarks>/sky/accept_plan.jsonl"
        localrule: True
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(300),
            accept_mb=int(1000 * settings.sky.archive.accept_gb),  # no parameter: to raise it fetches nothing anew
        script:
            "../workflow/scripts/accept_plan.py"

    # A new plan runs every batch: what is there is hashed, what is new is fetched. Not ancient(): behind a checkpoint
    # that runs anew Snakemake then leaves the batches as they were.
    rule fetch_batch:
        input:
            accepted="<results>/sky/plan/accepted.json",
            files="<results>/sky/plan/files.parquet",
            code=library("fetch_batch.py"),
        output:
            fetched="<results>/sky/fetched/{batch}.parquet",
        log:
            "<logs>/sky/fetch_batch/{batch}.log",
        benchmark:
            "<benchmarks>/sky/fetch_batch/{batch}.jsonl"
        localrule: settings.sky.archive.fetch_locally
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 1
        resources:
            **fetch_resources(),
            mem_mb=more_each_attempt(600),
        params:
            root=raw_root,
        script:
            "../workflow/scripts/fetch_batch.py"

    rule repack_batch:
        input:
            fetched="<results>/sky/fetched/{batch}.parquet",
            code=library("repack_batch.py"),
        output:
            repacked="<results>/sky/repacked/{batch}.parquet",
        log:
            "<logs>/sky/repack_batch/{batch}.log",
        benchmark:
            "<benchmarks>/sky/repack_batch/{batch}.jsonl"
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 4
        resources:
            mem_mb=more_each_attempt(600),
        params:
            root=raw_root,
            form=settings.sky.archive.repack,
            keep=settings.sky.archive.keep_bz2,
        script:
            "../workflow/scripts/repack_batch.py"

    rule make_manifest:
        input:
            sky="<results>/sky/fetched/catalogue.parquet",
            files="<results>/sky/plan/files.parquet",
            batches=fetched_batches,
            code=library("join_fetched.py"),
        output:
            manifest="<results>/sky/manifest.parquet",
            set_aside="<results>/sky/set_aside.parquet",
        log:
            "<logs>/sky/make_manifest.log",
        benchmark:
            "<benchmarks>/sky/make_manifest.jsonl"
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 4
        resources:
            mem_mb=more_each_attempt(3000),
        params:
            root=raw_root,
        script:
            "../workflow/scripts/join_fetched.py"
