# What the further targets' models are worth: the test objects of each, predicted once by the settings that won.

if TARGETS:

    rule test_target:
        input:
            metrics=side_runs_of_model("metrics.json"),
            validation=side_runs_of_model("validation.parquet"),
            models=side_models_of_runs,
            dense="<results>/cube/dense.h5",
            arrays=target_arrays,
            fine="<results>/targets/zoom0.h5",
            split="<results>/sample/{target}/split.parquet",
            code=library("test_target.py"),
        output:
            test="<results>/side/{target}/test/{model}.parquet",
            costs="<results>/side/{target}/test/{model}.csv",
        log:
            "<logs>/side/{target}/test/{model}.log",
        benchmark:
            "<benchmarks>/side/{target}/test/{model}.jsonl"
        wildcard_constraints:
            target=TARGET_SAMPLES,
            model=SIDE_TREES,
        conda:
            "../envs/trees.yaml"
        envmodules:
            *site_modules("trees"),
        threads: 1
        resources:
            mem_mb=more_with_shards(4000),
        params:
            treatment=target_treatment,
        script:
            "../workflow/scripts/test_target.py"

    rule test_target_cnn:
        input:
            metrics=side_runs_of_model("metrics.json"),
            validation=side_runs_of_model("validation.parquet"),
            models=side_models_of_runs,
            dense="<results>/cube/dense.h5",
            arrays=target_arrays,
            fine="<results>/targets/zoom0.h5",
            split="<results>/sample/{target}/split.parquet",
            code=library("test_target_cnn.py"),
        output:
            test="<results>/side/{target}/test/{model}.parquet",
            costs="<results>/side/{target}/test/{model}.csv",
        log:
            "<logs>/side/{target}/test/{model}.log",
        benchmark:
            "<benchmarks>/side/{target}/test/{model}.jsonl"
        wildcard_constraints:
            target=TARGET_SAMPLES,
            model="vggnet12",
        conda:
            "../envs/cnn.yaml"
        envmodules:
            *site_modules("cnn"),
        threads: 1
        resources:
            mem_mb=more_with_shards(8000),
        params:
            treatment=target_treatment,
        script:
            "../workflow/scripts/test_target_cnn.py"

    rule compare_target:
        input:
            tests=side_tests("parquet"),
            costs=side_tests("csv"),
            counts="<results>/side/{target}/counts.csv",
            objects="<results>/side/{target}/objects.parquet",
            split="<results>/sample/{target}/split.parquet",
            code=library("compare_target.py"),
        output:
            scores=report(
                "<results>/side/{target}/scores.csv",
                caption="../workflow/report/target_scores.rst",
                category="Further targets",
                labels={"what": "Scores of {target}"},
            ),
            recall="<results>/side/{target}/recall.csv",
            confusion="<results>/side/{target}/confusion.csv",
            reliability="<results>/side/{target}/reliability.csv",
            differences="<results>/side/{target}/differences.csv",
            answers="<results>/side/{target}/answers.json",
        log:
            "<logs>/side/{target}/compare_target.log",
        benchmark:
            "<benchmarks>/side/{target}/compare_target.jsonl"
        wildcard_constraints:
            target=TARGET_SAMPLES,
        conda:
            "../envs/trees.yaml"
        envmodules:
            *site_modules("trees"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(1500),
        params:
            label=target_label,
            class_weights=target_weights,
            bootstrap=settings.report.bootstrap,
            seed=settings.report.seed,
        script:
            "../workflow/scripts/compare_target.py"

    rule plot_targets:
        input:
            tables=[results(f"side/{target}/{name}.csv") for target in TARGETS for name in TARGET_TABLES],
            tests=target_tests(),
            code=library("plot_targets.py"),
        output:
            report(
                expand("<results>/report/figures/{name}.svg", name=target_figures()),
                caption="../workflow/report/fig_side_cost.rst",
                category="Further targets",
                labels={"what": "Beyond the thesis: further targets"},
            ),
            beside=expand("<results>/report/figures/{name}.{suffix}", name=target_figures(), suffix=["png", "csv"]),
        log:
            "<logs>/report/plot_targets.log",
        benchmark:
            "<benchmarks>/report/plot_targets.jsonl"
        conda:
            "../envs/report.yaml"
        envmodules:
            *site_modules("report"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(1500),
        params:
            targets=target_labels(),
        script:
            "../workflow/scripts/plot_targets.py"
