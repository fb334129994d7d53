# The gallery: objects that are worth a look, each with its five bands and its spectrum.


rule make_gallery:
    input:
        arrays="<results>/sample/zoom0.h5",
        objects="<results>/sample/objects.parquet",
        multi_object="<results>/sample/multi_object.parquet",
        missing="<results>/sample/missing.parquet",
        cleaned=f"<results>/sample/{SAMPLE}/cleaned.parquet",
        metrics="<results>/evaluation/metrics.csv" if HAS_EXPERIMENTS else [],
        tests=expand("<results>/evaluation/test_{model}.parquet", model=MODELS),
        code=library("make_gallery.py"),
    output:
        gallery="<results>/report/gallery/gallery.json",
        table=report(
            "<results>/report/gallery/gallery.csv",
            caption="../workflow/report/gallery.rst",
            category="Sample",
            labels={"what": "Gallery of objects"},
        ),
        images=directory("<results>/report/gallery/images"),
    log:
        "<logs>/report/make_gallery.log",
    benchmark:
        "<benchmarks>/report/make_gallery.jsonl"
    conda:
        "../envs/report.yaml"
    envmodules:
        *site_modules("report"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1500),
    params:
        level=interval_level(),
        sky=settings.sky.source,
    script:
        "../workflow/scripts/make_gallery.py"
