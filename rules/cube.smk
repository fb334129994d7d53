# The HiSS-Cube: calibrated images and spectra at four zooms, links between them, one stacked cutout a target.


rule build_sparse:
    input:
        **piece_inputs(),
        script=library("build_sparse.py")[0],
        code=library("build_sparse.py"),
    output:
        sparse=f"<results>/{PIECE}/sparse.h5",
        rejects=f"<results>/{PIECE}/sparse_rejects.parquet",
    log:
        f"<logs>/{PIECE}/build_sparse.log",
    benchmark:
        f"<benchmarks>/{PIECE}/build_sparse.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mpi=mpi_launcher,
        tasks=mpi_ranks,
        mem_mb=more_each_attempt(1200),
        mem_mb_per_cpu=more_each_attempt(600),
    params:
        root=raw_root,
        settings=settings.cube.for_build(),
    shell:
        "{resources.mpi} -n {resources.tasks} python {input.script:q} --ranks {resources.tasks}"
        " --manifest {input.manifest:q} --root {params.root:q}"
        " --gal-info {input.gal_info:q} --gal-totsfr {input.gal_totsfr:q} --settings {params.settings:q}"
        " --output {output.sparse:q} --rejects {output.rejects:q} --log {log:q}"


rule build_links:
    input:
        sparse=f"<results>/{PIECE}/sparse.h5",
        code=library("build_links.py"),
    output:
        links=f"<results>/{PIECE}/links.h5",
    log:
        f"<logs>/{PIECE}/build_links.log",
    benchmark:
        f"<benchmarks>/{PIECE}/build_links.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(1000),
    params:
        radius_arcmin=settings.cube.link_radius_arcmin,
    script:
        "../workflow/scripts/build_links.py"


rule build_dense:
    input:
        sparse=f"<results>/{PIECE}/sparse.h5",
        links=f"<results>/{PIECE}/links.h5",
        script=library("build_dense.py")[0],
        code=library("build_dense.py"),
    output:
        dense=f"<results>/{PIECE}/dense.h5",
        rejects=f"<results>/{PIECE}/dense_rejects.parquet",
    log:
        f"<logs>/{PIECE}/build_dense.log",
    benchmark:
        f"<benchmarks>/{PIECE}/build_dense.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mpi=mpi_launcher,
        tasks=mpi_ranks,
        mem_mb=more_each_attempt(1200),
        mem_mb_per_cpu=more_each_attempt(600),
    params:
        settings=settings.cube.for_build(),
    shell:
        "{resources.mpi} -n {resources.tasks} python {input.script:q} --ranks {resources.tasks}"
        " --sparse {input.sparse:q} --links {input.links:q} --settings {params.settings:q}"
        " --output {output.dense:q} --rejects {output.rejects:q} --log {log:q}"


rule merge_rejects:
    input:
        sky="<results>/sky/set_aside.parquet",
        pieces=piece_rejects(),
        code=library("merge_rejects.py"),
    output:
        rejects=report(
            "<results>/cube/rejects.parquet",
            caption="../workflow/report/rejects.rst",
            category="Sample",
            labels={"what": "Files set aside, with the reason"},
        ),
    log:
        "<logs>/cube/merge_rejects.log",
    benchmark:
        "<benchmarks>/cube/merge_rejects.jsonl"
    conda:
        "../envs/cube.yaml"
    envmodules:
        *site_modules("cube"),
    threads: 1
    resources:
        mem_mb=more_each_attempt(500),
    script:
        "../workflow/scripts/merge_rejects.py"
