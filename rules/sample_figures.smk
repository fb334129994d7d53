# Figures of the sample's choices: neighbours found, and what is made of them and of gaps.


rule plot_neighbours:
    input:
        arrays="<results>/sample/zoom0.h5",
        neighbours="<results>/sample/neighbours.h5",
        objects="<results>/sample/objects.parquet",
        multi="<results>/sample/multi_object.parquet",
        sources="<results>/sample/sources.parquet",
        code=library("plot_neighbours.py"),
    output:
        figure=report(
            "<results>/report/figures/fig_neighbours.svg",
            caption="../workflow/report/fig_neighbours.rst",
            category="Sample",
            labels={"what": "Neighbours: threshold and segmentation"},
        ),
        beside=expand("<results>/report/figures/fig_neighbours.{suffix}", suffix=["png", "csv"]),
    log:
        "<logs>/report/plot_neighbours.log",
    benchmark:
        "<benchmarks>/report/plot_neighbours.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        multi_object=settings.sample.multi_object.model_dump(include={"threshold", "band"}),
    script:
        "../workflow/scripts/plot_neighbours.py"


rule plot_sample_choices:
    input:
        variants="<results>/evaluation/variants.csv",
        runs="<results>/evaluation/runs.csv",
        code=library("plot_sample_choices.py"),
    output:
        figure=report(
            "<results>/report/figures/fig_sample_choices.svg",
            caption="../workflow/report/fig_sample_choices.rst",
            category="Comparison",
            labels={"what": "Choices about neighbours and gaps"},
        ),
        beside=expand(
            "<results>/report/figures/fig_sample_choices.{suffix}",
            suffix=["png", "csv"],
        ),
    log:
        "<logs>/report/plot_sample_choices.log",
    benchmark:
        "<benchmarks>/report/plot_sample_choices.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        choices=SAMPLES,
        study=SAMPLE,
    script:
        "../workflow/scripts/plot_sample_choices.py"
