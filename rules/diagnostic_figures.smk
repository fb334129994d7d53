# Figures of the diagnostics.


rule plot_residuals:
    input:
        residuals="<results>/evaluation/residuals.csv",
        trends="<results>/evaluation/residual_trends.csv",
        code=library("plot_residuals.py"),
    output:
        figure=report(
            "<results>/report/figures/fig_residuals.svg",
            caption="../workflow/report/fig_residuals.rst",
            category="Diagnostics",
            labels={"what": "Beyond the thesis: what residuals follow"},
        ),
        beside=expand(
            "<results>/report/figures/{name}.{suffix}",
            name=["fig_residuals"],
            suffix=["png", "csv"],
        ),
    log:
        "<logs>/report/plot_residuals.log",
    benchmark:
        "<benchmarks>/report/plot_residuals.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1500),
    script:
        "../workflow/scripts/plot_residuals.py"


rule plot_calibration:
    input:
        calibration="<results>/evaluation/calibration.csv",
        code=library("plot_calibration.py"),
    output:
        figure=report(
            "<results>/report/figures/fig_calibration.svg",
            caption="../workflow/report/fig_calibration.rst",
            category="Diagnostics",
            labels={"what": "Beyond the thesis: calibration of the intervals"},
        ),
        beside=expand(
            "<results>/report/figures/{name}.{suffix}",
            name=["fig_calibration"],
            suffix=["png", "csv"],
        ),
    log:
        "<logs>/report/plot_calibration.log",
    benchmark:
        "<benchmarks>/report/plot_calibration.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1500),
    script:
        "../workflow/scripts/plot_calibration.py"


rule plot_importance:
    input:
        summary=importance_summary(),
        maps=importance("_map.csv"),
        objects="<results>/sample/objects.parquet",
        code=library("plot_importance.py"),
    output:
        spectrum=report(
            "<results>/report/figures/fig_importance_spectrum.svg",
            caption="../workflow/report/fig_importance_spectrum.rst",
            category="Diagnostics",
            labels={"what": "Beyond the thesis: lines that LightGBM uses"},
        ),
        images=report(
            "<results>/report/figures/fig_importance_images.svg",
            caption="../workflow/report/fig_importance_images.rst",
            category="Diagnostics",
            labels={"what": "Beyond the thesis: bands and pixels that LightGBM uses"},
        ),
        beside=expand(
            "<results>/report/figures/{name}.{suffix}",
            name=["fig_importance_spectrum", "fig_importance_images"],
            suffix=["png", "csv"],
        ),
    log:
        "<logs>/report/plot_importance.log",
    benchmark:
        "<benchmarks>/report/plot_importance.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1500),
    script:
        "../workflow/scripts/plot_importance.py"


rule plot_saliency:
    input:
        regions=saliency(".csv"),
        maps=saliency("_map.csv"),
        code=library("plot_saliency.py"),
    output:
        figure=report(
            "<results>/report/figures/fig_saliency.svg",
            caption="../workflow/report/fig_saliency.rst",
            category="Diagnostics",
            labels={"what": "Beyond the thesis: what the CNN looks at"},
        ),
        beside=expand(
            "<results>/report/figures/{name}.{suffix}",
            name=["fig_saliency"],
            suffix=["png", "csv"],
        ),
    log:
        "<logs>/report/plot_saliency.log",
    benchmark:
        "<benchmarks>/report/plot_saliency.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1500),
    script:
        "../workflow/scripts/plot_saliency.py"


rule plot_learning:
    input:
        points="<results>/evaluation/learning_curve.csv",
        fits="<results>/evaluation/learning_fits.csv",
        code=library("plot_learning.py"),
    output:
        figure=report(
            "<results>/report/figures/fig_learning_curve.svg",
            caption="../workflow/report/fig_learning_curve.rst",
            category="Diagnostics",
            labels={"what": "Beyond the thesis: accuracy against sample size"},
        ),
        beside=expand(
            "<results>/report/figures/{name}.{suffix}",
            name=["fig_learning_curve"],
            suffix=["png", "csv"],
        ),
    log:
        "<logs>/report/plot_learning.log",
    benchmark:
        "<benchmarks>/report/plot_learning.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1500),
    script:
        "../workflow/scripts/plot_learning.py"
