# Diagnostics: what the models look at, how their errors follow what is known, what more training objects bring.


# What diagnostics ask of the arrays, so that nothing after the evaluation reads them.
rule describe_arrays:
    input:
        arrays=expand("<results>/sample/zoom{zoom}.h5", zoom=STUDY_ZOOMS),
        code=library("describe_arrays.py"),
    output:
        magnitudes="<results>/sample/magnitudes.parquet",
        wavelengths="<results>/sample/wavelengths.csv",
    log:
        "<logs>/sample/describe_arrays.log",
    benchmark:
        "<benchmarks>/sample/describe_arrays.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        fiber_arcsec=settings.cube.image_fiber_arcsec,
    script:
        "../workflow/scripts/describe_arrays.py"


rule measure_importance:
    input:
        selection="<results>/evaluation/selection_lightgbm.csv",
        features=features,
        metrics=lightgbm_runs_at("metrics.json"),
        models=lightgbm_runs_at("model.txt"),
        wavelengths="<results>/sample/wavelengths.csv",
        objects="<results>/sample/objects.parquet",
        split=f"<results>/sample/{SAMPLE}/split.parquet",
        code=library("measure_importance.py"),
    output:
        regions="<results>/evaluation/importance/{modality}/zoom{zoom}.csv",
        maps="<results>/evaluation/importance/{modality}/zoom{zoom}_map.csv",
    log:
        "<logs>/evaluation/importance/{modality}/zoom{zoom}.log",
    benchmark:
        "<benchmarks>/evaluation/importance/{modality}/zoom{zoom}.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=training_memory,
        runtime=training_minutes(30),
    params:
        **diagnostics_settings("permutations"),
        n_resamples=settings.report.bootstrap,
        seed=settings.report.seed,
    script:
        "../workflow/scripts/measure_importance.py"


rule collect_importance:
    input:
        regions=importance(".csv"),
        code=library("collect_importance.py"),
    output:
        summary=report(
            "<results>/evaluation/importance/summary.csv",
            caption="../workflow/report/importance.rst",
            category="Tables",
            labels={"what": "Importance of lines and bands"},
        ),
    log:
        "<logs>/evaluation/importance/collect.log",
    benchmark:
        "<benchmarks>/evaluation/importance/collect.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(500),
    script:
        "../workflow/scripts/collect_importance.py"


rule measure_saliency:
    input:
        selection="<results>/evaluation/selection_vggnet12.csv",
        features=features,
        metrics=network_runs_at("metrics.json"),
        models=network_runs_at("model.safetensors"),
        wavelengths="<results>/sample/wavelengths.csv",
        objects="<results>/sample/objects.parquet",
        code=library("measure_saliency.py"),
    output:
        regions="<results>/evaluation/saliency/{modality}/zoom{zoom}.csv",
        maps="<results>/evaluation/saliency/{modality}/zoom{zoom}_map.csv",
    log:
        "<logs>/evaluation/saliency/{modality}/zoom{zoom}.log",
    benchmark:
        "<benchmarks>/evaluation/saliency/{modality}/zoom{zoom}.jsonl"
    conda:
        "../envs/cnn.yaml"
    envmodules:
        *site_modules("cnn"),
    threads: 1
    resources:
        mem_mb=network_memory,
        runtime=training_minutes(60),
    params:
        **diagnostics_settings("saliency_objects", "gradients"),
        seed=settings.report.seed,
    script:
        "../workflow/scripts/measure_saliency.py"


rule measure_residuals:
    input:
        tests=expand("<results>/evaluation/test_{model}.parquet", model=MODELS),
        metrics="<results>/evaluation/metrics.csv",
        objects="<results>/sample/objects.parquet",
        magnitudes="<results>/sample/magnitudes.parquet",
        split=f"<results>/sample/{SAMPLE}/split.parquet",
        code=library("measure_residuals.py"),
    output:
        residuals="<results>/evaluation/residuals.csv",
        trends=report(
            "<results>/evaluation/residual_trends.csv",
            caption="../workflow/report/residual_trends.rst",
            category="Tables",
            labels={"what": "What residuals follow"},
        ),
    log:
        "<logs>/evaluation/measure_residuals.log",
    benchmark:
        "<benchmarks>/evaluation/measure_residuals.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        n_resamples=settings.report.bootstrap,
        seed=settings.report.seed,
    script:
        "../workflow/scripts/measure_residuals.py"


rule measure_calibration:
    input:
        tests=expand("<results>/evaluation/test_{model}.parquet", model=MODELS),
        metrics="<results>/evaluation/metrics.csv",
        split=f"<results>/sample/{SAMPLE}/split.parquet",
        out_of_fold=held_out_of_study(),
        quantiles=quantiles_of_study(),
        code=library("measure_calibration.py"),
    output:
        calibration=report(
            "<results>/evaluation/calibration.csv",
            caption="../workflow/report/calibration.rst",
            category="Tables",
            labels={"what": "Calibration of the intervals"},
        ),
    log:
        "<logs>/evaluation/measure_calibration.log",
    benchmark:
        "<benchmarks>/evaluation/measure_calibration.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        level=interval_level(),
    script:
        "../workflow/scripts/measure_calibration.py"


rule fit_learning:
    input:
        selection="<results>/evaluation/selection.csv",
        runs=runs_behind_shares("metrics.json"),
        predictions=runs_behind_shares("validation.parquet"),
        variants=share_variants("metrics.json"),
        variant_predictions=share_variants("validation.parquet"),
        split=f"<results>/sample/{SAMPLE}/split.parquet",
        code=library("fit_learning.py"),
    output:
        points=report(
            "<results>/evaluation/learning_curve.csv",
            caption="../workflow/report/learning_curve.rst",
            category="Tables",
            labels={"what": "Learning curves"},
        ),
        fits="<results>/evaluation/learning_fits.csv",
    log:
        "<logs>/evaluation/fit_learning.log",
    benchmark:
        "<benchmarks>/evaluation/fit_learning.jsonl"
    conda:
        "../envs/trees.yaml"
    envmodules:
        *site_modules("trees"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        n_resamples=settings.report.bootstrap,
        seed=settings.report.seed,
    script:
        "../workflow/scripts/fit_learning.py"
