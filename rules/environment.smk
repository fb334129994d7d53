# The surroundings of each object, a further modality: how densely galaxies of the catalogue lie about it.


rule measure_environment:
    input:
        objects="<results>/sample/objects.parquet",
        dense="<results>/cube/dense.h5",
        catalogue=places_of_catalogue(),
        code=library("measure_environment.py"),
    output:
        environment="<results>/sample/environment.parquet",
    log:
        "<logs>/sample/measure_environment.log",
    benchmark:
        "<benchmarks>/sample/measure_environment.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_with_shards(2000),
    params:
        match_arcsec=settings.cube.match_radius_arcsec,
    script:
        "../workflow/scripts/measure_environment.py"
