# Figures: each as SVG and PNG with the data behind it; the report and a reader take them from report/figures.


rule plot_sample:
    input:
        dense="<results>/cube/dense.h5",
        arrays="<results>/sample/zoom0.h5",
        objects="<results>/sample/objects.parquet",
        gaps="<results>/sample/gaps.parquet",
        missing="<results>/sample/missing.parquet",
        multi_object="<results>/sample/multi_object.parquet",
        code=library("plot_sample.py"),
    output:
        example=report(
            "<results>/report/figures/fig_1_1_example_object.svg",
            caption="../workflow/report/fig_1_1_example_object.rst",
            category="Sample",
            labels={"what": "Figure 1.1: example object"},
        ),
        filters=report(
            "<results>/report/figures/fig_1_3_filters.svg",
            caption="../workflow/report/fig_1_3_filters.rst",
            category="Sample",
            labels={"what": "Figure 1.3: filters"},
        ),
        distribution=report(
            "<results>/report/figures/fig_2_1_avg_distribution.svg",
            caption="../workflow/report/fig_2_1_avg_distribution.rst",
            category="Sample",
            labels={"what": "Figure 2.1: distribution of AVG"},
        ),
        missing=report(
            "<results>/report/figures/fig_2_2_missing_flux.svg",
            caption="../workflow/report/fig_2_2_missing_flux.rst",
            category="Sample",
            labels={"what": "Figure 2.2: missing flux"},
        ),
        lengths=report(
            "<results>/report/figures/fig_2_3_gap_lengths.svg",
            caption="../workflow/report/fig_2_3_gap_lengths.rst",
            category="Sample",
            labels={"what": "Figure 2.3: lengths of gaps"},
        ),
        wavelengths=report(
            "<results>/report/figures/fig_2_4_gap_wavelengths.svg",
            caption="../workflow/report/fig_2_4_gap_wavelengths.rst",
            category="Sample",
            labels={"what": "Figure 2.4: wavelengths of gaps"},
        ),
        gallery=report(
            "<results>/report/figures/fig_2_5_multi_objects.svg",
            caption="../workflow/report/fig_2_5_multi_objects.rst",
            category="Sample",
            labels={"what": "Figure 2.5: multi-object cutouts"},
        ),
        classes=report(
            "<results>/report/figures/fig_3_3_class_counts.svg",
            caption="../workflow/report/fig_3_3_class_counts.rst",
            category="Sample",
            labels={"what": "Figure 3.3: galaxies, quasars and stars"},
        ),
        beside=expand(
            "<results>/report/figures/{name}.{suffix}",
            name=[
                "fig_1_1_example_object",
                "fig_1_3_filters",
                "fig_2_1_avg_distribution",
                "fig_2_2_missing_flux",
                "fig_2_3_gap_lengths",
                "fig_2_4_gap_wavelengths",
                "fig_2_5_multi_objects",
                "fig_3_3_class_counts",
            ],
            suffix=["png", "csv"],
        ),
    log:
        "<logs>/report/plot_sample.log",
    benchmark:
        "<benchmarks>/report/plot_sample.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_with_shards(1500),
    params:
        multi_object=settings.sample.multi_object.model_dump(include={"threshold", "band"}),
    script:
        "../workflow/scripts/plot_sample.py"


rule plot_comparison:
    input:
        runs="<results>/evaluation/runs.csv",
        metrics="<results>/evaluation/metrics.csv",
        comparisons="<results>/evaluation/comparisons.csv",
        tests=expand("<results>/evaluation/test_{model}.parquet", model=MODELS),
        objects="<results>/sample/objects.parquet",
        code=library("plot_comparison.py"),
    output:
        predicted=report(
            "<results>/report/figures/fig_predicted_true.svg",
            caption="../workflow/report/fig_predicted_true.rst",
            category="Comparison",
            labels={"what": "Beyond the thesis: predicted against catalogued"},
        ),
        pareto=report(
            "<results>/report/figures/fig_pareto.svg",
            caption="../workflow/report/fig_pareto.rst",
            category="Comparison",
            labels={"what": "Beyond the thesis: accuracy against cost"},
        ),
        baselines=report(
            "<results>/report/figures/fig_baselines.svg",
            caption="../workflow/report/fig_baselines.rst",
            category="Comparison",
            labels={"what": "Beyond the thesis: models beside the baselines"},
        ),
        fusions=report(
            "<results>/report/figures/fig_fusions.svg",
            caption="../workflow/report/fig_fusions.rst",
            category="Comparison",
            labels={"what": "Beyond the thesis: fusions"},
        ),
        beside=expand(
            "<results>/report/figures/{name}.{suffix}",
            name=[
                "fig_predicted_true",
                "fig_pareto",
                "fig_baselines",
                "fig_fusions",
            ],
            suffix=["png", "csv"],
        ),
    log:
        "<logs>/report/plot_comparison.log",
    benchmark:
        "<benchmarks>/report/plot_comparison.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1500),
    script:
        "../workflow/scripts/plot_comparison.py"


rule plot_intervals:
    input:
        intervals="<results>/evaluation/intervals.csv",
        metrics="<results>/evaluation/metrics.csv",
        code=library("plot_intervals.py"),
    output:
        figure=report(
            "<results>/report/figures/fig_intervals.svg",
            caption="../workflow/report/fig_intervals.rst",
            category="Comparison",
            labels={"what": "Beyond the thesis: prediction intervals"},
        ),
        beside=expand("<results>/report/figures/fig_intervals.{suffix}", suffix=["png", "csv"]),
    log:
        "<logs>/report/plot_intervals.log",
    benchmark:
        "<benchmarks>/report/plot_intervals.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1500),
    script:
        "../workflow/scripts/plot_intervals.py"


rule plot_variants:
    input:
        variants="<results>/evaluation/variants.csv",
        code=library("plot_variants.py"),
    output:
        figure=report(
            "<results>/report/figures/fig_variants.svg",
            caption="../workflow/report/fig_variants.rst",
            category="Comparison",
            labels={"what": "Beyond the thesis: variants of the study"},
        ),
        beside=expand("<results>/report/figures/fig_variants.{suffix}", suffix=["png", "csv"]),
    log:
        "<logs>/report/plot_variants.log",
    benchmark:
        "<benchmarks>/report/plot_variants.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1500),
    script:
        "../workflow/scripts/plot_variants.py"


rule plot_cascade:
    input:
        cascade="<results>/evaluation/cascade.csv",
        code=library("plot_cascade.py"),
    output:
        figure=report(
            "<results>/report/figures/fig_cascade.svg",
            caption="../workflow/report/fig_cascade.rst",
            category="Comparison",
            labels={"what": "Beyond the thesis: from a coarse zoom to a fine one"},
        ),
        beside=expand("<results>/report/figures/fig_cascade.{suffix}", suffix=["png", "csv"]),
    log:
        "<logs>/report/plot_cascade.log",
    benchmark:
        "<benchmarks>/report/plot_cascade.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1500),
    script:
        "../workflow/scripts/plot_cascade.py"
