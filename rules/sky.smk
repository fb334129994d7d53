# The sky: raw SDSS files, simulated, local or from the archive, and the manifest that lists them.

if settings.sky.source == "simulated":

    rule simulate_sky:
        input:
            code=library("simulate_sky.py"),
        output:
            truth="<results>/sky/truth.parquet",
            gal_info="<results>/sky/raw/catalogue/gal_info_dr7_v5_2.fit",
            gal_totsfr="<results>/sky/raw/catalogue/gal_totsfr_dr7_v5_2.fits",
        log:
            "<logs>/sky/simulate_sky.log",
        benchmark:
            "<benchmarks>/sky/simulate_sky.jsonl"
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(2000),
        params:
            root=raw_root,
            sky=settings.sky.simulated.model_dump(),
        script:
            "../workflow/scripts/simulate_sky.py"


if settings.sky.source == "local" and settings.sky.local.sfr_csv:

    rule write_catalogue:
        input:
            csv=f"{settings.sky.local.path}/{settings.sky.local.sfr_csv}",
            code=library("write_catalogue.py"),
        output:
            gal_info="<results>/sky/catalogue/gal_info_dr7_v5_2.fit",
            gal_totsfr="<results>/sky/catalogue/gal_totsfr_dr7_v5_2.fits",
        log:
            "<logs>/sky/write_catalogue.log",
        benchmark:
            "<benchmarks>/sky/write_catalogue.jsonl"
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(500),
        script:
            "../workflow/scripts/write_catalogue.py"


if settings.sky.source != "archive":

    rule make_manifest:
        input:
            sky=branch(settings.sky.source != "local", then=list(sfr_tables().values())),
            code=library("make_manifest.py"),
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
            mem_mb=more_each_attempt(1000),
        params:
            root=raw_root,
            state=raw_state,
        script:
            "../workflow/scripts/make_manifest.py"
