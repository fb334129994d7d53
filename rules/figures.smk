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
        beside=expand(
            "<results>/report/figures/{name}.{suffix}",
            name=[
                "fig_1_1_example_object",
                "fig_2_1_avg_distribution",
                "fig_2_2_missing_flux",
                "fig_2_3_gap_lengths",
                "fig_2_4_gap_wavelengths",
                "fig_2_5_multi_objects",
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


rule plot_decision_tree:
    input:
        runs="<results>/evaluation/runs.csv",
        selection="<results>/evaluation/selection.csv",
        metrics="<results>/evaluation/metrics.csv",
        code=library("plot_model.py"),
    output:
        metrics=report(
            "<results>/report/figures/fig_metrics_decision_tree.svg",
            caption="../workflow/report/fig_metrics.rst",
            category="Decision tree",
            labels={"what": "Figure 3.7: metrics on the test set"},
        ),
        runtime=report(
            "<results>/report/figures/fig_runtime_decision_tree.svg",
            caption="../workflow/report/fig_runtime.rst",
            category="Decision tree",
            labels={"what": "Figure 3.8: cost"},
        ),
        depth=report(
            "<results>/report/figures/fig_dt_depth.svg",
            caption="../workflow/report/fig_dt_depth.rst",
            category="Decision tree",
            labels={"what": "Figure 3.4 to 3.6: metrics against depth"},
        ),
        beside=expand(
            "<results>/report/figures/{name}.{suffix}",
            name=[
                "fig_metrics_decision_tree",
                "fig_runtime_decision_tree",
                "fig_dt_depth",
            ],
            suffix=["png", "csv"],
        ),
    log:
        "<logs>/report/plot_decision_tree.log",
    benchmark:
        "<benchmarks>/report/plot_decision_tree.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1500),
    params:
        model="decision_tree",
    script:
        "../workflow/scripts/plot_model.py"


rule plot_lightgbm:
    input:
        runs="<results>/evaluation/runs.csv",
        selection="<results>/evaluation/selection.csv",
        metrics="<results>/evaluation/metrics.csv",
        curves=[path for path in all_runs("curve.csv") if "/lightgbm/" in path],
        code=library("plot_model.py"),
    output:
        metrics=report(
            "<results>/report/figures/fig_metrics_lightgbm.svg",
            caption="../workflow/report/fig_metrics.rst",
            category="LightGBM",
            labels={"what": "Figure 3.23: metrics on the test set"},
        ),
        runtime=report(
            "<results>/report/figures/fig_runtime_lightgbm.svg",
            caption="../workflow/report/fig_runtime.rst",
            category="LightGBM",
            labels={"what": "Figure 3.24: cost"},
        ),
        sweep=report(
            "<results>/report/figures/fig_lightgbm_sweep.svg",
            caption="../workflow/report/fig_lightgbm_sweep.rst",
            category="LightGBM",
            labels={"what": "Figure 3.18, 3.20, 3.22: RMSE against settings"},
        ),
        curves=report(
            "<results>/report/figures/fig_lightgbm_curves.svg",
            caption="../workflow/report/fig_lightgbm_curves.rst",
            category="LightGBM",
            labels={"what": "Figure 3.17, 3.19, 3.21: RMSE at each iteration"},
        ),
        beside=expand(
            "<results>/report/figures/{name}.{suffix}",
            name=[
                "fig_metrics_lightgbm",
                "fig_runtime_lightgbm",
                "fig_lightgbm_sweep",
                "fig_lightgbm_curves",
            ],
            suffix=["png", "csv"],
        ),
    log:
        "<logs>/report/plot_lightgbm.log",
    benchmark:
        "<benchmarks>/report/plot_lightgbm.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1500),
    params:
        model="lightgbm",
    script:
        "../workflow/scripts/plot_model.py"


rule plot_vggnet12:
    input:
        runs="<results>/evaluation/runs.csv",
        selection="<results>/evaluation/selection.csv",
        metrics="<results>/evaluation/metrics.csv",
        curves=[path for path in all_runs("curve.csv") if "/vggnet12/" in path],
        code=library("plot_model.py"),
    output:
        metrics=report(
            "<results>/report/figures/fig_metrics_vggnet12.svg",
            caption="../workflow/report/fig_metrics.rst",
            category="VGGNet12",
            labels={"what": "Figure 3.15: metrics on the test set"},
        ),
        runtime=report(
            "<results>/report/figures/fig_runtime_vggnet12.svg",
            caption="../workflow/report/fig_runtime.rst",
            category="VGGNet12",
            labels={"what": "Figure 3.16: cost"},
        ),
        sweep=report(
            "<results>/report/figures/fig_vgg_sweep.svg",
            caption="../workflow/report/fig_vgg_sweep.rst",
            category="VGGNet12",
            labels={"what": "Figure 3.10, 3.12, 3.14: metrics against learning rate"},
        ),
        curves=report(
            "<results>/report/figures/fig_vgg_curves.svg",
            caption="../workflow/report/fig_vgg_curves.rst",
            category="VGGNet12",
            labels={"what": "Figure 3.9, 3.11, 3.13: RMSE at each epoch"},
        ),
        beside=expand(
            "<results>/report/figures/{name}.{suffix}",
            name=[
                "fig_metrics_vggnet12",
                "fig_runtime_vggnet12",
                "fig_vgg_sweep",
                "fig_vgg_curves",
            ],
            suffix=["png", "csv"],
        ),
    log:
        "<logs>/report/plot_vggnet12.log",
    benchmark:
        "<benchmarks>/report/plot_vggnet12.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1500),
    params:
        model="vggnet12",
    script:
        "../workflow/scripts/plot_model.py"


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
