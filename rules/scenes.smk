# Scenes by images and audio, beside the study: the public set's frames, or a stand-in, split by video and at random.

if SCENES and SCENES.source == "simulated":

    rule simulate_scenes:
        input:
            code=library("simulate_scenes.py"),
        output:
            csv="<results>/scenes/raw/dataset.csv",
            images=directory("<results>/scenes/raw/images"),
        log:
            "<logs>/scenes/simulate_scenes.log",
        benchmark:
            "<benchmarks>/scenes/simulate_scenes.jsonl"
        conda:
            "../envs/report.yaml"
        envmodules:
            *site_modules("report"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(500),
        params:
            clips=SCENES.simulated.model_dump(),
        script:
            "../workflow/scripts/simulate_scenes.py"


if SCENES and SCENES.source == "address":

    # The zip itself is no output: a transfer that broke off is gone on with.
    rule fetch_scenes:
        input:
            code=library("fetch_scenes.py"),
        output:
            fetched="<results>/scenes/fetched.json",
        log:
            "<logs>/scenes/fetch_scenes.log",
        benchmark:
            "<benchmarks>/scenes/fetch_scenes.jsonl"
        localrule: True
        conda:
            "../envs/cube.yaml"
        envmodules:
            *site_modules("cube"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(500),
        params:
            folder=scene_archive(),
            address=SCENES.address.address,
            sha256=SCENES.address.sha256,
        script:
            "../workflow/scripts/fetch_scenes.py"


if SCENES:

    rule read_scenes:
        input:
            set=scene_set(),
            code=library("read_scenes.py"),
        output:
            arrays="<results>/scenes/arrays.h5",
            ledger=report(
                "<results>/scenes/ledger.csv",
                caption="../workflow/report/scenes_ledger.rst",
                category="Scenes",
                labels={"what": "What became of every frame"},
            ),
            rejects="<results>/scenes/rejects.csv",
        log:
            "<logs>/scenes/read_scenes.log",
        benchmark:
            "<benchmarks>/scenes/read_scenes.jsonl"
        conda:
            "../envs/report.yaml"
        envmodules:
            *site_modules("report"),
        threads: 2
        resources:
            mem_mb=more_each_attempt(2000),
            runtime=120,
        params:
            folder=scene_folder(),
            side=SCENES.image_side,
            video_pattern=SCENES.video_pattern,
            state=scene_state(),
        script:
            "../workflow/scripts/read_scenes.py"

    rule split_scene:
        input:
            arrays="<results>/scenes/arrays.h5",
            code=library("split_scene.py"),
        output:
            split="<results>/sample/{target}/split.parquet",
            objects="<results>/side/{target}/objects.parquet",
            counts="<results>/side/{target}/counts.csv",
        log:
            "<logs>/side/{target}/split_scene.log",
        benchmark:
            "<benchmarks>/side/{target}/split_scene.jsonl"
        wildcard_constraints:
            target=SCENE_SAMPLES,
        conda:
            "../envs/trees.yaml"
        envmodules:
            *site_modules("trees"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(500),
        params:
            shares=scene_shares(),
        script:
            "../workflow/scripts/split_scene.py"

    rule prepare_scene:
        input:
            arrays="<results>/scenes/arrays.h5",
            split="<results>/sample/{sample}/split.parquet",
            objects="<results>/side/{sample}/objects.parquet",
            code=library("prepare_scene.py"),
        output:
            features="<results>/features/{sample}/{inputs}/zoom{zoom}.h5",
        log:
            "<logs>/features/{sample}/{inputs}/zoom{zoom}.log",
        benchmark:
            "<benchmarks>/features/{sample}/{inputs}/zoom{zoom}.jsonl"
        wildcard_constraints:
            sample=SCENE_SAMPLES,
            zoom="0",
        conda:
            "../envs/trees.yaml"
        envmodules:
            *site_modules("trees"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(1000),
        script:
            "../workflow/scripts/prepare_scene.py"

    rule test_scene:
        input:
            metrics=side_runs_of_model("metrics.json"),
            validation=side_runs_of_model("validation.parquet"),
            models=side_models_of_runs,
            arrays="<results>/scenes/arrays.h5",
            split="<results>/sample/{target}/split.parquet",
            code=library("test_scene.py"),
        output:
            test="<results>/side/{target}/test/{model}.parquet",
            costs="<results>/side/{target}/test/{model}.csv",
        log:
            "<logs>/side/{target}/test/{model}.log",
        benchmark:
            "<benchmarks>/side/{target}/test/{model}.jsonl"
        wildcard_constraints:
            target=SCENE_SAMPLES,
            model=SIDE_TREES,
        conda:
            "../envs/trees.yaml"
        envmodules:
            *site_modules("trees"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(2000),
        script:
            "../workflow/scripts/test_scene.py"

    rule test_scene_cnn:
        input:
            metrics=side_runs_of_model("metrics.json"),
            validation=side_runs_of_model("validation.parquet"),
            models=side_models_of_runs,
            arrays="<results>/scenes/arrays.h5",
            split="<results>/sample/{target}/split.parquet",
            code=library("test_scene_cnn.py"),
        output:
            test="<results>/side/{target}/test/{model}.parquet",
            costs="<results>/side/{target}/test/{model}.csv",
        log:
            "<logs>/side/{target}/test/{model}.log",
        benchmark:
            "<benchmarks>/side/{target}/test/{model}.jsonl"
        wildcard_constraints:
            target=SCENE_SAMPLES,
            model="vggnet12",
        conda:
            "../envs/cnn.yaml"
        envmodules:
            *site_modules("cnn"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(4000),
        script:
            "../workflow/scripts/test_scene_cnn.py"

    rule score_scene:
        input:
            tests=side_tests("parquet"),
            costs=side_tests("csv"),
            objects="<results>/side/{target}/objects.parquet",
            split="<results>/sample/{target}/split.parquet",
            code=library("score_scene.py"),
        output:
            scores="<results>/side/{target}/scores.csv",
            recall="<results>/side/{target}/recall.csv",
            confusion="<results>/side/{target}/confusion.csv",
            reliability="<results>/side/{target}/reliability.csv",
            differences="<results>/side/{target}/differences.csv",
        log:
            "<logs>/side/{target}/score_scene.log",
        benchmark:
            "<benchmarks>/side/{target}/score_scene.jsonl"
        wildcard_constraints:
            target=SCENE_SAMPLES,
        conda:
            "../envs/trees.yaml"
        envmodules:
            *site_modules("trees"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(1500),
        params:
            bootstrap=settings.report.bootstrap,
            seed=SCENES.seed,
        script:
            "../workflow/scripts/score_scene.py"

    rule compare_scenes:
        input:
            splits=[results(f"sample/{target}/split.parquet") for target in SCENE_TARGETS],
            objects=[results(f"side/{target}/objects.parquet") for target in SCENE_TARGETS],
            tests=scene_tests("parquet"),
            differences=[results(f"side/{target}/differences.csv") for target in SCENE_TARGETS],
            ledger="<results>/scenes/ledger.csv",
            code=library("compare_scenes.py"),
        output:
            table=report(
                "<results>/scenes/table.csv",
                caption="../workflow/report/scenes_table.rst",
                category="Scenes",
                labels={"what": "Accuracy beside the thesis's"},
            ),
            leak=report(
                "<results>/scenes/leak.csv",
                caption="../workflow/report/scenes_leak.rst",
                category="Scenes",
                labels={"what": "What a split of frames at random feigns"},
            ),
            answers="<results>/scenes/answers.json",
        log:
            "<logs>/scenes/compare_scenes.log",
        benchmark:
            "<benchmarks>/scenes/compare_scenes.jsonl"
        conda:
            "../envs/trees.yaml"
        envmodules:
            *site_modules("trees"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(1000),
        params:
            targets=SCENE_TARGETS,
            source=SCENES.source,
            bootstrap=settings.report.bootstrap,
            seed=SCENES.seed,
        script:
            "../workflow/scripts/compare_scenes.py"

    rule plot_scenes:
        input:
            arrays="<results>/scenes/arrays.h5",
            table="<results>/scenes/table.csv",
            leak="<results>/scenes/leak.csv",
            code=library("plot_scenes.py"),
        output:
            classes=report(
                "<results>/report/figures/fig_scenes_classes.svg",
                caption="../workflow/report/fig_scenes_classes.rst",
                category="Scenes",
                labels={"what": "Scenes: class distributions"},
            ),
            mfcc=report(
                "<results>/report/figures/fig_scenes_mfcc.svg",
                caption="../workflow/report/fig_scenes_mfcc.rst",
                category="Scenes",
                labels={"what": "Scenes: coefficients of the sound"},
            ),
            examples=report(
                "<results>/report/figures/fig_scenes_examples.svg",
                caption="../workflow/report/fig_scenes_examples.rst",
                category="Scenes",
                labels={"what": "Scenes: frames"},
            ),
            leak=report(
                "<results>/report/figures/fig_scenes_leak.svg",
                caption="../workflow/report/fig_scenes_leak.rst",
                category="Scenes",
                labels={"what": "Scenes: split by video and at random"},
            ),
            beside=expand("<results>/report/figures/{name}.{suffix}", name=scene_figures(), suffix=["png", "csv"]),
        log:
            "<logs>/report/plot_scenes.log",
        benchmark:
            "<benchmarks>/report/plot_scenes.jsonl"
        conda:
            "../envs/report.yaml"
        envmodules:
            *site_modules("report"),
        threads: 1
        resources:
            mem_mb=more_each_attempt(1500),
        script:
            "../workflow/scripts/plot_scenes.py"
