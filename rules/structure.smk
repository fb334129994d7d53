# Structure without labels, beside the study: what images and spectra tell before any label is looked at.

if STRUCTURE:

    rule choose_structure:
        input:
            dense="<results>/cube/dense.h5",
            measured="<results>/targets/measured.parquet",
            code=library("choose_structure.py"),
        output:
            objects="<results>/structure/objects.parquet",
            counts="<results>/structure/counts.json",
        log:
            "<logs>/structure/choose_structure.log",
        benchmark:
            "<benchmarks>/structure/choose_structure.jsonl"
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 1
        resources:
            mem_mb=more_with_shards(1000),
        params:
            choice=STRUCTURE.choice(),
        script:
            "../workflow/scripts/choose_structure.py"

    rule explore_structure:
        input:
            dense="<results>/cube/dense.h5",
            arrays="<results>/targets/zoom{zoom}.h5",
            objects="<results>/structure/objects.parquet",
            code=library("explore_structure.py"),
        output:
            places="<results>/structure/{modality}/zoom{zoom}.parquet",
            numbers="<results>/structure/{modality}/zoom{zoom}.json",
        log:
            "<logs>/structure/{modality}/zoom{zoom}.log",
        benchmark:
            "<benchmarks>/structure/{modality}/zoom{zoom}.jsonl"
        conda:
            "../envs/trees.yaml"
        envmodules:
            *site_modules("trees"),
        threads: 1
        resources:
            mem_mb=structure_memory,
            runtime=60,
        params:
            options=STRUCTURE.options(),
        script:
            "../workflow/scripts/explore_structure.py"

    rule compare_structure:
        input:
            objects="<results>/structure/objects.parquet",
            counts="<results>/structure/counts.json",
            places=structure_files("parquet"),
            numbers=structure_files("json"),
            code=library("compare_structure.py"),
        output:
            scores=report(
                "<results>/structure/scores.csv",
                caption="../workflow/report/structure_scores.rst",
                category="Structure",
                labels={"what": "What is found at each zoom"},
            ),
            survival=report(
                "<results>/structure/survival.csv",
                caption="../workflow/report/structure_survival.rst",
                category="Structure",
                labels={"what": "What is left of it at the coarser zooms"},
            ),
            outliers=report(
                "<results>/structure/outliers.csv",
                caption="../workflow/report/structure_outliers.rst",
                category="Structure",
                labels={"what": "Objects unlike the others"},
            ),
            answers="<results>/structure/answers.json",
        log:
            "<logs>/structure/compare_structure.log",
        benchmark:
            "<benchmarks>/structure/compare_structure.jsonl"
        conda:
            "../envs/trees.yaml"
        envmodules:
            *site_modules("trees"),
        threads: 1
        resources:
            mem_mb=compare_structure_memory,
            runtime=60,
        params:
            options=STRUCTURE.options(),
        script:
            "../workflow/scripts/compare_structure.py"

    rule plot_structure:
        input:
            dense="<results>/cube/dense.h5",
            objects="<results>/structure/objects.parquet",
            places=structure_files("parquet"),
            numbers=structure_files("json"),
            scores="<results>/structure/scores.csv",
            survival="<results>/structure/survival.csv",
            outliers="<results>/structure/outliers.csv",
            code=library("plot_structure.py"),
        output:
            report(
                expand("<results>/report/figures/fig_structure_{modality}.svg", modality=STRUCTURE.modalities),
                caption="../workflow/report/fig_structure.rst",
                category="Structure",
                labels={"what": "Beyond the thesis: structure without labels"},
            ),
            scores=report(
                "<results>/report/figures/fig_structure_scores.svg",
                caption="../workflow/report/fig_structure_scores.rst",
                category="Structure",
                labels={"what": "Beyond the thesis: structure against the zoom"},
            ),
            outliers=report(
                "<results>/report/figures/fig_outliers.svg",
                caption="../workflow/report/fig_outliers.rst",
                category="Structure",
                labels={"what": "Beyond the thesis: objects unlike the others"},
            ),
            beside=expand("<results>/report/figures/{name}.{suffix}", name=structure_figures(), suffix=["png", "csv"]),
        log:
            "<logs>/report/plot_structure.log",
        benchmark:
            "<benchmarks>/report/plot_structure.jsonl"
        conda:
            "../envs/report.yaml"
        envmodules:
            *site_modules("report"),
        threads: 1
        resources:
            mem_mb=more_with_shards(2000),
        params:
            pictures=STRUCTURE.outliers,
        script:
            "../workflow/scripts/plot_structure.py"
