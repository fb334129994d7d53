# The report: one HTML file that holds everything.


# The study's tables and figures are inputs only where there is a study: without one it is the report of a sample.
rule write_report:
    input:
        manifest="<results>/sky/manifest.parquet",
        rejects="<results>/cube/rejects.parquet",
        ledger=f"<results>/sample/{SAMPLE}/ledger.csv",
        gaps="<results>/sample/gap_table.csv",
        runs="<results>/evaluation/runs.csv" if HAS_EXPERIMENTS else [],
        selection="<results>/evaluation/selection.csv" if HAS_EXPERIMENTS else [],
        metrics="<results>/evaluation/metrics.csv" if HAS_EXPERIMENTS else [],
        comparisons="<results>/evaluation/comparisons.csv" if HAS_EXPERIMENTS else [],
        split=f"<results>/sample/{SAMPLE}/split.parquet" if HAS_EXPERIMENTS else [],
        intervals="<results>/evaluation/intervals.csv" if INTERVALS else [],
        variants=variants_table(),
        cascade=cascade(),
        labels="<results>/sample/label_noise.csv" if HAS_EXPERIMENTS else [],
        importance=importance_summary(),
        trends="<results>/evaluation/residual_trends.csv" if HAS_EXPERIMENTS else [],
        calibration="<results>/evaluation/calibration.csv" if INTERVALS else [],
        learning=rules.fit_learning.output.fits if learning_table() else [],
        tests=expand("<results>/evaluation/test_{model}.parquet", model=MODELS),
        objects="<results>/sample/objects.parquet" if HAS_EXPERIMENTS else [],
        gallery="<results>/report/gallery/gallery.json",
        halpha=runs_of("halpha", "model.json")[:1],
        structure=structure_tables(),
        targets=target_files(),
        cases=cases_tables(),
        scenes=scene_tables(),
        figures=[
            rules.plot_sample.output,
            rules.plot_labels.output,
            rules.plot_neighbours.output,
            rules.plot_sample_choices.output if variants_table() else [],
            rules.plot_decision_tree.output if "decision_tree" in MODELS else [],
            rules.plot_lightgbm.output if "lightgbm" in MODELS else [],
            rules.plot_vggnet12.output if "vggnet12" in MODELS else [],
            rules.plot_comparison.output if HAS_EXPERIMENTS else [],
            rules.plot_intervals.output if INTERVALS else [],
            rules.plot_variants.output if variants_table() else [],
            rules.plot_cascade.output if cascade() else [],
            rules.plot_structure.output if STRUCTURE else [],
            rules.plot_targets.output if TARGETS else [],
            rules.plot_cases.output if CASES else [],
            rules.plot_scenes.output if SCENES else [],
            rules.plot_residuals.output if HAS_EXPERIMENTS else [],
            rules.plot_calibration.output if INTERVALS else [],
            rules.plot_importance.output if importance(".csv") else [],
            rules.plot_saliency.output if saliency(".csv") else [],
            rules.plot_learning.output if learning_table() else [],
        ],
        captions=[
            os.path.relpath(path) for path in sorted(Path(workflow.basedir, "workflow", "report").glob("fig_*.rst"))
        ],
        page=[
            os.path.relpath(Path(workflow.basedir, "workflow", "scripts", "hiss", "report", name))
            for name in ("template.html.j2", "parts.html.j2", "report.css", "report.js", "plots.js", "runs.js")
        ],
        code=library("write_report.py"),
    output:
        report=report(
            "<results>/report/report.html",
            caption="../workflow/report/report.rst",
            category="Report",
            labels={"what": "The whole report"},
        ),
    log:
        "<logs>/report/write_report.log",
    benchmark:
        "<benchmarks>/report/write_report.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        title=settings.report.title,
        config=" + ".join(map(os.path.relpath, workflow.configfiles)),
        sky=settings.sky.source,
        settings=settings.model_dump(mode="json"),
    script:
        "../workflow/scripts/write_report.py"
