# Figures of one model: metrics, costs, sweeps and learning curves, numbered as in the thesis.


# Number of the thesis's figure of LightGBM's settings, of each modality of the study.
LIGHTGBM_SWEEPS = {
    name: number for name, number in {"photo": "3.18", "spectra": "3.20", "early": "3.22"}.items() if name in MODALITIES
}


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
        sweeps=[
            report(
                f"<results>/report/figures/fig_lightgbm_sweep_{modality}.svg",
                caption=f"../workflow/report/fig_lightgbm_sweep_{modality}.rst",
                category="LightGBM",
                labels={"what": f"Figure {number}: metrics against settings, {modality}"},
            )
            for modality, number in LIGHTGBM_SWEEPS.items()
        ],
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
                *[f"fig_lightgbm_sweep_{modality}" for modality in LIGHTGBM_SWEEPS],
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
