# The label's own noise: its width, and the labels of galaxies that have several spectra.


rule measure_labels:
    input:
        dense="<results>/cube/dense.h5",
        sparse="<results>/cube/sparse.h5",
        objects="<results>/sample/objects.parquet",
        code=library("measure_labels.py"),
    output:
        repeats="<results>/sample/label_repeats.parquet",
        noise=report(
            "<results>/sample/label_noise.csv",
            caption="../workflow/report/label_noise.rst",
            category="Sample",
            labels={"what": "The label's own noise"},
        ),
    log:
        "<logs>/sample/measure_labels.log",
    benchmark:
        "<benchmarks>/sample/measure_labels.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_with_shards(1000),
    script:
        "../workflow/scripts/measure_labels.py"


rule plot_labels:
    input:
        objects="<results>/sample/objects.parquet",
        repeats="<results>/sample/label_repeats.parquet",
        code=library("plot_labels.py"),
    output:
        figure=report(
            "<results>/report/figures/fig_label_scatter.svg",
            caption="../workflow/report/fig_label_scatter.rst",
            category="Sample",
            labels={"what": "Beyond the thesis: the label's own noise"},
        ),
        beside=expand("<results>/report/figures/fig_label_scatter.{suffix}", suffix=["png", "csv"]),
    log:
        "<logs>/report/plot_labels.log",
    benchmark:
        "<benchmarks>/report/plot_labels.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1500),
    script:
        "../workflow/scripts/plot_labels.py"
